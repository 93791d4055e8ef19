"""Keypoints that were taken from another animal: too far from the rest of the body."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from lp_core.poses.limbs import Limb, parts_of

_SURE = 0.2  # least confidence of a keypoint whose limbs count
_EXPECTED = 0.3  # how near a keypoint is to where it was expected, body lengths


def without_strays(
    points: Float[ndarray, "rows keypoints 2"],
    confidence: Float[ndarray, "rows keypoints"],
    limbs: Sequence[Limb],
    body_length: float,
    expected: Float[ndarray, "rows keypoints 2"] | None = None,
) -> Float[ndarray, "rows keypoints"]:
    """The confidences, 0 for keypoints that are too far from the rest of their body.

    Where a limb is longer than any can be, the body is in parts, and only that part is believed
    which is surest: the sum of the confidences, of those keypoints that are near where they were
    expected if that is known of any.

    Args:
        points: Frame px.
        confidence: From 0 to 1.
        limbs: Those of the labels, in frame px.
        body_length: Frame px.
        expected: Where the keypoints should be; NaN where that is not known.
    """
    if not limbs or not len(points):
        return confidence
    sure = np.where((confidence >= _SURE)[..., None], points, np.nan)
    ends = np.array([limb[:2] for limb in limbs])
    length = np.linalg.norm(sure[:, ends[:, 0]] - sure[:, ends[:, 1]], axis=-1)
    odd = (length > np.array([limb.longest for limb in limbs])).any(axis=1)
    kept = confidence.copy()
    for row in np.flatnonzero(odd).tolist():
        part = parts_of(sure[row], limbs)
        weight = np.where(np.isfinite(sure[row, :, 0]), confidence[row], 0)
        if expected is not None:
            near = np.linalg.norm(points[row] - expected[row], axis=-1) < _EXPECTED * body_length
            weight = np.where(near, weight, 0) if (near & (weight > 0)).any() else weight
        kept[row, part != np.bincount(part, weight).argmax()] = 0
    return kept
