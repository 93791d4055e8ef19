"""Types of the options of effects: numbers, and ranges from which each draw is uniform.

A field of an effect says its range in its type: ``scale: Annotated[Value, within(0.01, 100)]``.
"""

from __future__ import annotations

import math
from typing import Annotated, Any, TypeGuard

import numpy as np
from pydantic import AfterValidator, BeforeValidator, Field

Number = float | int


def is_number(value: object) -> TypeGuard[Number]:
    """Whether ``value`` is a finite number, and not a truth value."""
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _check_value(value: Any) -> Any:
    ends = value if isinstance(value, list | tuple) and len(value) == 2 else (value, value)
    if not all(map(is_number, ends)) or ends[0] > ends[1]:
        raise ValueError("give a number, or a range [low, high]")
    return tuple(value) if isinstance(value, list) else value


def _check_odd(value: int) -> int:
    if value < 3 or value % 2 == 0:
        raise ValueError("give an odd number from 3 up")
    return value


Value = Annotated[Number | tuple[Number, Number], BeforeValidator(_check_value)]
"""A number, or (low, high)."""

Share = Annotated[Number, Field(ge=0, le=1)]
"""One number from 0 to 1."""

Odd = Annotated[int, AfterValidator(_check_odd)]
"""An odd number from 3 up."""

Choices = Annotated[tuple[int, ...], Field(min_length=1)]
"""Whole numbers to choose from."""


def within(low: Number, high: Number = math.inf) -> AfterValidator:
    """For a number, or a range of numbers, from ``low`` to ``high``."""

    def check(value: Number | tuple[Number, Number]) -> Number | tuple[Number, Number]:
        least, greatest = bounds(value)
        if least < low or greatest > high:
            limits = f"numbers from {low:g} to {high:g}" if high < math.inf else f"{low:g} or more"
            raise ValueError(f"give {limits}")
        return value

    return AfterValidator(check)


def bounds(value: Number | tuple[Number, Number]) -> tuple[float, float]:
    """The lowest and the highest number that ``value`` can be."""
    low, high = value if isinstance(value, tuple) else (value, value)
    return float(low), float(high)


def draw(value: Number | tuple[Number, Number], rng: np.random.Generator) -> float:
    """The number itself, or a uniform draw from the range."""
    low, high = bounds(value)
    return low if low == high else float(rng.uniform(low, high))
