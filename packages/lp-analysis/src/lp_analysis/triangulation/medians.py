"""Medians of more values than fit in memory."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float
from numpy import ndarray

_SMALLEST, _LARGEST = 1e-6, 1e6
_STEP = 0.002
"""The width of a bin, as a fraction of its values."""


class RunningMedians:
    """The medians of positive values that come part by part, each within 0.1 %.

    Values are counted in bins of logarithmic width, so that memory does not grow with their number;
    those below 1e-6 or above 1e6 count as these.

    Args:
        rows: Of how many kinds of values.
    """

    def __init__(self, rows: int) -> None:
        self._edges = np.exp(np.arange(np.log(_SMALLEST), np.log(_LARGEST) + _STEP, _STEP))
        self._counts = np.zeros((rows, len(self._edges) + 1), dtype=np.int64)

    def add(self, values: Float[ndarray, "rows values"]) -> None:
        """Count values; NaN is none."""
        for counts, row in zip(self._counts, values, strict=True):
            known = row[np.isfinite(row)].clip(_SMALLEST, _LARGEST)
            places = np.searchsorted(self._edges, known, side="right")
            counts += np.bincount(places, minlength=counts.size)

    def medians(self) -> list[float]:
        """The median of each row; NaN where there is no value."""
        return [self._median(counts) for counts in self._counts]

    def _median(self, counts: ndarray) -> float:
        total = int(counts.sum())
        if total == 0:
            return float("nan")
        place = int(np.searchsorted(np.cumsum(counts), (total + 1) // 2))
        return float(self._edges[max(place - 1, 0)] * (1 + _STEP / 2))
