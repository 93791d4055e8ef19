"""The heatmap tracker and its semi-supervised twin."""

from __future__ import annotations

from torch import Tensor, nn

from lp_core.batches import LabeledBatch, LossInputs, Prediction, UnlabeledBatch, images_of
from lp_core.trackers.semi_supervised import SemiSupervisedTrackerMixin
from lp_core.trackers.supervised import BaseSupervisedTracker
from lp_models.heatmap.base import BaseHeatmapTracker, Maps
from lp_models.heatmap.head import HeatmapHead


class HeatmapTracker(BaseHeatmapTracker):
    """Predicts each keypoint as the peak of a probability map over the image."""

    def build_head(self, doublings: int) -> nn.Module:
        """The module from features (B, C, rows, columns) to heatmaps (B, K, h, w)."""
        return HeatmapHead(self.backbone.channels, self.num_keypoints, doublings)

    @classmethod
    def semi_supervised_class(cls) -> type[BaseSupervisedTracker]:
        """The twin that also learns from unlabelled clips."""
        return SemiSupervisedHeatmapTracker

    def forward(self, images: Tensor) -> Maps:
        """Heatmaps (N, K, h, w), each with sum 1, of images (N, 3, H, W), uint8 or 0 to 255."""
        maps: Tensor = self.head(self.get_representations(images))
        return maps

    def get_loss_inputs_labeled(self, batch: LabeledBatch) -> LossInputs:
        """Heatmaps and keypoints, in frame px, both predicted and targeted.

        Args:
            batch: A labelled batch with ``heatmaps``.
        """
        return self.labeled_inputs(self(batch["images"]), batch)

    def predict_step(self, batch: LabeledBatch | UnlabeledBatch, batch_idx: int = 0) -> Prediction:
        """Keypoints in frame px, and confidences, of a labelled batch or a clip."""
        return self.decode(self(images_of(batch)), batch["to_frame"])


class SemiSupervisedHeatmapTracker(SemiSupervisedTrackerMixin, HeatmapTracker):
    """A heatmap tracker that also learns from unlabelled clips."""

    def get_loss_inputs_unlabeled(self, batch: UnlabeledBatch) -> LossInputs:
        """Predicted heatmaps and keypoints, in frame px, of the T frames in their order."""
        return self.unlabeled_inputs(self(batch["frames"]), batch["to_frame"])
