"""What a centroid tracker can be told."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from lp_core.errors import TrackerError
from lp_core.trackers.options import TrackerOptions


@dataclass(frozen=True, kw_only=True)
class CentroidOptions(TrackerOptions):
    """Options of the centroid tracker.

    Attributes:
        downsample_factor: A cell of the map is 2^downsample_factor model px wide and high.
        feature_stride: Model px per feature cell; 16 keeps small animals apart.
        max_animals: Peaks that are taken from one image at most.
        min_distance: Cells between two peaks at least.
    """

    downsample_factor: Literal[1, 2, 3] = 2
    feature_stride: int | None = 16
    max_animals: int = 20
    min_distance: int = 1

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.num_keypoints != 1:
            raise TrackerError(
                f"a centroid tracker finds one point of each animal, not {self.num_keypoints}",
                remedy="give it the centroids of lp_core.poses.centroids",
            )
        if self.max_animals < 1 or self.min_distance < 1:
            raise TrackerError("max_animals and min_distance must be at least 1")

    @property
    def cell_size(self) -> int:
        """Model px per cell of the map, along each axis."""
        return 1 << self.downsample_factor
