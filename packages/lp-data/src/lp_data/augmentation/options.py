"""Fields of effects that say which values make sense.

A field's metadata holds its check: ``field(default=5, metadata=within(0, 10))``.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import fields
from functools import partial

from lp_data.augmentation.values import Number, bounds, is_integer, is_number, is_value
from lp_data.errors import AugmentationError

CHECK = "check"
Metadata = dict[str, Callable[[str, object], None]]


def _refuse(name: str, value: object, remedy: str) -> AugmentationError:
    """An error for a value that an option cannot have."""
    return AugmentationError(f"'{name}' is {value!r}", remedy=f"give {remedy}")


def _check_value(name: str, value: object, *, low: Number, high: Number) -> None:
    """Refuse what is no number or range within ``low`` to ``high``."""
    if not is_value(value):
        raise _refuse(name, value, "a number, or a range [low, high]")
    least, greatest = bounds(value)
    if least < low or greatest > high:
        limits = f"numbers from {low:g} to {high:g}" if high < math.inf else f"{low:g} or more"
        raise _refuse(name, value, limits)


def _check_share(name: str, value: object) -> None:
    """Refuse what is no number from 0 to 1."""
    if not is_number(value) or not 0 <= value <= 1:
        raise _refuse(name, value, "one number from 0 to 1")


def _check_odd(name: str, value: object) -> None:
    """Refuse what is no odd number from 3 up."""
    if not is_integer(value) or value < 3 or value % 2 == 0:
        raise _refuse(name, value, "an odd number from 3 up")


def _check_choices(name: str, value: object) -> None:
    """Refuse what is no tuple of one or more whole numbers."""
    if not isinstance(value, tuple) or not value or not all(map(is_integer, value)):
        raise _refuse(name, value, "a list of whole numbers, such as [0, 2]")


SHARE: Metadata = {CHECK: _check_share}
"""For one number from 0 to 1."""

ODD: Metadata = {CHECK: _check_odd}
"""For an odd number from 3 up."""

CHOICES: Metadata = {CHECK: _check_choices}
"""For whole numbers to choose from."""


def within(low: Number = -math.inf, high: Number = math.inf) -> Metadata:
    """For a number, or a range of numbers, from ``low`` to ``high``."""
    return {CHECK: partial(_check_value, low=low, high=high)}


def check_options(effect: type, options: Mapping[str, object]) -> None:
    """Refuse values that make no sense for the fields of a dataclass.

    Args:
        effect: The dataclass.
        options: Values by the fields' names; those that are left out are not checked.

    Raises:
        AugmentationError: A value cannot be used.
    """
    for entry in fields(effect):
        if CHECK in entry.metadata and entry.name in options:
            entry.metadata[CHECK](entry.name, options[entry.name])
