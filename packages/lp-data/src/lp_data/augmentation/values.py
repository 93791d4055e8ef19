"""Options of effects: a fixed number, or a range from which each draw is uniform."""

from __future__ import annotations

import math

import numpy as np

from lp_data.errors import AugmentationError

Number = float | int
Value = Number | tuple[Number, Number]
"""A number, or (low, high)."""


def is_number(value: object) -> bool:
    """Whether ``value`` is a finite number, and not a truth value."""
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def is_integer(value: object) -> bool:
    """Whether ``value`` is a whole number, and not a truth value."""
    return isinstance(value, int) and not isinstance(value, bool)


def is_value(value: object) -> bool:
    """Whether ``value`` is a number or a pair (low, high)."""
    if isinstance(value, tuple):
        return len(value) == 2 and all(map(is_number, value)) and value[0] <= value[1]
    return is_number(value)


def bounds(value: Value) -> tuple[float, float]:
    """The lowest and the highest number that ``value`` can be."""
    low, high = value if isinstance(value, tuple) else (value, value)
    return float(low), float(high)


def check_value(
    option: str, value: Value, *, low: float = -math.inf, high: float = math.inf
) -> None:
    """Refuse what is no number or range, or lies outside ``low`` to ``high``.

    Args:
        option: The name of the option, for the message.
        value: The number or range that was given.
        low: The least number that makes sense.
        high: The greatest number that makes sense.

    Raises:
        AugmentationError: The value cannot be used.
    """
    if not is_value(value):
        raise AugmentationError(
            f"'{option}' is {value!r}", remedy="give a number, or a range [low, high]"
        )
    least, greatest = bounds(value)
    if least < low or greatest > high:
        raise AugmentationError(
            f"'{option}' is {value!r}, outside {low:g} to {high:g}",
            remedy=f"give numbers from {low:g} to {high:g}",
        )


def draw(value: Value, rng: np.random.Generator) -> float:
    """The number itself, or a uniform draw from the range."""
    low, high = bounds(value)
    return low if low == high else float(rng.uniform(low, high))
