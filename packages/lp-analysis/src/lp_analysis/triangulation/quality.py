"""How good points in space are, with and without the truth."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from lp_core.geometry.cameras import Rig, project, triangulate
from lp_core.poses import Skeleton

_TO_DEVIATION = 1.4826
"""From the median absolute deviation to the standard deviation of a normal distribution."""


def world_error(
    points: Float[ndarray, "*batch 3"], truth: Float[ndarray, "*batch 3"]
) -> Float[ndarray, "*batch"]:
    """Distances in world units; NaN where either has no point."""
    return np.linalg.norm(points - truth, axis=-1)


class BoneLength(NamedTuple):
    """The length of a bone over frames; it should not vary.

    Attributes:
        bone: Names of its two keypoints.
        mean: Its mean length in world units; NaN where it is never seen.
        deviation: The standard deviation, in world units.
        median: Its median length in world units; NaN where it is never seen.
        spread: Its robust standard deviation, from the median absolute deviation, as a share of the
            median.
        rows: Rows in which both ends have a point.
    """

    bone: tuple[str, str]
    mean: float
    deviation: float
    median: float
    spread: float
    rows: int


def bone_lengths(
    skeleton: Skeleton,
    points: Float[ndarray, "rows keypoints 3"],
    bones: Sequence[tuple[str, str]] | None = None,
) -> list[BoneLength]:
    """The lengths of bones and how they vary.

    Args:
        skeleton: The keypoints.
        points: (R, K, 3) in world units, of one animal.
        bones: Pairs of names; the edges of the skeleton if None.

    Raises:
        PoseError: There is no keypoint of a name.
    """
    found = []
    for first, second in skeleton.edges if bones is None else bones:
        one, other = skeleton.places((first, second))
        length = np.linalg.norm(points[:, one] - points[:, other], axis=-1)
        length = length[np.isfinite(length)]
        median = float(np.median(length)) if len(length) else np.nan
        off = float(np.median(np.abs(length - median))) if len(length) else np.nan
        spread = _TO_DEVIATION * off / median if median else np.nan
        mean, deviation = (
            (float(length.mean()), float(length.std())) if len(length) else (np.nan, np.nan)
        )
        bone = BoneLength((first, second), mean, deviation, median, spread, len(length))
        found.append(bone)
    return found


def leave_one_view_out(
    rig: Rig,
    frames: Float[ndarray, "views points 2"],
    confidences: Float[ndarray, "views points"] | None = None,
    *,
    noise: float | None = None,
) -> Float[ndarray, "views points"]:
    """How far each detection is from where the other views say that its point is, in frame px.

    Unlike the reprojection error it is not made small by a point that follows its own detections.

    Args:
        rig: V cameras, at least three for an error.
        frames: (V, N, 2) detections in frame px.
        confidences: (V, N) their weights.
        noise: Standard deviation of good detections in frame px.

    Returns:
        (V, N), NaN where there is no detection, or fewer than two other views have one.
    """
    errors = np.full(frames.shape[:2], np.nan)
    for view in range(len(rig)):
        others = frames.copy()
        others[view] = np.nan
        points = triangulate(rig, others, confidences, noise=noise).points
        expected = project(rig, points)[view]
        errors[view] = np.linalg.norm(frames[view] - expected, axis=-1)
    return errors
