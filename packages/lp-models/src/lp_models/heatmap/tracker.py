"""The heatmap tracker and its semi-supervised twin."""

from __future__ import annotations

from typing import Any

from jaxtyping import Float
from torch import Tensor

from lp_core.batches import (
    LabeledBatch,
    LossInputs,
    Prediction,
    UnlabeledBatch,
    images_of,
)
from lp_core.geometry.affine import transform
from lp_core.geometry.decoding import decode_heatmaps
from lp_core.trackers.semi_supervised import SemiSupervisedTrackerMixin
from lp_core.trackers.supervised import BaseSupervisedTracker
from lp_models.heatmap.head import HeatmapHead, check_sizes
from lp_models.heatmap.options import HeatmapOptions


class HeatmapTracker(BaseSupervisedTracker):
    """Predicts each keypoint as the peak of a probability map over the image.

    Args:
        options: What the tracker is told.
        **keywords: ``losses`` and ``optimization``, as in `BaseSupervisedTracker`.

    Raises:
        TrackerError: Image size, feature stride and downsample factor do not fit together.
    """

    Options = HeatmapOptions
    options: HeatmapOptions
    target_kind = "heatmaps"
    supervised_losses = ("heatmap_mse", "heatmap_kl", "heatmap_js")
    labeled_outputs = frozenset(
        {"heatmaps_targ", "heatmaps_pred", "keypoints_targ", "keypoints_pred", "confidences"}
    )
    unlabeled_outputs = frozenset({"heatmaps_pred", "keypoints_pred", "confidences"})

    def __init__(self, options: HeatmapOptions, **keywords: Any) -> None:
        super().__init__(options, **keywords)
        doublings = check_sizes(options.image_size, self.backbone.stride, options.cell_size)
        self.head = HeatmapHead(self.backbone.channels, options.num_keypoints, doublings)

    @classmethod
    def semi_supervised_class(cls) -> type[BaseSupervisedTracker]:
        """The twin that also learns from unlabelled clips."""
        return SemiSupervisedHeatmapTracker

    @property
    def heatmap_size(self) -> tuple[int, int]:
        """(h, w) of the heatmaps in cells."""
        return self.options.heatmap_size

    @property
    def uniform_targets(self) -> bool:
        """Whether a missing keypoint gets a uniform target heatmap rather than none."""
        return self.options.uniform_heatmaps

    def forward(self, images: Tensor) -> Float[Tensor, "batch keypoints cells_y cells_x"]:
        """Heatmaps (N, K, h, w), each with sum 1, of images (N, 3, H, W), uint8 or 0 to 255."""
        maps: Tensor = self.head(self.get_representations(images))
        return maps

    def decode(self, heatmaps: Tensor, to_frame: Tensor) -> Prediction:
        """Keypoints in frame px, differentiable, and confidences.

        Args:
            heatmaps: (N, K, h, w), each with sum 1.
            to_frame: (N, 2, 3), model px → frame px.
        """
        keypoints, confidences = decode_heatmaps(heatmaps, self.options.image_size)
        return Prediction(transform(keypoints, to_frame), confidences)

    def get_loss_inputs_labeled(self, batch: LabeledBatch) -> LossInputs:
        """Heatmaps and keypoints, in frame px, both predicted and targeted.

        Args:
            batch: A labelled batch with ``heatmaps``.
        """
        heatmaps = self(batch["images"])
        keypoints, confidences = self.decode(heatmaps, batch["to_frame"])
        return {
            "heatmaps_targ": batch["heatmaps"],
            "heatmaps_pred": heatmaps,
            "keypoints_targ": transform(batch["keypoints"], batch["to_frame"]),
            "keypoints_pred": keypoints,
            "confidences": confidences,
        }

    def predict_step(self, batch: LabeledBatch | UnlabeledBatch, batch_idx: int = 0) -> Prediction:
        """Keypoints in frame px, and confidences, of a labelled batch or a clip."""
        return self.decode(self(images_of(batch)), batch["to_frame"])


class SemiSupervisedHeatmapTracker(SemiSupervisedTrackerMixin, HeatmapTracker):
    """A heatmap tracker that also learns from unlabelled clips."""

    def get_loss_inputs_unlabeled(self, batch: UnlabeledBatch) -> LossInputs:
        """Predicted heatmaps and keypoints, in frame px, of the T frames in their order."""
        heatmaps = self(batch["frames"])
        keypoints, confidences = self.decode(heatmaps, batch["to_frame"])
        return {
            "heatmaps_pred": heatmaps,
            "keypoints_pred": keypoints,
            "confidences": confidences,
        }
