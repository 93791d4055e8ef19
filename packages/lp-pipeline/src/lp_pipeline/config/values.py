"""Plain values as the types that the schema asks for."""

from __future__ import annotations

import math
import types
import typing
from collections.abc import Callable
from typing import Any


class ValueMismatchError(ValueError):
    """A value that is not of the type that is asked for; the message says both.

    Attributes:
        inside: The place of the value inside the one that was cast, such as a list's index.
    """

    inside: tuple[str, ...] = ()


def cast_value(value: Any, annotation: Any) -> Any:
    """``value`` as ``annotation`` says; only conversions that lose nothing.

    Args:
        value: What YAML gave.
        annotation: A type of the schema: bool, int, float, str, list, dict, Any, or one of them
            or None.

    Raises:
        ValueMismatchError: It is something else.
    """
    if annotation is Any:
        return value
    choices = typing.get_args(annotation)
    if isinstance(annotation, types.UnionType):
        if value is None:
            return None
        (annotation,) = (choice for choice in choices if choice is not types.NoneType)
        return cast_value(value, annotation)
    if typing.get_origin(annotation) is list:
        return [_cast_item(i, item, choices[0]) for i, item in enumerate(_list(value))]
    if typing.get_origin(annotation) is dict:
        return _mapping(value)
    return _SCALARS[annotation](value)


def _cast_item(index: int, value: Any, annotation: Any) -> Any:
    try:
        return cast_value(value, annotation)
    except ValueMismatchError as error:
        error.inside = (str(index), *error.inside)
        raise


def allows_none(annotation: Any) -> bool:
    """Whether the type takes null."""
    return annotation is Any or types.NoneType in typing.get_args(annotation)


def _mismatch(expected: str, value: Any, remedy: str = "") -> ValueMismatchError:
    kinds = {list: "a list", dict: "a section", types.NoneType: "null"}
    shown = kinds.get(type(value)) or repr(value)
    return ValueMismatchError(f"expected {expected}, got {shown}{remedy}")


def _list(value: Any) -> list[Any]:
    if isinstance(value, list):
        return value
    hint = f"; write [{value}]" if isinstance(value, str | int | float) else ""
    raise _mismatch("a list", value, hint)


def _mapping(value: Any) -> dict[str, Any]:
    if isinstance(value, dict):
        return value
    raise _mismatch("a section with keys", value)


def _bool(value: Any) -> bool:
    words = {"true": True, "false": False}
    if isinstance(value, bool):
        return value
    if isinstance(value, str) and value.lower() in words:
        return words[value.lower()]
    raise _mismatch("true or false", value)


def _number(value: Any, expected: str) -> float | int:
    """A finite number; a text that spells one, as from an environment variable, counts."""
    if isinstance(value, str):
        try:
            value = int(value) if value.strip().lstrip("+-").isdigit() else float(value)
        except ValueError:
            raise _mismatch(expected, value) from None
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise _mismatch(expected, value)
    try:
        finite = math.isfinite(value)
    except OverflowError:
        finite = False
    if not finite:
        raise _mismatch(expected, value)
    return value


def _int(value: Any) -> int:
    number = _number(value, "a whole number")
    if number != int(number):
        raise _mismatch("a whole number", value)
    return int(number)


def _float(value: Any) -> float:
    return float(_number(value, "a number"))


def _str(value: Any) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        hint = "; yes, no, on, off, true and false are truth values in YAML: put it in quotes"
        raise _mismatch("a text", value, hint)
    if isinstance(value, int | float):
        return str(value)
    raise _mismatch("a text", value)


_SCALARS: dict[Any, Callable[[Any], Any]] = {bool: _bool, int: _int, float: _float, str: _str}
