"""Numbers as the shortest text that is read back as the same number."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from jaxtyping import Float
from numpy import ndarray

_MOST_DECIMALS = 10


def number_rows(values: Float[ndarray, "rows columns"]) -> Iterator[str]:
    """Each row as comma-separated texts; NaN is an empty cell.

    A number of float32 gets as many digits as float32 needs, one of float64 as many as that needs.
    """
    shortest = _shortest_decimals(values) if values.dtype == np.float32 else values
    if np.isnan(shortest).any():
        for row in shortest.tolist():
            yield ",".join("" if value != value else repr(value) for value in row)
    else:
        for row in shortest.tolist():
            yield ",".join(map(repr, row))


def _shortest_decimals(values: Float[ndarray, "rows columns"]) -> Float[ndarray, "rows columns"]:
    """For each float32, the float64 with the fewest decimals that rounds to it.

    Python writes a float64 with as few digits as it needs, but only in float64. Rounding to ever
    more decimals until the float32 is met takes a few passes over the array instead of a slow
    conversion of each number.
    """
    flat = values.ravel()
    exact = flat.astype(np.float64)
    result = exact.copy()
    pending = np.flatnonzero(np.isfinite(flat))
    for decimals in range(_MOST_DECIMALS):
        scale = 10.0**decimals
        rounded = np.rint(exact[pending] * scale) / scale
        met = rounded.astype(np.float32) == flat[pending]
        result[pending[met]] = rounded[met]
        pending = pending[~met]
        if not len(pending):
            break
    for position in pending.tolist():  # tiny numbers; nine digits always tell a float32
        result[position] = float(f"{exact[position]:.9g}")
    return result.reshape(values.shape)
