"""The temporal context tracker and its semi-supervised twin."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from lp_core.batches import LabeledBatch, LossInputs, Prediction, UnlabeledBatch, images_of
from lp_core.trackers.semi_supervised import SemiSupervisedTrackerMixin
from lp_core.trackers.supervised import BaseSupervisedTracker
from lp_models.heatmap.base import BaseHeatmapTracker, HeatmapOptions, Maps
from lp_models.mhcrnn.fusion import FusionHeads
from lp_models.mhcrnn.heads import ContextHeads
from lp_models.mhcrnn.recurrent import RecurrentHeads
from lp_models.mhcrnn.trajectory import TrajectoryHeads


@dataclass(frozen=True, kw_only=True)
class ContextOptions(HeatmapOptions):
    """Options of the temporal context tracker.

    Attributes:
        context_head: How the five frames come together. ``"recurrent"`` is Lightning Pose's linear
            recurrence over heatmaps; ``"fusion"`` decodes the features of all frames, mixed, beside
            those of the middle one, with non-linearities; ``"trajectory"`` multiplies the middle
            frame's heatmap with where the others expect the keypoint.
    """

    context_head: Literal["recurrent", "fusion", "trajectory"] = "recurrent"


class MHCRNNTracker(BaseHeatmapTracker):
    """Predicts the middle of five frames twice, from that frame alone and from all five.

    Both heads learn from the same labels. At prediction the more confident of the two decides, for
    each keypoint; or the second one, with ``context_head: trajectory``, where it holds what the
    first one says.
    """

    Options = ContextOptions
    options: ContextOptions
    context_frames = 5
    head: ContextHeads

    def build_head(self, doublings: int) -> ContextHeads:
        """The module from windows of features to the heatmaps of both heads.

        Raises:
            TrackerError: The recurrent head cannot double that often.
        """
        channels = self.backbone.channels
        if self.options.context_head == "recurrent":
            return RecurrentHeads(channels, self.num_keypoints, doublings)
        if self.options.context_head == "trajectory":
            return TrajectoryHeads(channels, self.num_keypoints, doublings)
        return FusionHeads(channels, self.num_keypoints, doublings, self.context_frames)

    @classmethod
    def semi_supervised_class(cls) -> type[BaseSupervisedTracker]:
        """The twin that also learns from unlabelled clips."""
        return SemiSupervisedMHCRNNTracker

    def forward(self, images: Tensor) -> tuple[Maps, Maps]:
        """Heatmaps (N, K, h, w) of the single-frame and of the multi-frame head, of N windows.

        Args:
            images: (B, 5, 3, H, W) windows, so that N = B; or (T, 3, H, W) consecutive frames, so
                that N = T - 4; uint8 or 0 to 255.
        """
        if images.ndim == 4:
            self._check_context(images.shape[0], exactly=False)
            return self.head.of_clip(self.encode(images), self.context_frames)
        single, multi = self.head(self.get_representations(images))
        return single, multi

    def get_loss_inputs_labeled(self, batch: LabeledBatch) -> list[LossInputs]:
        """Heatmaps and keypoints, in frame px, predicted and targeted, of each head that learns.

        Args:
            batch: A labelled batch with context and with ``heatmaps``.
        """
        images = batch["images"]
        if self.head.learns_from_single_frames:
            images = images[:, self.context_frames // 2]
            return [self.labeled_inputs(self.head.single(self.encode(images)), batch)]
        return [self.labeled_inputs(heatmaps, batch) for heatmaps in self(images)]

    def predict_step(self, batch: LabeledBatch | UnlabeledBatch, batch_idx: int = 0) -> Prediction:
        """Keypoints in frame px, and confidences, from the more confident head for each keypoint.

        Args:
            batch: A labelled batch with context; or a clip, of which the first and the last two
                frames are not predicted.
            batch_idx: Lightning's number of the batch.
        """
        single, multi = (
            self.decode(heatmaps, self.middle_maps(batch)) for heatmaps in self(images_of(batch))
        )
        if self.head.second_decides:
            return multi
        better = (multi.confidences > single.confidences).unsqueeze(-1)
        return Prediction(
            torch.where(better, multi.keypoints, single.keypoints),
            torch.maximum(multi.confidences, single.confidences),
        )

    def middle_maps(self, batch: LabeledBatch | UnlabeledBatch) -> Tensor:
        """``to_frame`` (N, 2, 3) of the frames that stand in the middle of a window."""
        margin = 0 if "images" in batch else self.context_frames // 2
        return batch["to_frame"][margin : batch["to_frame"].shape[0] - margin]


class SemiSupervisedMHCRNNTracker(SemiSupervisedTrackerMixin, MHCRNNTracker):
    """A temporal context tracker that also learns from unlabelled clips."""

    def get_loss_inputs_unlabeled(self, batch: UnlabeledBatch) -> list[LossInputs]:
        """Predicted heatmaps and keypoints, in frame px, of each head that learns.

        The rows are the T - 4 frames that stand in the middle of a window, in their order.
        """
        frames, to_frame = batch["frames"], self.middle_maps(batch)
        if self.head.learns_from_single_frames:
            margin = self.context_frames // 2
            heatmaps = self.head.single(self.encode(frames[margin : frames.shape[0] - margin]))
            return [self.unlabeled_inputs(heatmaps, to_frame)]
        return [self.unlabeled_inputs(heatmaps, to_frame) for heatmaps in self(frames)]
