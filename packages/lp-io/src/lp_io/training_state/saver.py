"""Save the training state now and then, at moments from which it can be resumed exactly."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from pytorch_lightning import LightningModule, Trainer
from pytorch_lightning.callbacks import Checkpoint
from pytorch_lightning.utilities import CombinedLoader, rank_zero_warn
from torch.utils.data import DataLoader

from lp_io.errors import TrainingStateError
from lp_io.training_state.random_state import capture_random_state, restore_random_state
from lp_io.training_state.storage import read_training_state

SUFFIX = ".state.safetensors"
_KEY = "lp_random_states"


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
    """The training states in a folder, in the order of their steps."""
    return sorted(folder.glob(f"step-*{SUFFIX}"))


class TrainingStateSaver(Checkpoint):
    """A Lightning callback that saves everything from which the training goes on bit by bit.

    Resume with ``trainer.fit(..., ckpt_path=latest_training_state(folder))``, the trainer having a
    `TrainingStateIO` and this callback. Loaders must be resumable: their order may depend on seed
    and epoch only, and ``state_dict`` must tell the batches given. A disk that is full costs a
    warning, not the training.

    A state is never saved where Lightning would skip something when it resumes: within the
    accumulation of gradients, or before a validation that is due. It is saved as soon after as
    possible then.

    Args:
        folder: Where to save.
        every_n_steps: Save after so many optimiser steps; None saves at the end of epochs only.
        every_n_epochs: Save at the end of every so many epochs.
        keep: How many states to keep, the newest.
    """

    def __init__(
        self,
        folder: str | Path,
        *,
        every_n_steps: int | None = None,
        every_n_epochs: int = 1,
        keep: int = 1,
    ) -> None:
        self.folder = Path(folder)
        self.every_n_steps = every_n_steps
        self.every_n_epochs = every_n_epochs
        self.keep = keep
        self._due = False
        self._last_step = 0
        self._restored: list[dict[str, Any]] | None = None

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Take up the random generators where the training was stopped."""
        self._last_step = trainer.global_step
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
        if self.every_n_steps is None or step == self._last_step:
            return
        self._last_step = step
        self._due |= step % self.every_n_steps == 0
        if self._due and not _validation_may_follow(trainer, batch_idx):
            self._save(trainer)

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Save at the end of an epoch, if it is time."""
        if self._due or (trainer.current_epoch + 1) % self.every_n_epochs == 0:
            self._save(trainer)

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
        """Remember them until the training starts: building loaders and models draws from them."""
        self._restored = checkpoint.get(_KEY)

    def _save(self, trainer: Trainer) -> None:
        """Save, then remove the states that are too old."""
        self._due = False
        try:
            trainer.save_checkpoint(self.folder / f"step-{trainer.global_step:09d}{SUFFIX}")
        except TrainingStateError as error:
            if isinstance(error.__cause__, OSError):
                rank_zero_warn(f"{error}\nthe training goes on without it")
                trainer.strategy.barrier("Trainer.save_checkpoint")  # where the others wait
                return
            raise
        if trainer.is_global_zero:
            for path in _states(self.folder)[: -self.keep]:
                path.unlink(missing_ok=True)


def _validation_may_follow(trainer: Trainer, batch_idx: int) -> bool:
    """Whether the epoch ends or a validation may come between this batch and the next."""
    progress = trainer.fit_loop.epoch_loop.batch_progress
    if progress.is_last_batch:
        return True
    every = trainer.val_check_batch
    if not every or every == float("inf"):
        return False
    return (batch_idx + 1) % every == 0 or progress.total.ready % every == 0


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
