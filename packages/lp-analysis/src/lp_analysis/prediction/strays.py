"""Keypoints that were taken from another animal: too far from the rest of the body."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from lp_core.poses.limbs import parts_of

_SURE = 0.2  # least confidence of a keypoint whose limbs count
_EXPECTED = 0.3  # how near a keypoint is to where it was expected, body lengths


def without_strays(
    points: Float[ndarray, "rows keypoints 2"],
    confidence: Float[ndarray, "rows keypoints"],
    lengths: Float[ndarray, "keypoints keypoints"],
    body_length: float,
    expected: Float[ndarray, "rows keypoints 2"] | None = None,
) -> tuple[Float[ndarray, "rows keypoints 2"], Float[ndarray, "rows keypoints"]]:
    """Poses and confidences; NaN and 0 for keypoints that are too far from the rest of their body.

    Where keypoints are farther apart than limbs can reach, the body is in parts, and only that part
    is believed which is surest: by the sum of its confidences, of those keypoints that are near
    where they were expected if that is known of any. If none is near, no part is believed.

    Args:
        points: Frame px.
        confidence: From 0 to 1.
        lengths: How far apart keypoints can be in frame px; see `lp_core.poses.limbs.path_lengths`.
        body_length: Frame px.
        expected: Where the keypoints should be; NaN where that is not known.
    """
    sure = np.where((confidence >= _SURE)[..., None], points, np.nan)
    between = np.linalg.norm(sure[:, :, None] - sure[:, None], axis=-1)
    odd = (between > lengths).any(axis=(1, 2))
    stray = np.zeros(confidence.shape, bool)
    for row in np.flatnonzero(odd).tolist():
        part = parts_of(sure[row], lengths)
        weight = np.where(np.isfinite(sure[row, :, 0]), confidence[row], 0)
        if expected is not None:
            near = np.linalg.norm(points[row] - expected[row], axis=-1) < _EXPECTED * body_length
            weight = np.where(near, weight, 0) if np.isfinite(expected[row]).any() else weight
        weights = np.bincount(part[part >= 0], weight[part >= 0])
        stray[row] = part != (weights.argmax() if weights.any() else -1)
    return np.where(stray[..., None], np.nan, points), np.where(stray, 0, confidence)
