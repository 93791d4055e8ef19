"""What the callbacks do to a tracker in a real training loop."""

import pytest
import pytorch_lightning as pl
import torch
from torch import nn
from torch.utils.data import DataLoader

from lp_core.batches import Prediction, images_of
from lp_core.callbacks import AnnealWeight, UnfreezeBackbone
from lp_core.errors import TrackerError
from lp_core.losses.contract import Loss, LossValue
from lp_core.losses.factory import LossFactory
from lp_core.optimization import OptimizationOptions
from lp_core.testing.toy import ToyProblem
from lp_core.trackers.options import TrackerOptions
from lp_core.trackers.semi_supervised import SemiSupervisedTrackerMixin
from lp_core.trackers.supervised import BaseSupervisedTracker

TOY = ToyProblem(image_size=(32, 32), keypoints=2, context_frames=1)


class Error(Loss):
    name = "error"
    requires = frozenset({"keypoints_pred", "keypoints_targ"})
    supervised = True

    def forward(self, inputs):
        return LossValue((inputs["keypoints_pred"] - inputs["keypoints_targ"]).square().mean())


class Motion(Loss):
    name = "motion"
    requires = frozenset({"keypoints_pred"})

    def forward(self, inputs):
        return LossValue(inputs["keypoints_pred"].diff(dim=0).square().mean())


class Little(BaseSupervisedTracker):
    target_kind = "keypoints"

    def __init__(self, options, **keywords):
        super().__init__(options, **keywords)
        self.head = nn.Linear(self.backbone.channels, 2 * self.num_keypoints)
        self.seen = []

    def keypoints(self, batch):
        features = self.get_representations(images_of(batch)).mean(dim=(2, 3))
        return self.head(features).unflatten(1, (-1, 2))

    def get_loss_inputs_labeled(self, batch):
        return {"keypoints_pred": self.keypoints(batch), "keypoints_targ": batch["keypoints"]}

    def predict_step(self, batch, batch_idx=0):
        keypoints = self.keypoints(batch)
        return Prediction(keypoints, torch.ones(keypoints.shape[:2]))

    def on_after_backward(self):
        learned = any(p.grad is not None and p.grad.any() for p in self.backbone.parameters())
        self.seen.append(learned)


class SemiLittle(SemiSupervisedTrackerMixin, Little):
    def get_loss_inputs_unlabeled(self, batch):
        return {"keypoints_pred": self.keypoints(batch)}

    def on_after_backward(self):
        self.seen.append(round(self.total_unsupervised_importance, 3))


def _fit(kind, callback, epochs, batch, **optimization):
    tracker = kind(
        TrackerOptions(
            keypoint_names=("a", "b"),
            image_size=(32, 32),
            backbone="test_resnet",
            backbone_pretrained=False,
        ),
        losses=LossFactory([Error()], {"keypoints_pred", "keypoints_targ"}),
        optimization=OptimizationOptions(**optimization),
        **(
            {"unsupervised_losses": LossFactory([Motion()], {"keypoints_pred"})}
            if kind is SemiLittle
            else {}
        ),
    )
    before = [parameter.clone() for parameter in tracker.backbone.parameters()]
    trainer = pl.Trainer(
        accelerator="cpu",
        max_epochs=epochs,
        callbacks=[callback],
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
    )
    trainer.fit(tracker, DataLoader([batch] * 2, batch_size=None))
    moved = any(
        not torch.equal(old, new)
        for old, new in zip(before, tracker.backbone.parameters(), strict=True)
    )
    return tracker.seen, moved


def test_gradients_reach_the_backbone_once_it_thaws():
    seen, moved = _fit(Little, UnfreezeBackbone(), 3, TOY.labeled(), unfreeze=2)
    assert seen == [False] * 4 + [True] * 2
    assert moved


def test_a_frozen_backbone_does_not_move():
    seen, moved = _fit(Little, UnfreezeBackbone(), 2, TOY.labeled(), unfreeze=5)
    assert seen == [False] * 4
    assert not moved


def test_thawing_may_count_steps():
    seen, _ = _fit(Little, UnfreezeBackbone(), 2, TOY.labeled(), unfreeze=3, interval="step")
    assert seen == [False] * 3 + [True]


def test_importance_rises_after_its_epoch_and_stays():
    callback = AnnealWeight(increase_factor=0.4, freeze_until_epoch=1)
    seen, _ = _fit(SemiLittle, callback, 6, TOY.both())
    assert seen[::2] == [0.0, 0.0, 0.4, 0.8, 1.0, 1.0]


def test_the_default_reaches_full_weight_at_epoch_160():
    callback = AnnealWeight()
    assert [callback.value(epoch) for epoch in (0, 60, 61, 160, 500)] == pytest.approx(
        [0.0, 0.0, 0.01, 1.0, 1.0]
    )


def test_annealing_a_tracker_without_unsupervised_losses_is_refused():
    with pytest.raises(TrackerError, match="no unsupervised losses to anneal"):
        _fit(Little, AnnealWeight(), 1, TOY.labeled())


def test_negative_values_are_refused():
    with pytest.raises(TrackerError, match="no negative values"):
        AnnealWeight(increase_factor=-0.1)
