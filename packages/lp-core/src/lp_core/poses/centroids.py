"""One point and one box for each animal, from its keypoints."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from lp_core.poses.skeleton import Skeleton
from lp_core.poses.table import MissingPolicy, PoseTable

CENTROID = "centroid"
"""The name of the only keypoint of a table of centroids."""


def bounding_boxes(points: Float[ndarray, "rows keypoints dims"]) -> Float[ndarray, "rows 2 dims"]:
    """(R, 2, D) the smallest and the largest coordinates of each row; NaN without a position."""
    known = np.isfinite(points).all(axis=-1, keepdims=True)
    low = np.where(known, points, np.inf).min(axis=1, initial=np.inf)
    high = np.where(known, points, -np.inf).max(axis=1, initial=-np.inf)
    boxes = np.stack([low, high], axis=1)
    return np.where(np.isfinite(boxes), boxes, np.nan)


def centroids(table: PoseTable) -> PoseTable:
    """The same rows with one keypoint, the middle of the box around all keypoints of the row.

    The middle of the box, and not the mean of the keypoints, so that the smallest box centred on
    it holds the animal whatever part of it has most keypoints.
    """
    middle = bounding_boxes(table.points).mean(axis=1, keepdims=True)
    return replace(
        table,
        skeleton=Skeleton((CENTROID,)),
        points=middle,
        visibility=None,
        confidence=None,
        covariance=None,
        missing=MissingPolicy.UNLABELED,
    )
