"""Percentile bootstrap: intervals of what is computed from resampled frames, models or videos."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from numpy import ndarray

LEVEL = 95
"""Percent of the resamples that an interval holds."""


@dataclass(frozen=True)
class Interval:
    """A value and the interval around it; NaN where there is nothing.

    Attributes:
        mean: Of all that there is.
        low, high: Percentiles of the values of the resamples.
    """

    mean: float
    low: float
    high: float


def times_drawn(
    random: np.random.Generator, things: int, count: int
) -> Float[ndarray, "resamples things"]:
    """How often each thing is drawn, with replacement, in each resample."""
    return random.multinomial(things, np.full(things, 1 / things), size=count).astype(np.float64)


def sums(
    counts: Sequence[tuple[ndarray, ...]], times: Float[ndarray, "resamples things"]
) -> list[ndarray]:
    """The sums of counts of several things, of which each counts a number of times.

    Args:
        counts: Of each thing the same number of arrays, with a first dimension of 1.
        times: (B, things) how often each counts.

    Returns:
        The arrays, with a first dimension of B.
    """
    columns = (np.concatenate(column) for column in zip(*counts, strict=True))
    return [np.tensordot(times, column, axes=1) for column in columns]


def interval(mean: float, draws: Float[ndarray, " resamples"]) -> Interval:
    """The interval of the resampled values that are defined."""
    known = draws[np.isfinite(draws)]
    if known.size == 0:
        return Interval(mean, np.nan, np.nan)
    low, high = np.percentile(known, [(100 - LEVEL) / 2, (100 + LEVEL) / 2])
    return Interval(mean, float(low), float(high))
