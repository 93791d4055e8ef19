"""What all trackers that give heatmaps share."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass
from typing import Any, Literal

from jaxtyping import Float
from torch import Tensor, nn

from lp_core.batches import LabeledBatch, LossInputs, Prediction
from lp_core.geometry.affine import transform
from lp_core.poses import Visibility
from lp_core.trackers.options import TrackerOptions
from lp_core.trackers.supervised import BaseSupervisedTracker
from lp_models.heatmap.decoders import HEATMAP_DECODERS, Decoding
from lp_models.heatmap.head import check_sizes

Maps = Float[Tensor, "batch keypoints cells_y cells_x"]


@dataclass(frozen=True, kw_only=True)
class HeatmapOptions(TrackerOptions):
    """Options of trackers that give heatmaps.

    Attributes:
        downsample_factor: A heatmap cell is 2^downsample_factor model px wide and high.
        uniform_heatmaps: Give a keypoint without a position, but of visibility 2, a uniform target,
            so that the tracker learns to be unsure of it; if not, it is left out of the loss.
            Batches of lp-data have no such keypoints: they say 1 (uniform) or 0 (left out).
        occluded_targets: What an occluded keypoint that has a position teaches: ``"uniform"``, to
            be unsure, as in Lightning Pose; ``"position"``, where it is, as COCO's trackers learn.
        decoding: How a heatmap becomes a position. ``"local"`` is ours; ``"lightning_pose"`` is the
            one of Lightning Pose, with its coordinates, for models that it trained.
    """

    downsample_factor: Literal[1, 2, 3] = 2
    uniform_heatmaps: bool = True
    occluded_targets: Literal["uniform", "position"] = "uniform"
    decoding: Decoding = "local"

    @property
    def cell_size(self) -> int:
        """Model px per heatmap cell, along each axis."""
        return 1 << self.downsample_factor

    @property
    def heatmap_size(self) -> tuple[int, int]:
        """(h, w) of the heatmaps in cells."""
        return self.image_size[0] // self.cell_size, self.image_size[1] // self.cell_size


class BaseHeatmapTracker(BaseSupervisedTracker):
    """Learns from target heatmaps, and decodes the heatmaps that its head predicts.

    Args:
        options: The tracker's options.
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
        self.head = self.build_head(doublings)

    @abstractmethod
    def build_head(self, doublings: int) -> nn.Module:
        """The module from features to heatmaps, which doubles their size so often."""

    @property
    def resizes_frames(self) -> bool:
        """Whether video frames are to come at their own size, to be resized as it learnt."""
        return self.options.decoding == "lightning_pose"

    @property
    def heatmap_size(self) -> tuple[int, int]:
        """(h, w) of the heatmaps in cells."""
        return self.options.heatmap_size

    @property
    def uniform_targets(self) -> bool:
        """Whether a missing keypoint gets a uniform target heatmap rather than none."""
        return self.options.uniform_heatmaps

    def decode(self, heatmaps: Maps, to_frame: Float[Tensor, "batch 2 3"]) -> Prediction:
        """Keypoints in frame px, differentiable, and confidences.

        Args:
            heatmaps: (N, K, h, w), each with sum 1.
            to_frame: (N, 2, 3), model px → frame px.
        """
        decoder = HEATMAP_DECODERS[self.options.decoding]
        return decoder.decode(heatmaps, self.options.image_size, to_frame)

    def add_targets(self, batch: LabeledBatch) -> LabeledBatch:
        """The batch, with target heatmaps that would be decoded to its keypoints."""
        decoder = HEATMAP_DECODERS[self.options.decoding]
        keypoints = decoder.target(
            batch["keypoints"], batch["to_frame"], self.options.downsample_factor
        )
        visibility = batch["visibility"]
        if self.options.occluded_targets == "position":
            known = keypoints.isfinite().all(dim=-1) & (visibility == Visibility.OCCLUDED)
            visibility = visibility.masked_fill(known, Visibility.VISIBLE)
        placed = super().add_targets({**batch, "keypoints": keypoints, "visibility": visibility})
        return {**placed, "keypoints": batch["keypoints"], "visibility": batch["visibility"]}

    def labeled_inputs(self, heatmaps: Maps, batch: LabeledBatch) -> LossInputs:
        """What one head predicts and what it should, for a labelled batch with ``heatmaps``."""
        return {
            **self.unlabeled_inputs(heatmaps, batch["to_frame"]),
            "heatmaps_targ": batch["heatmaps"],
            "keypoints_targ": transform(batch["keypoints"], batch["to_frame"]),
        }

    def unlabeled_inputs(self, heatmaps: Maps, to_frame: Float[Tensor, "batch 2 3"]) -> LossInputs:
        """What one head predicts."""
        keypoints, confidences = self.decode(heatmaps, to_frame)
        return {
            "heatmaps_pred": heatmaps,
            "keypoints_pred": keypoints,
            "confidences": confidences,
        }
