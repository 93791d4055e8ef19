"""Save the training state now and then, at moments from which it can be resumed exactly."""

from __future__ import annotations

import random
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
from pytorch_lightning import LightningModule, Trainer
from pytorch_lightning.callbacks import Checkpoint
from pytorch_lightning.utilities import CombinedLoader
from torch.utils.data import DataLoader

from lp_io.checkpoint.keeping import warn_of_full_disk
from lp_io.errors import TrainingStateError
from lp_io.tensor_file import UNFINISHED
from lp_io.training_state.storage import TrainingStateIO, read_training_state

SUFFIX = ".state.safetensors"
_KEY = "lp_random_states"


def remove_unfinished_states(folder: str | Path) -> None:
    """Remove what a power cut left of a state that was being written."""
    for pattern in (f".step-*{Path(SUFFIX).suffix}", UNFINISHED):
        for path in Path(folder).glob(pattern):
            path.unlink(missing_ok=True)


def latest_training_state(folder: str | Path) -> Path | None:
    """The newest training state in a folder that is whole, or None where there is none."""
    for path in reversed(_states(Path(folder))):
        try:
            read_training_state(path)
        except TrainingStateError:
            continue
        return path
    return None


def _states(folder: Path) -> list[Path]:
    """In the order of their steps."""
    return sorted(folder.glob(f"step-*{SUFFIX}"))


class TrainingStateSaver(Checkpoint):
    """A Lightning callback that saves everything from which the training goes on bit by bit.

    Resume with ``trainer.fit(..., ckpt_path=latest_training_state(folder))``, the trainer having a
    `TrainingStateIO` and this callback. Loaders must be resumable: their order may depend on seed
    and epoch only, and ``state_dict`` must tell the batches given. A disk that is full costs a
    warning, not the training.

    A state is never saved where Lightning would skip something when it resumes: within the
    accumulation of gradients, or before a validation that is due. It is saved as soon after as
    possible then. The end of the training is always saved, so that it can be prolonged.

    Args:
        folder: Where to save.
        every_n_steps: Save after so many optimiser steps; None does not.
        every_n_seconds: Save when so many seconds have gone since the last time; None does not.
        keep: How many states to keep, the newest.
    """

    def __init__(
        self,
        folder: str | Path,
        *,
        every_n_steps: int | None = None,
        every_n_seconds: float | int | None = None,
        keep: int = 1,
    ) -> None:
        self.folder = Path(folder)
        self.every_n_steps = every_n_steps
        self.every_n_seconds = every_n_seconds
        self.keep = keep
        self._saved_at = time.monotonic()
        self._then_stop: Exception | None = None
        self._due = False
        self._last_step = 0
        self._restored: list[dict[str, Any]] | None = None

    def save_and_stop(self, reason: Exception) -> None:
        """Save as soon as it is possible, then raise ``reason``."""
        self._due, self._then_stop = True, reason

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Take up the random generators where the training was stopped."""
        self._last_step = trainer.global_step
        self._saved_at = time.monotonic()
        _own_generators(trainer.train_dataloader)
        states, self._restored = self._restored, None
        if states is not None and trainer.global_rank < len(states):
            restore_random_state(states[trainer.global_rank])

    def on_validation_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Keep the validation's loaders from drawing from the global generators."""
        _own_generators(trainer.val_dataloaders)

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Save after an optimiser step, if it is time and nothing is left to do after it."""
        step = trainer.global_step
        if step == self._last_step:
            return
        self._last_step = step
        self._due |= bool(self.every_n_steps) and step % (self.every_n_steps or 1) == 0
        self._due |= self._time_is_up(trainer)
        if self._due and not _validation_may_follow(trainer, batch_idx):
            self._save(trainer)

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Save if it was time within the epoch, or at the end of the training."""
        if self._due or _is_last_epoch(trainer):
            self._save(trainer)

    def _time_is_up(self, trainer: Trainer) -> bool:
        """Whether the last save is long ago; all processes hear the same answer.

        To hear it is to wait for the device, so that several processes ask only at the steps whose
        values are logged, when they wait in any case.
        """
        if self.every_n_seconds is None:
            return False
        answer = time.monotonic() - self._saved_at >= self.every_n_seconds
        if trainer.world_size == 1:
            return answer
        every: int = trainer.log_every_n_steps  # type: ignore[attr-defined]
        if trainer.global_step % max(1, every):
            return False
        return bool(trainer.strategy.broadcast(answer))

    def on_save_checkpoint(
        self, trainer: Trainer, pl_module: LightningModule, checkpoint: dict[str, Any]
    ) -> None:
        """Add the random generators of every process to a checkpoint."""
        states: list[Any] = [capture_random_state()]
        if trainer.world_size > 1:
            states = [None] * trainer.world_size
            torch.distributed.all_gather_object(states, capture_random_state())
        checkpoint[_KEY] = states

    def on_load_checkpoint(
        self, trainer: Trainer, pl_module: LightningModule, checkpoint: dict[str, Any]
    ) -> None:
        """Keep them until the training starts: building loaders and models draws from them."""
        self._restored = checkpoint.get(_KEY)

    def _save(self, trainer: Trainer) -> None:
        """Save, and stop if that is asked for."""
        self._due = False
        self._finish(trainer)
        try:
            trainer.save_checkpoint(self.folder / f"step-{trainer.global_step:09d}{SUFFIX}")
        except TrainingStateError as error:
            warn_of_full_disk(error)
            trainer.strategy.barrier("Trainer.save_checkpoint")  # where the others wait
        self._saved_at = time.monotonic()
        if self._then_stop is not None:
            self._finish(trainer)
            raise self._then_stop

    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Wait until the last state is on the disk."""
        self._finish(trainer)

    def on_exception(
        self, trainer: Trainer, pl_module: LightningModule, exception: BaseException
    ) -> None:
        """Wait until the last state is on the disk."""
        self._finish(trainer)

    def _finish(self, trainer: Trainer) -> None:
        """Wait until the last state is on the disk, then remove those that are too old."""
        if not trainer.is_global_zero:
            return
        files = trainer.strategy.checkpoint_io
        try:
            if isinstance(files, TrainingStateIO):
                files.wait()
        except TrainingStateError as error:
            warn_of_full_disk(error)
        for path in _states(self.folder)[: -self.keep]:
            path.unlink(missing_ok=True)


def _validation_may_follow(trainer: Trainer, batch_idx: int) -> bool:
    """Whether the epoch ends or a validation may come between this batch and the next."""
    progress, every = trainer.fit_loop.epoch_loop.batch_progress, trainer.val_check_batch
    if progress.is_last_batch or not every or every == float("inf"):
        return progress.is_last_batch
    return (batch_idx + 1) % every == 0 or progress.total.ready % every == 0


def _is_last_epoch(trainer: Trainer) -> bool:
    steps, epochs = trainer.max_steps, trainer.max_epochs
    if trainer.should_stop or (steps != -1 and trainer.global_step >= steps):
        return True
    return epochs not in (None, -1) and trainer.current_epoch + 1 >= epochs


def _own_generators(loaders: Any) -> None:
    """Give each loader a generator of its own.

    A loader without one draws a seed for its workers from the global generator whenever a pass
    begins, and a resumed run begins one more pass.
    """
    if loaders is None:
        return
    for loader in CombinedLoader(loaders).flattened:
        if isinstance(loader, DataLoader) and loader.generator is None:
            loader.generator = torch.Generator()


def capture_random_state() -> dict[str, Any]:
    """The states of Python's, NumPy's and torch's global generators, on every device in use."""
    version, words, spare = random.getstate()
    state: dict[str, Any] = {
        "python": [version, torch.tensor(words), spare],
        "numpy": _with_key(np.random.get_state(legacy=False), np.int64),
        "torch": torch.get_rng_state(),
    }
    if torch.cuda.is_available() and torch.cuda.is_initialized():
        state["cuda"] = torch.cuda.get_rng_state_all()
    if torch.backends.mps.is_available():
        state["mps"] = torch.mps.get_rng_state()
    return state


def restore_random_state(state: dict[str, Any]) -> None:
    """Bring back what `capture_random_state` gave, as far as the devices are there."""
    version, words, spare = state["python"]
    random.setstate((version, tuple(words.tolist()), spare))
    np.random.set_state(_with_key(state["numpy"], np.uint32))
    torch.set_rng_state(state["torch"])
    if "cuda" in state and torch.cuda.is_available():
        devices = min(len(state["cuda"]), torch.cuda.device_count())
        for device, cuda_state in enumerate(state["cuda"][:devices]):
            torch.cuda.set_rng_state(cuda_state, device)
    if "mps" in state and torch.backends.mps.is_available():
        torch.mps.set_rng_state(state["mps"])


def _with_key(state: Any, kind: type[np.integer]) -> Any:
    """NumPy's state with its numbers in another type; files of tensors hold no uint32."""
    inner = state["state"]
    return {**state, "state": {**inner, "key": inner["key"].astype(kind)}}
