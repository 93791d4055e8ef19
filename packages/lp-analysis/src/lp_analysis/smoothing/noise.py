"""How far off each observation is expected to be, before the smoother scales it.

What is known of the noise depends on the tables: of several members of an ensemble, their variance;
of a model whose confidence is calibrated on labels, the error that goes with the confidence; of any
other table the confidence alone, which says by how much some keypoints are noisier than others.
"""

from __future__ import annotations

from enum import Enum

import numpy as np
from jaxtyping import Float
from numpy import ndarray

Members = Float[ndarray, "members frames tracks views 2"]
PerPoint = Float[ndarray, "frames tracks views 2"]
Confidence = Float[ndarray, "frames tracks views"]

_FAR = 1e-4
"""Variance of good detections relative to that of detections of something else."""

_SHRINKAGE = 4.0
"""Members that the usual variance of a keypoint counts for."""


class Kind(Enum):
    """What the noise is known from, in words."""

    CONFIDENCE = "the confidences"
    CALIBRATED = "the calibrated confidences, and so from errors on labels"
    MEMBERS = "the members of the ensemble"
    GIVEN = "the table, which states it"

    @property
    def absolute(self) -> bool:
        """Whether it is in px², and not only right up to a factor."""
        return self is not Kind.CONFIDENCE


def by_confidence(confidence: Float[ndarray, ...]) -> Float[ndarray, ...]:
    """Relative variances of detections that are good with the probability of their confidence.

    Those that are not are anywhere, and say nearly nothing. The precision is the mean of the two,
    so that no confidence, 0 included, is divided by. An unknown confidence counts as 1.
    """
    sure = np.clip(np.nan_to_num(confidence, nan=1.0), 0.0, 1.0)
    return 1 / (sure + (1 - sure) * _FAR)


def centre_and_variance(members: Members) -> tuple[PerPoint, PerPoint, Confidence]:
    """The median of members, their unbiased variances, and how many there are.

    The variance of fewer than two is NaN.
    """
    known = np.isfinite(members).all(axis=-1)
    count = known.sum(axis=0)
    masked = np.where(known[..., None], members, np.nan)
    points = _median(masked)
    mean = np.where(known[..., None], members, 0.0).sum(axis=0) / np.maximum(count, 1)[..., None]
    off = np.where(known[..., None], members - mean, 0.0)
    variance = (off * off).sum(axis=0) / np.maximum(count - 1, 1)[..., None]
    return points, np.where((count > 1)[..., None], variance, np.nan), count.astype(np.float64)


def _median(members: Members) -> PerPoint:
    """The median of those that are not NaN."""
    ordered = np.sort(members, axis=0)  # NaN is last
    count = np.isfinite(ordered).sum(axis=0)
    low, high = np.maximum(count - 1, 0) // 2, np.maximum(count, 1) // 2
    parts = [np.take_along_axis(ordered, place[None], axis=0)[0] for place in (low, high)]
    return (parts[0] + parts[1]) / 2


def shrunk(
    variance: PerPoint, count: Confidence, usual: Float[ndarray, "tracks views"]
) -> PerPoint:
    """Variances of few members, drawn to the usual one of the keypoint.

    Two or three members agree now and then without being right; so the usual variance counts as if
    some more members had it.
    """
    return _drawn(variance, count[..., None], usual[..., None])


def shrunk_covariance(
    covariance: Float[ndarray, "*any keypoints 2 2"],
    count: Float[ndarray, "*any keypoints"],
    usual: Float[ndarray, "keypoints 2 2"],
) -> Float[ndarray, "*any keypoints 2 2"]:
    """The same of covariances."""
    return _drawn(covariance, count[..., None, None], usual)


def _drawn(value: ndarray, count: ndarray, usual: ndarray) -> ndarray:
    """Values of so many members each, NaN where they say nothing, drawn to the usual one."""
    own = np.maximum(count - 1, 0.0)
    return (own * np.nan_to_num(value) + _SHRINKAGE * usual) / (own + _SHRINKAGE)
