"""The smoother of series with one coordinate that takes random steps, by tridiagonal systems.

The states of all frames of such a series are jointly normal, and their precision matrix is
tridiagonal. Its factors hold the filtered states; they and the recursions back are single calls of
LAPACK and BLAS for each series, which are several times as fast as numpy's steps over frames.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Float
from numpy import ndarray
from scipy.linalg.blas import dtbsv
from scipy.linalg.lapack import dpttrf

Series = Float[ndarray, "series frames"]
Ends = Float[ndarray, " series"]

_ROUNDING = 1e-9
"""Precisions of states below this share of that of a step are lost in rounding."""


def filter_walks(
    noise: Ends, precision: Series, value: Series, mean: Ends, variance: Ends
) -> tuple[Series, Series] | None:
    """The filtered means and variances of consecutive frames.

    Args:
        noise: Variance of a step.
        precision: Of the observations; 0 where there is none.
        value: Precisions times observed values.
        mean: Of the state before the first frame is observed.
        variance: Its variance.

    Returns:
        None where rounding would spoil them, as where steps are tiny and the beginning is unknown.
    """
    means, variances = np.empty_like(value), np.empty_like(value)
    band = np.zeros((2, value.shape[1]), order="F")
    for place, step in enumerate((1 / noise).tolist()):
        diagonal = precision[place] + 2 * step
        diagonal[0] += 1 / variance[place] - step
        pivots, _, failed = dpttrf(diagonal, np.full(len(diagonal) - 1, -step), overwrite_d=1)
        filtered = pivots - step
        if failed or filtered.min() < _ROUNDING * step:
            return None
        np.divide(-step, pivots, out=band[1])
        vector = value[place].copy()
        vector[0] += mean[place] / variance[place]
        vector = dtbsv(1, band, vector, lower=1, diag=1, overwrite_x=1)
        np.divide(1.0, filtered, out=variances[place])
        np.multiply(vector, variances[place], out=means[place])
    return means, variances


def smooth_walks(
    noise: Ends, means: Series, variances: Series, mean: Ends, variance: Ends
) -> tuple[Series, Series]:
    """The smoothed means and variances of consecutive frames, from the filtered ones.

    Args:
        noise: Variance of a step.
        means: The filtered means.
        variances: The filtered variances.
        mean: The smoothed mean of the frame after them.
        variance: Its variance.
    """
    smooth, spread = np.empty_like(means), np.empty_like(means)
    band = np.zeros((2, means.shape[1]), order="F")
    for place, q in enumerate(noise.tolist()):
        gain = variances[place] / (variances[place] + q)
        band[0, 1:] = -gain[:-1]
        start = means[place] * (1 - gain)
        start[-1] += gain[-1] * mean[place]
        smooth[place] = dtbsv(1, band, start, diag=1, overwrite_x=1)
        start = q * gain
        gain *= gain
        band[0, 1:] = -gain[:-1]
        start[-1] += gain[-1] * variance[place]
        spread[place] = dtbsv(1, band, start, diag=1, overwrite_x=1)
    return smooth, spread
