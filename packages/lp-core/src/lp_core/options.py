"""Options: dataclasses that say what a tracker or a loss can be told, read from a mapping."""

from __future__ import annotations

import dataclasses
import types
import typing
from collections.abc import Mapping
from typing import Any, TypeVar

from lp_core.errors import CoreError, nearest_name

T = TypeVar("T")


class OptionError(CoreError):
    """An option that is unknown, missing, or of the wrong type."""


def _describe(annotation: Any) -> str:
    """What a type is called in a message."""
    if typing.get_origin(annotation) is typing.Literal:
        return ", ".join(repr(choice) for choice in typing.get_args(annotation))
    if annotation is types.NoneType:
        return "null"
    return getattr(annotation, "__name__", None) or str(annotation).replace("typing.", "")


def _cast_sequence(value: Any, arguments: tuple[Any, ...], place: str) -> tuple[Any, ...]:
    """A list or tuple as a tuple with items of the right types."""
    if not isinstance(value, list | tuple):
        raise OptionError(f"expected a list, got {value!r}", where=place)
    if len(arguments) == 2 and arguments[1] is Ellipsis:
        return tuple(_cast(item, arguments[0], f"{place}[{i}]") for i, item in enumerate(value))
    if len(arguments) != len(value):
        raise OptionError(f"expected {len(arguments)} values, got {len(value)}", where=place)
    items = zip(value, arguments, strict=True)
    return tuple(_cast(item, kind, f"{place}[{i}]") for i, (item, kind) in enumerate(items))


def _cast_union(value: Any, choices: tuple[Any, ...], place: str) -> Any:
    """The value as the first of the choices that takes it."""
    for choice in choices:
        try:
            return _cast(value, choice, place)
        except OptionError:
            continue
    expected = " or ".join(_describe(choice) for choice in choices)
    raise OptionError(f"expected {expected}, got {value!r}", where=place)


def _cast(value: Any, annotation: Any, place: str) -> Any:
    """``value`` as ``annotation`` says; only conversions that lose nothing."""
    origin, arguments = typing.get_origin(annotation), typing.get_args(annotation)
    if annotation is Any:
        return value
    if origin in (typing.Union, types.UnionType):
        return _cast_union(value, arguments, place)
    if origin is typing.Literal:
        if value in arguments:
            return value
        raise OptionError(f"expected one of {list(arguments)}, got {value!r}", where=place)
    if origin is tuple:
        return _cast_sequence(value, arguments, place)
    if annotation is float and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    kind = origin or annotation
    if annotation is types.NoneType or annotation is None:
        kind = types.NoneType
    if isinstance(value, kind) and not (isinstance(value, bool) and kind in (int, float)):
        return value
    raise OptionError(f"expected {_describe(annotation)}, got {value!r}", where=place)


def read_options(kind: type[T], values: Mapping[str, Any], *, place: str) -> T:
    """An instance of the dataclass ``kind`` from plain values, such as YAML or JSON gives.

    Args:
        kind: A dataclass whose fields are the options.
        values: Values by name; fields with a default may be absent.
        place: Where the values stand, such as ``"losses.temporal"``, for messages.

    Raises:
        OptionError: A name is unknown (the nearest known one is told), a value is missing or has
            the wrong type.
    """
    hints = typing.get_type_hints(kind)
    members = dataclasses.fields(kind)  # type: ignore[arg-type]
    fields = {member.name: member for member in members if member.init}
    for name in values:
        if name not in fields:
            guess = nearest_name(str(name), fields)
            hint = f"did you mean '{guess}'? " if guess else ""
            raise OptionError(
                f"unknown option '{name}'", where=place, remedy=f"{hint}known: {', '.join(fields)}"
            )
    required = (
        name
        for name, field in fields.items()
        if field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING
    )
    missing = [name for name in required if name not in values]
    if missing:
        raise OptionError(f"option '{missing[0]}' is missing", where=place)
    return kind(**{n: _cast(v, hints[n], f"{place}.{n}") for n, v in values.items()})


def plain_options(options: Any) -> dict[str, Any]:
    """The options as plain JSON values: tuples become lists."""
    return {name: _plain(value) for name, value in dataclasses.asdict(options).items()}


def _plain(value: Any) -> Any:
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if isinstance(value, dict):
        return {str(key): _plain(item) for key, item in value.items()}
    return value
