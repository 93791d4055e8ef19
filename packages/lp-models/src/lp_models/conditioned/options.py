"""What a conditioned tracker can be told."""

from __future__ import annotations

from dataclasses import dataclass

from lp_core.errors import TrackerError
from lp_models.heatmap.base import HeatmapOptions

_SHARES = ("unconditioned", "elsewhere", "condition_misses", "condition_swaps")
_LENGTHS = ("condition_width", "condition_shift", "condition_jitter")


@dataclass(frozen=True, kw_only=True)
class ConditionedOptions(HeatmapOptions):
    """Options of the conditioned heatmap tracker.

    Lengths are shares of the longer side of the image.

    Attributes:
        condition_width: Standard deviation of the Gaussian that stands for a keypoint of the
            condition.
        unconditioned: Share of the images that it learns without a condition.
        elsewhere: Share of the images with several animals of which another animal is meant than
            that in the middle.
        condition_shift: Standard deviation of the motion that it learns to follow.
        condition_jitter: Standard deviation of the errors of single keypoints.
        condition_misses: Share of the conditions from which keypoints are taken.
        condition_swaps: Share of the conditions in which keypoints are those of another animal.
    """

    condition_width: float = 0.03
    unconditioned: float = 0.3
    elsewhere: float = 0.25
    condition_shift: float = 0.05
    condition_jitter: float = 0.02
    condition_misses: float = 0.5
    condition_swaps: float = 0.4

    def __post_init__(self) -> None:
        super().__post_init__()
        for name in _SHARES:
            if not 0 <= getattr(self, name) <= 1:
                raise TrackerError(f"{name} must be from 0 to 1, got {getattr(self, name)}")
        for name in _LENGTHS:
            if not 0 <= getattr(self, name) < 1:
                raise TrackerError(f"{name} must be from 0 to below 1, got {getattr(self, name)}")
        if self.condition_width == 0:
            raise TrackerError("condition_width must be above 0")
