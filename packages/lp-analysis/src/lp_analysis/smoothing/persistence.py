"""Errors that last: how much less neighbouring frames say than if their errors were independent.

The smoother takes the noise of a frame to be independent of that of the next. A tracker that puts
a paw too far left does so in the next frame too. Where views contradict each other, that shows in
the residuals of the smoothed points: they are correlated from frame to frame. The variance of a
weighted mean of frames is then larger than the model says, by a factor that follows from the
correlation and from how many frames the smoother averages over.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from lp_analysis.smoothing.dynamics import Dynamics

PerTrack = Float[ndarray, " tracks"]

_MOST = 0.95


def correlation(
    residuals: Float[ndarray, "frames tracks views 2"],
) -> tuple[PerTrack, PerTrack]:
    """Sums of products of residuals of neighbouring frames, and of their squares.

    Args:
        residuals: Divided by their standard deviations; NaN where there are none.

    Returns:
        Two (T,): the first divided by the second is the correlation.
    """
    one, other = residuals[:-1], residuals[1:]
    known = np.isfinite(one) & np.isfinite(other)
    products = np.where(known, one * other, 0.0).sum(axis=(0, 2, 3))
    squares = np.where(known, (one * one + other * other) / 2, 0.0).sum(axis=(0, 2, 3))
    return products, squares


def widening(
    dynamics: Dynamics, noise: PerTrack, variance: PerTrack, persistence: PerTrack
) -> PerTrack:
    """What posterior variances are to be multiplied by, at least 1.

    In the steady state the smoothed position of a random walk is the mean of the observations with
    weights φ^|k|, where φ + 1/φ = 2 + q/R, and has the variance R·(1 - φ)/(1 + φ). A share
    (1 + φ²)/(1 + φ)² of that is noise, which errors with the autocorrelation ρ^|k| multiply by
    1 + 2·z/(1 - z) + 2·z/(1 - z)²·(1 - φ²)/(1 + φ²), z being ρ·φ; the rest is the delay. For the
    dynamics ``velocity`` φ is that of the random walk whose variance is the same share of R.

    Args:
        dynamics: How keypoints move.
        noise: (T,) q.
        variance: (T,) usual posterior variance of a coordinate, in the square of the unit of q.
        persistence: (T,) correlation of the residuals of neighbouring frames.
    """
    if dynamics == "position":
        ratio = np.sqrt(4 + (noise / variance) ** 2) - 2  # q/R
        phi = 1 + ratio / 2 - np.sqrt(ratio + ratio**2 / 4)
    else:
        observed = (2 * np.sqrt(2) * variance / noise**0.25) ** (4 / 3)  # R
        share = np.clip(variance / observed, 0.0, 1.0)
        phi = (1 - share) / (1 + share)
    z = np.clip(persistence, 0.0, _MOST) * phi
    multiple = 1 + 2 * z / (1 - z) + 2 * z / (1 - z) ** 2 * (1 - phi**2) / (1 + phi**2)
    return 1 + (1 + phi**2) / (1 + phi) ** 2 * (multiple - 1)
