"""Object keypoint similarity, the sizes that it divides by, and the tolerance of each keypoint.

R rows of labels, K keypoints, N pairs of a labelled and a predicted animal; all in frame px.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Bool, Float
from numpy import ndarray

from lp_analysis.errors import EvaluationError

COCO_SIGMA = 0.072
"""The median of COCO's 17 values of σ for people."""

STRAIGHT = 5.0
"""A straight animal counts as this many times longer than wide."""

Labels = Float[ndarray, "rows keypoints 2"]
PerRow = Float[ndarray, " rows"]

_BLOCK = 2**20  # keypoints at once


def has_position(points: Float[ndarray, "*shape 2"]) -> Bool[ndarray, "*shape"]:
    """Where both coordinates are known."""
    return np.isfinite(points[..., 0]) & np.isfinite(points[..., 1])


def oks(
    truth: Float[ndarray, "pairs keypoints 2"],
    predicted: Float[ndarray, "pairs keypoints 2"],
    areas: Float[ndarray, " pairs"],
    sigmas: Float[ndarray, " keypoints"],
) -> Float[ndarray, " pairs"]:
    """Object keypoint similarity of N pairs, as COCO defines it.

    The mean of ``exp(-d² / (2 area (2 σ)²))`` over the labelled keypoints; a labelled keypoint that
    is not predicted adds 0.

    Args:
        truth: NaN where unlabelled.
        predicted: NaN where there is no prediction.
        areas: Of the labelled animals, in px².
        sigmas: The tolerance σ of each keypoint; COCO's constant k is 2 σ.

    Returns:
        From 0 to 1; 0 where no keypoint is labelled.
    """
    variances = 2 * (areas + np.spacing(1))[:, None] * (2 * sigmas) ** 2
    counted = has_position(truth)
    squared = (predicted[..., 0] - truth[..., 0]) ** 2 + (predicted[..., 1] - truth[..., 1]) ** 2
    similar = np.exp(-np.where(np.isfinite(squared), squared, np.inf) / variances)
    return (similar * counted).sum(axis=1) / np.maximum(counted.sum(axis=1), 1)


def label_sigmas(
    labels: Float[ndarray, "repeats rows keypoints 2"], areas: PerRow
) -> Float[ndarray, " keypoints"]:
    """The tolerance σ of each keypoint, told by animals that were labelled several times.

    σ² is the mean of d² / area, d being the distance of a label from the position that labellers
    agree on (COCO's definition), here without bias although that position is only estimated.

    Args:
        labels: M labellings of the same R animals, NaN where unlabelled.
        areas: Of the animals, in px².

    Raises:
        EvaluationError: A keypoint was never labelled twice in one animal.
    """
    labelled = has_position(labels)
    counts = labelled.sum(axis=0)
    known = np.where(labelled[..., None], labels, np.nan)
    means = np.nansum(known, axis=0) / np.maximum(counts, 1)[..., None]
    squares = np.nansum((known - means) ** 2, axis=(0, -1))
    repeated = counts > 1
    if not repeated.any(axis=0).all():
        raise EvaluationError("a keypoint was never labelled twice, so its tolerance is not known")
    ratios = np.where(repeated, squares / np.maximum(counts - 1, 1) / areas[:, None], 0)
    return np.sqrt(ratios.sum(axis=0) / repeated.sum(axis=0))


def body_length(labels: Labels) -> float:
    """The median over animals of the longest distance between two labelled keypoints, in frame px.

    Animals of which fewer than half of the keypoints are labelled do not count where others do.

    Raises:
        EvaluationError: No animal has two labelled keypoints.
    """
    whole = labels[_whole(labels)]
    step = max(1, _BLOCK // labels.shape[1] ** 2)
    longest = []
    for start in range(0, len(whole), step):
        some = whole[start : start + step]
        between = np.hypot(*np.moveaxis(some[:, :, None] - some[:, None], -1, 0))
        longest.append(np.nanmax(between, axis=(1, 2)))
    return float(np.median(np.concatenate(longest)))


def animal_areas(labels: Labels, length: float | None = None) -> PerRow:
    """The area of each labelled animal, told by its keypoints, in px².

    It is that of the rectangle which, filled evenly, has the covariance of the keypoints, so it
    does not depend on how the animal is turned. Floors keep straight and half-hidden animals from
    becoming unmatchable: the rectangle is at least a fifth as wide as long, and has at least a
    quarter of the median area. An animal with one labelled keypoint has the median area.

    Args:
        labels: NaN where unlabelled.
        length: The body length in frame px, which replaces the median: an area of length² / 5.

    Raises:
        EvaluationError: No animal has two labelled keypoints, and ``length`` is not given.
    """
    own = _rectangles(labels)
    if length is not None:
        usual = length**2 / STRAIGHT
    else:
        usual = float(np.median(own[_whole(labels)]))
    told = has_position(labels).sum(axis=1) >= 2
    return np.where(told, np.maximum(own, usual / 4), usual)


def _rectangles(labels: Labels) -> PerRow:
    """Length times width by the principal axes, the width at least a fifth of the length."""
    known = has_position(labels)
    count = np.maximum(known.sum(axis=1), 1)
    points = np.where(known[..., None], labels, 0.0)
    centred = np.where(
        known[..., None], points - points.sum(1, keepdims=True) / count[:, None, None], 0
    )
    x, y = centred[..., 0], centred[..., 1]
    xx, yy, xy = ((a * b).sum(axis=1) / count for a, b in ((x, x), (y, y), (x, y)))
    half = np.hypot((xx - yy) / 2, xy)
    major = (xx + yy) / 2 + half
    minor = np.maximum((xx + yy) / 2 - half, major / STRAIGHT**2)
    return 12 * np.sqrt(major * minor)  # an evenly filled side of length a has the variance a² / 12


def _whole(labels: Labels) -> Bool[ndarray, " rows"]:
    """Animals with at least half of the keypoints labelled; where there are none, with two."""
    count = has_position(labels).sum(axis=1)
    if not (count >= 2).any():
        raise EvaluationError(
            "no animal has two labelled keypoints to tell its size from",
            remedy="state the body length in px",
        )
    whole = (count >= 2) & (2 * count >= labels.shape[1])
    return whole if whole.any() else count >= 2
