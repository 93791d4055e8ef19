"""Options: dataclasses that say what a plug-in can be told, read from plain values by pydantic."""

from __future__ import annotations

import dataclasses
import functools
import json
import types
import typing
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

from lp_core.errors import CoreError, LPError, suggestion

if TYPE_CHECKING:
    from pydantic import TypeAdapter, ValidationError

T = TypeVar("T")


class OptionError(CoreError):
    """An option that is unknown, missing, or of the wrong type."""


class OptionProblem(NamedTuple):
    """What is wrong with one option (``name``; empty where it is none), and what to do about it.

    ``inside`` is the place inside the option's value, such as ``[1]``.
    """

    name: str
    message: str
    remedy: str | None = None
    inside: str = ""


def read_options(kind: type[T], values: Mapping[str, Any], *, place: str) -> T:
    """An instance of the dataclass ``kind`` from plain values, such as YAML or JSON gives.

    Args:
        kind: A dataclass whose fields are the options.
        values: Values by name; fields with a default may be absent.
        place: Where the values stand, such as ``"losses.temporal"``, for messages.

    Raises:
        OptionError: A name is unknown (the message names the nearest known one), a value is
            missing, has the wrong type or is out of range; all problems are reported at once. Or
            ``kind`` is not a dataclass.
    """
    from pydantic import ValidationError

    if not dataclasses.is_dataclass(kind):
        raise OptionError(f"the options {kind.__name__} must be a dataclass", where=place)
    try:
        options: T = _validated(kind, values)
        return options
    except ValidationError as error:
        problems = _problems(kind, values, error)
    name, message, remedy, inside = problems[0]
    if len(problems) == 1:
        where = f"{place}.{name}{inside}" if name in values and remedy is None else place
        raise OptionError(message, where=where, remedy=remedy)
    lines = "".join(f"\n  {p.name}{p.inside}: {p.message}" for p in problems)
    raise OptionError(f"{len(problems)} options are wrong:{lines}", where=place, remedy=remedy)


def option_problems(kind: type, values: Mapping[str, Any]) -> list[OptionProblem]:
    """Unknown, missing and wrong options; what the dataclass checks by itself is not among them."""
    from pydantic import ValidationError

    try:
        _validated(kind, values)
    except ValidationError as error:
        return _problems(kind, values, error)
    except LPError:
        pass
    return []


def plain_options(options: Any) -> dict[str, Any]:
    """The options as plain JSON values: tuples become lists.

    Raises:
        TypeError: A value cannot be written as JSON.
    """
    plain: dict[str, Any] = json.loads(json.dumps(dataclasses.asdict(options)))
    return plain


def range_words(metadata: Iterable[Any]) -> str:
    """Which numbers the constraints of an annotation allow, such as ``from 0 to 1``."""
    limits: dict[str, Any] = {}
    for item in metadata:
        for part in (item, *getattr(item, "metadata", ())):  # a pydantic Field holds several
            found = {name: getattr(part, name, None) for name in ("ge", "gt", "le", "lt")}
            limits |= {name: value for name, value in found.items() if value is not None}
    if set(limits) == {"ge", "le"}:
        return f"from {limits['ge']:g} to {limits['le']:g}"
    words = {"ge": "at least", "gt": "above", "le": "at most", "lt": "below"}
    return " and ".join(f"{words[name]} {value:g}" for name, value in limits.items())


@functools.cache
def _adapter(kind: Any) -> TypeAdapter[tuple[Any]]:
    """Reads JSON, in which a strict reader takes lists as tuples and whole numbers as floats."""
    from pydantic import ConfigDict, TypeAdapter

    # in a tuple, since a bare dataclass takes no configuration from outside
    config = ConfigDict(strict=True, extra="forbid", arbitrary_types_allowed=True)
    return TypeAdapter(tuple[kind], config=config)


def _validated(kind: Any, values: Mapping[str, Any]) -> Any:
    (options,) = _adapter(kind).validate_json(json.dumps([dict(values)], default=str))
    return options


def _problems(kind: type, values: Mapping[str, Any], error: ValidationError) -> list[OptionProblem]:
    """One problem for each option at fault, although each choice of a union gives an error."""
    known = [member.name for member in dataclasses.fields(kind) if member.init]
    found: dict[str, OptionProblem] = {}
    for details in error.errors(include_url=False):
        name, *inside = details["loc"][1:] or ("",)
        name = str(name)
        if details["type"] == "unexpected_keyword_argument":
            problem = OptionProblem(name, f"unknown option '{name}'", suggestion(name, known))
        elif name not in values:
            message = f"option '{name}' is missing" if name else details["msg"]
            problem = OptionProblem(name, message)
        else:
            problem = _wrong_value(kind, name, values[name], inside, details)
        found.setdefault(name, problem)
    return list(found.values())


def _wrong_value(
    kind: type, name: str, value: Any, inside: list[Any], details: Mapping[str, Any]
) -> OptionProblem:
    """The problem of a value; of a list, that of the item at fault."""
    annotation, place = typing.get_type_hints(kind)[name], ""
    for step in inside:
        arguments = typing.get_args(annotation)
        if typing.get_origin(annotation) not in (list, tuple) or step >= len(value):
            break
        annotation = arguments[0 if arguments[1:] in ((), (...,)) else step]
        value, place = value[step], f"{place}[{step}]"
    annotated = typing.get_type_hints(kind, include_extras=True)[name]
    limits = range_words(getattr(annotated, "__metadata__", ()))
    if limits and set(details.get("ctx", ())) & {"ge", "gt", "le", "lt"}:
        message = f"must be {limits}, got {value!r}"
    elif details["type"] == "value_error":
        message = str(details["ctx"]["error"])
    else:
        message = f"expected {_expected(annotation, value)}"
    return OptionProblem(name, message, inside=place)


def _expected(annotation: Any, value: Any) -> str:
    """What is expected, and what was given."""
    origin, arguments = typing.get_origin(annotation), typing.get_args(annotation)
    if origin is typing.Literal:
        return f"one of {list(arguments)}, got {value!r}"
    if origin in (list, tuple) and not isinstance(value, list | tuple):
        return f"a list, got {value!r}"
    if origin is tuple and len(arguments) != len(value):
        return f"{len(arguments)} values, got {len(value)}"
    return f"{_describe(annotation)}, got {value!r}"


def _describe(annotation: Any) -> str:
    """What a type is called in a message."""
    if typing.get_origin(annotation) in (typing.Union, types.UnionType):
        return " or ".join(map(_describe, typing.get_args(annotation)))
    if typing.get_origin(annotation) is typing.Literal:
        return ", ".join(repr(choice) for choice in typing.get_args(annotation))
    if annotation is types.NoneType:
        return "null"
    return getattr(annotation, "__name__", None) or str(annotation).replace("typing.", "")
