"""Keep the best weights in the model directory, and those of some epochs beside them."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

from pytorch_lightning import Callback, LightningModule, Trainer
from pytorch_lightning.utilities import rank_zero_warn

from lp_io.errors import CheckpointError

MONITOR = "val_supervised_loss"
EPOCHS_FOLDER = "checkpoints"

Save = Callable[[Path, dict[str, float]], None]
"""Writes the tracker's weights to a folder, with the values that Lightning has logged."""


class KeepBestWeights(Callback):
    """Saves the weights in a model directory whenever the validation loss is the lowest so far.

    Where that fails, since the disk is full, the training goes on, and the next validation tries
    again.
    """

    def __init__(self, save: Save, folder: Path) -> None:
        self.save = save
        self.folder = folder
        self.best = math.inf

    def on_validation_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Save if this validation is the best so far."""
        value = trainer.callback_metrics.get(MONITOR)
        if value is None or trainer.sanity_checking or not float(value) < self.best:
            return
        if _saved(trainer, self.save, self.folder):
            self.best = float(value)

    def state_dict(self) -> dict[str, Any]:
        """What a resumed training must know."""
        return {"best": self.best}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take up where the training was stopped."""
        self.best = float(state_dict["best"])


class KeepEpochWeights(Callback):
    """Saves every n-th epoch's weights to ``checkpoints/epoch-NNNN``, itself a model directory."""

    def __init__(self, save: Save, folder: Path, every_n_epochs: int) -> None:
        self.save = save
        self.folder = folder
        self.every_n_epochs = every_n_epochs

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Save if it is time."""
        epoch = trainer.current_epoch + 1
        if epoch % self.every_n_epochs == 0:
            _saved(trainer, self.save, self.folder / EPOCHS_FOLDER / f"epoch-{epoch:04d}")


def _saved(trainer: Trainer, save: Save, folder: Path) -> bool:
    """Save on the first process; whether the disk took it."""
    if not trainer.is_global_zero:
        return True
    try:
        save(folder, {name: float(item) for name, item in trainer.callback_metrics.items()})
    except CheckpointError as error:
        warn_of_full_disk(error)
        return False
    return True


def warn_of_full_disk(error: CheckpointError) -> None:
    """Let the training go on where the disk is full.

    Raises:
        CheckpointError: The error, where it has another cause.
    """
    if not isinstance(error.__cause__, OSError):
        raise error
    rank_zero_warn(f"{error}\nthe training goes on without it")
