"""Keep the weights with the lowest validation loss in the model directory."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from pytorch_lightning import Callback, LightningModule, Trainer

MONITOR = "val_supervised_loss"


class KeepBestWeights(Callback):
    """Calls ``save`` whenever the validation loss falls below all earlier ones.

    Args:
        save: Writes the tracker's weights; called with the values that Lightning has logged.
    """

    def __init__(self, save: Callable[[dict[str, float]], None]) -> None:
        self.save = save
        self.best = math.inf

    def on_validation_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Save if this validation is the best so far."""
        value = trainer.callback_metrics.get(MONITOR)
        if value is None or trainer.sanity_checking or not float(value) < self.best:
            return
        self.best = float(value)
        if trainer.is_global_zero:
            self.save({name: float(item) for name, item in trainer.callback_metrics.items()})

    def state_dict(self) -> dict[str, Any]:
        """What a resumed training must know."""
        return {"best": self.best}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take up where the training was stopped."""
        self.best = float(state_dict["best"])
