"""How Lightning stores and finds training states."""

from __future__ import annotations

from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

from pytorch_lightning.plugins.io import CheckpointIO

from lp_io.training_state.storage import EncodedState, read_training_state, write_training_state


class TrainingStateIO(CheckpointIO):
    """Stores Lightning's checkpoints as safetensors with JSON instead of a pickle.

    Give it to the trainer: ``Trainer(plugins=[TrainingStateIO()])``. Optimisers, schedules,
    callbacks, loops, loaders and whatever else Lightning puts in a checkpoint come back exactly.

    Args:
        in_background: Copy the state, and leave it to a thread to hash and write the copy while the
            training goes on. Until that is done, the file before it is the newest. For use with
            `TrainingStateSaver`, which waits where it must.
    """

    def __init__(self, *, in_background: bool = False) -> None:
        super().__init__()
        self._in_background = in_background
        self._written: Future[None] | None = None

    def save_checkpoint(
        self, checkpoint: dict[str, Any], path: str | Path, storage_options: Any = None
    ) -> None:
        """Write a checkpoint; the file appears whole or not at all.

        Raises:
            TrainingStateError: It holds something other than plain values, tensors and arrays, or
                the file cannot be written; in the background, that the one before could not.
        """
        if not self._in_background:
            write_training_state(path, checkpoint)
            return
        self.wait()
        writer = ThreadPoolExecutor(max_workers=1)  # Python waits for it before it ends
        self._written = writer.submit(EncodedState(checkpoint, copy=True).write, Path(path))
        writer.shutdown(wait=False)

    def wait(self) -> None:
        """Wait until what is being written is on the disk.

        Raises:
            TrainingStateError: It could not be written.
        """
        written, self._written = self._written, None
        if written is not None:
            written.result()

    def load_checkpoint(
        self, path: str | Path, map_location: Any = None, weights_only: bool | None = None
    ) -> dict[str, Any]:
        """Read a checkpoint to the CPU, from which Lightning moves it; only values are ever read.

        Raises:
            TrainingStateError: The file is missing or cannot be trusted.
        """
        self.wait()
        return read_training_state(path)

    def teardown(self) -> None:
        """Wait until what is being written is on the disk."""
        self.wait()

    def remove_checkpoint(self, path: str | Path) -> None:
        """Remove a checkpoint, if it is there."""
        self.wait()
        Path(path).unlink(missing_ok=True)
