"""The regression tracker and its semi-supervised twin."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from torch import Tensor

from lp_core.batches import (
    LabeledBatch,
    LossInputs,
    Prediction,
    UnlabeledBatch,
    images_of,
)
from lp_core.geometry.affine import transform
from lp_core.trackers.options import TrackerOptions
from lp_core.trackers.semi_supervised import SemiSupervisedTrackerMixin
from lp_core.trackers.supervised import BaseSupervisedTracker
from lp_models.regression.head import RegressionHead

_FRAME_SHIFTS = {"local": 0.0, "lightning_pose": 0.5}
"""Frame px from our coordinates of a place to those of the convention that a model learnt by."""


@dataclass(frozen=True, kw_only=True)
class RegressionOptions(TrackerOptions):
    """Options of the regression tracker.

    Attributes:
        decoding: How its numbers become positions. ``"local"`` counts from pixel centres, as all of
            lp does; ``"lightning_pose"`` scales without regard to them, as Lightning Pose does,
            for models that it trained: the same but for 1/2 px of the frame.
    """

    decoding: Literal["local", "lightning_pose"] = "local"


class RegressionTracker(BaseSupervisedTracker):
    """Predicts coordinates from the pooled features of the image.

    Its confidence is what the auxiliary loss ``confidence`` teaches: the probability that the
    keypoint lies near the truth. Without that loss it stays near one half and says nothing.

    Args:
        options: The tracker's options.
        **keywords: ``losses`` and ``optimization``, as in `BaseSupervisedTracker`.
    """

    Options = RegressionOptions
    options: RegressionOptions
    target_kind = "keypoints"
    supervised_losses = ("regression",)
    auxiliary_losses = ("confidence",)
    labeled_outputs = frozenset({"keypoints_targ", "keypoints_pred", "confidences"})
    unlabeled_outputs = frozenset({"keypoints_pred", "confidences"})

    def __init__(self, options: RegressionOptions, **keywords: Any) -> None:
        super().__init__(options, **keywords)
        self.head = RegressionHead(
            self.backbone.channels, options.num_keypoints, options.image_size
        )

    @property
    def resizes_frames(self) -> bool:
        """Whether video frames are to come at their own size, to be resized as it learnt."""
        return self.options.decoding == "lightning_pose"

    @classmethod
    def semi_supervised_class(cls) -> type[BaseSupervisedTracker]:
        """The twin that also learns from unlabelled clips."""
        return SemiSupervisedRegressionTracker

    def forward(self, images: Tensor) -> Prediction:
        """Keypoints in model px, and confidences, of images (N, 3, H, W), uint8 or 0 to 255."""
        return Prediction(*self.head(self.get_representations(images)))

    def get_loss_inputs_labeled(self, batch: LabeledBatch) -> LossInputs:
        """Keypoints, in frame px, both predicted and targeted."""
        keypoints, confidences = self.predict_step(batch)
        targets = transform(batch["keypoints"], batch["to_frame"])
        return {
            "keypoints_targ": targets,
            "keypoints_pred": keypoints,
            "confidences": confidences,
        }

    def predict_step(self, batch: LabeledBatch | UnlabeledBatch, batch_idx: int = 0) -> Prediction:
        """Keypoints in frame px, and confidences, of a labelled batch or a clip."""
        keypoints, confidences = self(images_of(batch))
        keypoints = transform(keypoints, batch["to_frame"])
        return Prediction(keypoints + _FRAME_SHIFTS[self.options.decoding], confidences)


class SemiSupervisedRegressionTracker(SemiSupervisedTrackerMixin, RegressionTracker):
    """A regression tracker that also learns from unlabelled clips."""

    def get_loss_inputs_unlabeled(self, batch: UnlabeledBatch) -> LossInputs:
        """Predicted keypoints, in frame px, of the T frames in their order."""
        keypoints, confidences = self.predict_step(batch)
        return {"keypoints_pred": keypoints, "confidences": confidences}
