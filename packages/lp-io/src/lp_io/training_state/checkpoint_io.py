"""How Lightning stores and finds training states."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pytorch_lightning.plugins.io import CheckpointIO

from lp_io.training_state.storage import read_training_state, write_training_state


class TrainingStateIO(CheckpointIO):
    """Stores Lightning's checkpoints as safetensors with JSON instead of a pickle.

    Give it to the trainer: ``Trainer(plugins=[TrainingStateIO()])``. Optimisers, schedules,
    callbacks, loops, loaders and whatever else Lightning puts in a checkpoint come back exactly.
    """

    def save_checkpoint(
        self, checkpoint: dict[str, Any], path: str | Path, storage_options: Any = None
    ) -> None:
        """Write a checkpoint; the file appears whole or not at all.

        Args:
            checkpoint: Lightning's state of everything.
            path: The file.
            storage_options: Not used.

        Raises:
            TrainingStateError: It holds something other than plain values, tensors and arrays, or
                the file cannot be written.
        """
        write_training_state(path, checkpoint)

    def load_checkpoint(
        self, path: str | Path, map_location: Any = None, weights_only: bool | None = None
    ) -> dict[str, Any]:
        """Read a checkpoint.

        Args:
            path: The file.
            map_location: Not used: tensors are on the CPU, and Lightning moves them.
            weights_only: Not used: nothing but values is ever read.

        Raises:
            TrainingStateError: The file is missing or cannot be trusted.
        """
        return read_training_state(path)

    def remove_checkpoint(self, path: str | Path) -> None:
        """Remove a checkpoint, if it is there."""
        Path(path).unlink(missing_ok=True)
