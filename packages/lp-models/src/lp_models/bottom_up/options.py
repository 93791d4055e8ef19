"""What a bottom-up tracker can be told."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

from lp_core.errors import TrackerError
from lp_core.trackers.options import TrackerOptions

_LEAST_SHARE = 1 / 3
"""Of the keypoints, those that make an animal."""


@dataclass(frozen=True, kw_only=True)
class BottomUpOptions(TrackerOptions):
    """Options of the bottom-up tracker.

    Attributes:
        downsample_factor: A cell of the maps is 2^downsample_factor model px wide and high.
        feature_stride: Model px per feature cell; 16 keeps small animals apart.
        body_length: Of a usual animal in model px: the unit in which keypoints vote for the centre
            of their animal. ``litpose train`` takes it from the labels.
        shape: For each keypoint (x, y) from the centre of an animal of one heading, of whatever
            size; (0, 0) for one that tells no heading, None where none does. ``litpose train``
            takes it from the labels. It tells animals apart that lie across each other.
        max_animals: Animals that are found in one image at most.
        min_keypoints: Keypoints that an animal needs at least; None for a third of them.
        min_distance: Cells between two peaks of one keypoint at least.
        occluded_targets: What an occluded keypoint that has a position teaches: ``"position"``,
            where it is, or ``"none"``, that it has no peak.
    """

    downsample_factor: Literal[1, 2, 3] = 2
    feature_stride: int | None = 16
    body_length: float = 64.0
    shape: tuple[tuple[float, float], ...] | None = None
    max_animals: int = 20
    min_keypoints: int | None = None
    min_distance: int = 1
    occluded_targets: Literal["position", "none"] = "position"

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.max_animals < 1 or self.min_distance < 1 or self.fewest_keypoints < 1:
            raise TrackerError("max_animals, min_distance and min_keypoints must be at least 1")
        if self.fewest_keypoints > self.num_keypoints:
            raise TrackerError(
                f"min_keypoints is {self.min_keypoints}, but there are {self.num_keypoints} "
                "keypoints",
                remedy="leave it out, or lower it",
            )
        if self.shape is not None and len(self.shape) != self.num_keypoints:
            raise TrackerError(
                f"shape has {len(self.shape)} points, but there are {self.num_keypoints} keypoints"
            )
        if not self.body_length > 0:
            raise TrackerError(f"body_length must be positive, got {self.body_length}")

    @property
    def cell_size(self) -> int:
        """Model px per cell of the maps, along each axis."""
        return 1 << self.downsample_factor

    @property
    def fewest_keypoints(self) -> int:
        """Keypoints that an animal needs at least."""
        if self.min_keypoints is not None:
            return self.min_keypoints
        return math.ceil(_LEAST_SHARE * self.num_keypoints)
