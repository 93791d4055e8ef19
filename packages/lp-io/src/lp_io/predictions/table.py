"""Predicted keypoints of a list of images, or of the frames of a video."""

from __future__ import annotations

from dataclasses import dataclass

from jaxtyping import Float
from numpy import ndarray

from lp_io.errors import PredictionFileError


def scorer_name(model_type: str) -> str:
    """Who made the predictions, as prediction files name it."""
    return f"{model_type}_tracker"


@dataclass(frozen=True, eq=False)
class PredictionTable:
    """Predictions for N images or frames, K keypoints each.

    Attributes:
        keypoint_names: K names.
        keypoints: (N, K, 2) x and y in frame px, NaN where there is none.
        confidences: (N, K) from 0 to 1, NaN where there is none.
        index: N image paths, or N frame numbers counted from 0.
        sets: N times ``train``, ``validation``, ``test`` or ``unused``, for predictions of a label
            file; None for others.
        scorer: Who made the predictions; see `scorer_name`.

    Raises:
        PredictionFileError: The sizes of the attributes disagree.
    """

    keypoint_names: tuple[str, ...]
    keypoints: Float[ndarray, "rows keypoints 2"]
    confidences: Float[ndarray, "rows keypoints"]
    index: tuple[str, ...] | tuple[int, ...]
    sets: tuple[str, ...] | None = None
    scorer: str = "tracker"

    def __post_init__(self) -> None:
        size = (len(self.index), len(self.keypoint_names))
        sets = size[0] if self.sets is None else len(self.sets)
        if self.keypoints.shape != (*size, 2) or self.confidences.shape != size or sets != size[0]:
            raise PredictionFileError(
                f"{size[0]} rows and {size[1]} keypoint names do not go with keypoints of shape "
                f"{self.keypoints.shape}, confidences of shape {self.confidences.shape} "
                f"and {sets} sets"
            )

    def __len__(self) -> int:
        """The number of rows."""
        return len(self.index)

    @property
    def num_keypoints(self) -> int:
        """K, the number of keypoints."""
        return len(self.keypoint_names)
