"""Which observations are not believed.

An observation is judged by what all others say of it: those of the other views in its frame, and
those of the frames before and after it. Leaving it out needs no smoothing of its own: with the
residual e of the smoothed point, the covariance V of that point in the view, and the noise R, the
squared Mahalanobis distance from the prediction of the others is eᵀ·(R - V)⁻¹·e.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Bool, Float
from numpy import ndarray

from lp_analysis.smoothing.projections import Points, Spread

Distances = Float[ndarray, "frames tracks views"]

REACH = 2
"""Frames to either side among which only the least likely observation of a view is dropped at once:
it spoils what is predicted for the others."""

_SURE = 1e-12


def distances(points: Points, variance: Points, expected: Points, spread: Spread) -> Distances:
    """Squared distances from the prediction of all other observations; NaN where there are none.

    Args:
        points: Observations in frame px.
        variance: Their noise.
        expected: Smoothed points.
        spread: Their covariances.
    """
    residual = points - expected
    a = variance[..., 0] - spread[..., 0, 0]
    b = -spread[..., 0, 1]
    c = variance[..., 1] - spread[..., 1, 1]
    determinant = a * c - b * b
    certain = (a > _SURE * variance[..., 0]) & (c > _SURE * variance[..., 1])
    certain &= determinant > (_SURE * variance[..., 0]) * (_SURE * variance[..., 1])
    x, y = residual[..., 0], residual[..., 1]
    with np.errstate(invalid="ignore", divide="ignore"):
        found = (c * x * x - 2 * b * x * y + a * y * y) / determinant
    return np.where(certain, found, np.nan)


def unlikely(
    found: Distances,
    points: Points,
    variance: Points,
    usual_step: Float[ndarray, "tracks views"],
    limit: float,
) -> Bool[ndarray, "decided tracks views"]:
    """Which observations to drop next.

    An observation is dropped if its distance is above the limit and the largest of all views of
    its frame, and of the nearest frames of its view. Where no other view sees the keypoint, one
    that is as near to the observation before or after it as they usually are is kept: a sudden
    movement is not an outlier.

    Args:
        found: See `distances`; `REACH` frames more at either end than are decided on.
        points: Observations of the same frames, without those that were dropped before.
        variance: Their noise.
        usual_step: Variance of the movement between two frames, per axis.
        limit: Squared distance.

    Returns:
        (F - 2·REACH, T, V).
    """
    known = np.where(np.isfinite(found), found, -1.0)
    frames = len(found) - 2 * REACH
    here = known[REACH : REACH + frames]
    worst = here >= here.max(axis=-1, keepdims=True)
    for shift in range(2 * REACH + 1):
        worst &= here >= known[shift : shift + frames]
    dropped: Bool[ndarray, "decided tracks views"] = worst & (here > limit)
    alone = np.isfinite(points).all(axis=-1).sum(axis=-1, keepdims=True) <= 1
    alone = np.broadcast_to(alone, found.shape)[REACH : REACH + frames]
    agrees = np.zeros_like(dropped)
    centre = slice(REACH, REACH + frames)
    for shift in (REACH - 1, REACH + 1):
        other = slice(shift, shift + frames)
        allowed = usual_step[..., None] + variance[centre] + variance[other]
        off = (points[centre] - points[other]) ** 2 / allowed
        agrees |= off.sum(axis=-1) <= limit  # False where either is missing
    return dropped & ~(alone & agrees)
