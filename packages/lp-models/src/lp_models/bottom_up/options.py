"""What a bottom-up tracker can be told."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

from lp_core.errors import TrackerError
from lp_models.peaks import PeakOptions

_LEAST_SHARE = 1 / 3
"""Of the keypoints, those that make an animal."""


@dataclass(frozen=True, kw_only=True)
class BottomUpOptions(PeakOptions):
    """Options of the bottom-up tracker.

    Attributes:
        body_length: Of a usual animal in model px: the unit in which keypoints vote for the centre
            of their animal. ``litpose train`` takes it from the labels.
        shape: For each keypoint (x, y) from the centre of an animal of one heading, of whatever
            size; (0, 0) for one that tells no heading, None where none does. ``litpose train``
            takes it from the labels. It tells animals apart that lie across each other.
        min_keypoints: Keypoints that an animal needs at least; None for a third of them.
        occluded_targets: What an occluded keypoint that has a position teaches: ``"position"``,
            where it is, or ``"none"``, that it has no peak.
    """

    body_length: float = 64.0
    shape: tuple[tuple[float, float], ...] | None = None
    min_keypoints: int | None = None
    occluded_targets: Literal["position", "none"] = "position"

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.fewest_keypoints < 1:
            raise TrackerError(f"min_keypoints must be at least 1, got {self.min_keypoints}")
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
    def fewest_keypoints(self) -> int:
        """Keypoints that an animal needs at least."""
        if self.min_keypoints is not None:
            return self.min_keypoints
        return math.ceil(_LEAST_SHARE * self.num_keypoints)
