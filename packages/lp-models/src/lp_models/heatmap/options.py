"""What a heatmap tracker can be told."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from lp_core.trackers.options import TrackerOptions
from lp_models.heatmap.decoders import Decoding


@dataclass(frozen=True, kw_only=True)
class HeatmapOptions(TrackerOptions):
    """Options of trackers that give heatmaps.

    Attributes:
        downsample_factor: A heatmap cell is 2^downsample_factor model px wide and high.
        uniform_heatmaps: Give a keypoint without a position, but of visibility 2, a uniform target,
            so that the tracker learns to be unsure of it; if not, it is left out of the loss.
            Batches of lp-data have no such keypoints: they say 1 (uniform) or 0 (left out).
        decoding: How a heatmap becomes a position. ``"local"`` is ours; ``"lightning_pose"`` is the
            one of Lightning Pose, with its coordinates, for models that it trained.
    """

    downsample_factor: Literal[1, 2, 3] = 2
    uniform_heatmaps: bool = True
    decoding: Decoding = "local"

    @property
    def cell_size(self) -> int:
        """Model px per heatmap cell, along each axis."""
        return 1 << self.downsample_factor

    @property
    def heatmap_size(self) -> tuple[int, int]:
        """(h, w) of the heatmaps in cells."""
        return self.image_size[0] // self.cell_size, self.image_size[1] // self.cell_size
