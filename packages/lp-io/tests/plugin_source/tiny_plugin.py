"""A plug-in as a third party would write it: a backbone, a tracker with its twin, and a loss."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import nn

from lp_core.backbones.contract import Backbone
from lp_core.batches import Prediction, images_of
from lp_core.geometry.affine import transform
from lp_core.losses.contract import Loss, LossOptions, LossValue
from lp_core.trackers.options import TrackerOptions
from lp_core.trackers.semi_supervised import SemiSupervisedTrackerMixin
from lp_core.trackers.supervised import BaseSupervisedTracker

BUILT_WITH_PRETRAINED = []


class TinyBackbone(Backbone):
    def __init__(self):
        super().__init__(channels=6, stride=4)
        self.convolution = nn.Conv2d(3, 6, 4, stride=4, bias=False)
        self.normalization = nn.BatchNorm2d(6)
        self.register_buffer("grid", torch.arange(4.0), persistent=False)

    def forward(self, images):
        return self.normalization(self.convolution(images))


def tiny_backbone(request):
    BUILT_WITH_PRETRAINED.append(request.pretrained)
    return TinyBackbone()


@dataclass(frozen=True, kw_only=True)
class TinyOptions(TrackerOptions):
    hidden: int = 5
    steepness: float = 1.0


class TinyTracker(BaseSupervisedTracker):
    Options = TinyOptions
    target_kind = "keypoints"
    supervised_losses = ("tiny_distance",)
    labeled_outputs = frozenset({"keypoints_targ", "keypoints_pred"})
    unlabeled_outputs = frozenset({"keypoints_pred"})

    def __init__(self, options, **keywords):
        super().__init__(options, **keywords)
        self.head = nn.Sequential(
            nn.Linear(6, options.hidden),
            nn.Tanh(),
            nn.Dropout(0.2),
            nn.Linear(options.hidden, 2 * options.num_keypoints),
        )

    @classmethod
    def semi_supervised_class(cls):
        return TinyTwin if cls is TinyTracker else None

    def forward(self, images):
        return self.head(self.get_representations(images).mean(dim=(2, 3))).unflatten(1, (-1, 2))

    def get_loss_inputs_labeled(self, batch):
        return {
            "keypoints_pred": transform(self(batch["images"]), batch["to_frame"]),
            "keypoints_targ": transform(batch["keypoints"], batch["to_frame"]),
        }

    def predict_step(self, batch, batch_idx=0):
        keypoints = transform(self(images_of(batch)), batch["to_frame"])
        return Prediction(keypoints, torch.full(keypoints.shape[:2], 0.5))


class TinyTwin(SemiSupervisedTrackerMixin, TinyTracker):
    def get_loss_inputs_unlabeled(self, batch):
        return {"keypoints_pred": transform(self(batch["frames"]), batch["to_frame"])}


class UnregisteredTracker(TinyTracker):
    pass


class TinyDistance(Loss):
    name = "tiny_distance"
    requires = frozenset({"keypoints_pred", "keypoints_targ"})
    supervised = True

    def forward(self, inputs):
        return LossValue((inputs["keypoints_pred"] - inputs["keypoints_targ"]).square().mean())


@dataclass(frozen=True, kw_only=True)
class SpreadOptions(LossOptions):
    epsilon: float | None = None


class TinySpread(Loss):
    """Learns a buffer whose size only the labels tell."""

    name = "tiny_spread"
    requires = frozenset({"keypoints_pred"})
    Options = SpreadOptions

    def __init__(self, options=None):
        super().__init__(options)
        self.register_buffer("centre", torch.zeros(0, 2))

    def fit_labels(self, labels):
        self.centre = labels.keypoints.nanmean(dim=0)

    def forward(self, inputs):
        return LossValue((inputs["keypoints_pred"] - self.centre).square().mean())

    def _load_from_state_dict(self, state, prefix, *arguments):
        if prefix + "centre" in state:
            self.centre = torch.empty_like(state[prefix + "centre"])
        super()._load_from_state_dict(state, prefix, *arguments)
