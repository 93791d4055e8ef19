"""Lightning callbacks that follow the training schedule: annealing, and unfreezing the backbone.

What they set is a pure function of the epoch or step, so they have no state to lose.
"""

from __future__ import annotations

from typing import Any

from pytorch_lightning import Callback, LightningModule, Trainer
from torch.optim import Optimizer

from lp_core.errors import TrackerError
from lp_core.trackers.feature_extractor import BaseFeatureExtractor
from lp_core.trackers.semi_supervised import SemiSupervisedTrackerMixin


class AnnealWeight(Callback):
    """Raise ``total_unsupervised_importance`` of a semi-supervised tracker from epoch to epoch.

    Args:
        init_val: Its value until ``freeze_until_epoch``.
        increase_factor: What each later epoch adds.
        final_val: Where it stays.
        freeze_until_epoch: The last epoch at ``init_val``.
    """

    def __init__(
        self,
        *,
        init_val: float = 0.0,
        increase_factor: float = 0.01,
        final_val: float = 1.0,
        freeze_until_epoch: int = 60,
    ) -> None:
        if min(init_val, increase_factor, final_val, freeze_until_epoch) < 0:
            raise TrackerError(
                "annealing takes no negative values", where="callbacks.anneal_weight"
            )
        self.init_val, self.increase_factor, self.final_val = init_val, increase_factor, final_val
        self.freeze_until_epoch = freeze_until_epoch

    def value(self, epoch: int) -> float:
        """The importance in ``epoch``, counted from 0."""
        steps = max(0, epoch - self.freeze_until_epoch)
        return min(self.final_val, self.init_val + self.increase_factor * steps)

    def notes(self, epochs: int) -> tuple[str, ...]:
        """A sentence where the losses have no weight in any of so many epochs."""
        if self.value(epochs - 1) > 0:
            return ()
        return (
            f"note: the unsupervised losses have no weight in any of the {epochs} epochs; lower "
            "callbacks.anneal_weight.freeze_until_epoch, or raise init_val",
        )

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Set the importance of the epoch in whose middle a resumed training goes on.

        Lightning does not restart that epoch.
        """
        self.on_train_epoch_start(trainer, pl_module)

    def on_train_epoch_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Set the importance for this epoch."""
        if not isinstance(pl_module, SemiSupervisedTrackerMixin):
            raise TrackerError(f"{type(pl_module).__name__} has no unsupervised losses to anneal")
        pl_module.total_unsupervised_importance = self.value(trainer.current_epoch)


class UnfreezeBackbone(Callback):
    """Keep gradients out of the backbone until it starts to learn, which saves its backward pass.

    The learning rate's ramp after that belongs to `lp_core.optimization`. With several processes
    the backbone's gradients are computed all the same, since their reduction expects all of them;
    they are dropped before the optimiser, or the clipping of gradients, sees them.
    """

    def on_train_batch_start(
        self, trainer: Trainer, pl_module: LightningModule, batch: Any, batch_idx: int
    ) -> None:
        """Decide for this step."""
        tracker = _tracker(pl_module)
        tracker.backbone_trainable = trainer.world_size > 1 or not _frozen(trainer, tracker)

    def on_before_optimizer_step(
        self, trainer: Trainer, pl_module: LightningModule, optimizer: Optimizer
    ) -> None:
        """Drop what a frozen backbone is not to learn."""
        tracker = _tracker(pl_module)
        if trainer.world_size > 1 and _frozen(trainer, tracker):
            for parameter in tracker.backbone.backbone_parameters():
                parameter.grad = None


def _tracker(module: LightningModule) -> BaseFeatureExtractor:
    if not isinstance(module, BaseFeatureExtractor):
        raise TrackerError(f"{type(module).__name__} has no backbone to unfreeze")
    return module


def _frozen(trainer: Trainer, tracker: BaseFeatureExtractor) -> bool:
    """Whether the backbone does not learn yet in this step."""
    options = tracker.optimization
    tick = trainer.global_step if options.interval == "step" else trainer.current_epoch
    return tick < options.unfreeze
