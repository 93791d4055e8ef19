"""What a heatmap tracker can be told."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from lp_core.trackers.options import TrackerOptions


@dataclass(frozen=True, kw_only=True)
class HeatmapOptions(TrackerOptions):
    """Options of trackers that give heatmaps.

    Attributes:
        downsample_factor: A heatmap cell is 2^downsample_factor model px wide and high.
        uniform_heatmaps: Give a keypoint without a position a uniform target, so that the tracker
            learns to be unsure of it; if not, such keypoints are left out of the loss.
    """

    downsample_factor: Literal[1, 2, 3] = 2
    uniform_heatmaps: bool = True

    @property
    def cell_size(self) -> int:
        """Model px per heatmap cell, along each axis."""
        return 1 << self.downsample_factor

    @property
    def heatmap_size(self) -> tuple[int, int]:
        """(h, w) of the heatmaps in cells."""
        return self.image_size[0] // self.cell_size, self.image_size[1] // self.cell_size
