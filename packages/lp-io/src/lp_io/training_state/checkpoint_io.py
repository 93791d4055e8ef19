"""How Lightning stores and finds training states."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from threading import Thread
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
        self._thread = OneWriter() if in_background else None

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
                the file cannot be written; in the background, that the one before could not.
        """
        if self._thread is None:
            write_training_state(path, checkpoint)
            return
        self._thread.wait()
        self._thread.start(partial(EncodedState(checkpoint, copy=True).write, Path(path)))

    def wait(self) -> None:
        """Wait until what is being written is on the disk.

        Raises:
            TrainingStateError: It could not be written.
        """
        if self._thread is not None:
            self._thread.wait()

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
        self.wait()
        return read_training_state(path)

    def teardown(self) -> None:
        """Wait until what is being written is on the disk."""
        self.wait()

    def remove_checkpoint(self, path: str | Path) -> None:
        """Remove a checkpoint, if it is there."""
        self.wait()
        Path(path).unlink(missing_ok=True)


class OneWriter:
    """Does one piece of work at a time in a thread; Python waits for it before it ends."""

    def __init__(self) -> None:
        self._running: Thread | None = None
        self._error: Exception | None = None

    def start(self, work: Callable[[], None]) -> None:
        """Begin, when what was begun before is done."""
        self.wait()
        self._running = Thread(target=self._run, args=(work,), name="training state")
        self._running.start()

    def wait(self) -> None:
        """Wait until the work is done, and raise what it raised."""
        if self._running is not None:
            self._running.join()
            self._running = None
        error, self._error = self._error, None
        if error is not None:
            raise error

    def _run(self, work: Callable[[], None]) -> None:
        try:
            work()
        except Exception as error:
            self._error = error
