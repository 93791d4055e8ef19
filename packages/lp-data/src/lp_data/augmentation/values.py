"""Options of effects: a fixed number, or a range from which each draw is uniform."""

from __future__ import annotations

import math
from typing import TypeGuard

import numpy as np

Number = float | int
Value = Number | tuple[Number, Number]
"""A number, or (low, high)."""


def is_integer(value: object) -> TypeGuard[int]:
    """Whether ``value`` is a whole number, and not a truth value."""
    return isinstance(value, int) and not isinstance(value, bool)


def is_number(value: object) -> TypeGuard[Number]:
    """Whether ``value`` is a finite number, and not a truth value."""
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def is_value(value: object) -> TypeGuard[Value]:
    """Whether ``value`` is a number or a pair (low, high)."""
    if isinstance(value, tuple):
        return len(value) == 2 and all(map(is_number, value)) and value[0] <= value[1]
    return is_number(value)


def bounds(value: Value) -> tuple[float, float]:
    """The lowest and the highest number that ``value`` can be."""
    low, high = value if isinstance(value, tuple) else (value, value)
    return float(low), float(high)


def draw(value: Value, rng: np.random.Generator) -> float:
    """The number itself, or a uniform draw from the range."""
    low, high = bounds(value)
    return low if low == high else float(rng.uniform(low, high))
