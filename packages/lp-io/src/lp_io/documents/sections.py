"""Documents as pydantic models: their sections, the values of keys, and the keys by path."""

from __future__ import annotations

import functools
import types
import typing
from collections.abc import Callable, Iterator
from functools import partial
from typing import Annotated, Any, Literal, TypeGuard

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationError,
    WrapValidator,
    model_validator,
)
from pydantic.fields import FieldInfo
from pydantic_core import PydanticCustomError

from lp_io.documents.report import KeyPath

OWN_MESSAGE = "own_message"
"""The type of the errors whose message is ours, and told as it stands."""


def allows_none(annotation: Any) -> bool:
    """Whether the type takes null."""
    return annotation is Any or types.NoneType in typing.get_args(annotation)


def _no_truth_value(kind: Literal["int_type", "float_type"], value: Any) -> Any:
    if isinstance(value, bool):
        raise PydanticCustomError(kind, "a truth value is not a number")
    return value


def _share_or_count(value: float) -> float:
    if value > 1 and value != int(value):
        raise PydanticCustomError(
            OWN_MESSAGE, f"must be a share up to 1 or a whole number, got {value:g}"
        )
    return value


def _rising(values: list[int]) -> list[int]:
    if any(value < 0 for value in values) or sorted(set(values)) != values:
        raise PydanticCustomError(OWN_MESSAGE, f"must be whole numbers that rise, got {values}")
    return values


def expecting(expected: str) -> WrapValidator:
    """One message for a value of several forms, instead of one for each form."""

    def check(value: Any, handler: Callable[[Any], Any]) -> Any:
        try:
            return handler(value)
        except ValidationError:
            message = f"expected {expected}, got {value!r}"
        raise PydanticCustomError(OWN_MESSAGE, "{message}", {"message": message})

    return WrapValidator(check)


_WHOLE = BeforeValidator(partial(_no_truth_value, "int_type"))
_NUMBER = BeforeValidator(partial(_no_truth_value, "float_type"))

# ranges stand before these checks, so that the JSON schema has them
Whole = Annotated[int, _WHOLE]
Count = Annotated[int, Field(ge=1), _WHOLE]
Natural = Annotated[int, Field(ge=0), _WHOLE]
Factor = Annotated[int, Field(ge=1, le=3), _WHOLE]
Seed = Annotated[int, Field(ge=0, le=2**32 - 1), _WHOLE]
Rising = Annotated[list[Whole], AfterValidator(_rising)]
NotNegative = Annotated[float, Field(ge=0), _NUMBER]
Positive = Annotated[float, Field(gt=0), _NUMBER]
Share = Annotated[float, Field(ge=0, le=1), _NUMBER]
PositiveShare = Annotated[float, Field(gt=0, le=1), _NUMBER]
ShareOrCount = Annotated[float, Field(gt=0), _NUMBER, AfterValidator(_share_or_count)]


class Section(BaseModel):
    """A section of a document. Null takes the default of a key that null is not a value of."""

    model_config = ConfigDict(
        extra="forbid",
        coerce_numbers_to_str=True,
        allow_inf_nan=False,
        protected_namespaces=(),
        defer_build=True,
    )

    @model_validator(mode="before")
    @classmethod
    def _null_is_the_default(cls, values: Any) -> Any:
        if not isinstance(values, dict):
            return {} if values is None else values
        fields = cls.model_fields
        return {
            name: value
            for name, value in values.items()
            if value is not None or name not in fields or allows_none(fields[name].annotation)
        }


def is_section(annotation: Any) -> TypeGuard[type[Section]]:
    """Whether a field of this type is a section with keys of its own."""
    return isinstance(annotation, type) and issubclass(annotation, Section)


def _walk(kind: type[Section], path: KeyPath) -> Iterator[tuple[KeyPath, FieldInfo]]:
    for name, entry in kind.model_fields.items():
        if is_section(entry.annotation):
            yield from _walk(entry.annotation, (*path, name))
        else:
            yield (*path, name), entry


@functools.cache
def keys_of(kind: type[Section]) -> dict[KeyPath, FieldInfo]:
    """Every key of a document that takes a value, by path, in the order of its models."""
    return dict(_walk(kind, ()))


def holds_text(kind: type[Section], path: KeyPath) -> bool:
    """Whether a single value at this place is text: that of a key, or an item in its value.

    YAML reads ``2024.10``, ``007`` and ``1:30`` as numbers. As the name of a folder or a keypoint,
    each of them is another name then, so that the characters of a text are kept as they were
    written.
    """
    for depth in range(3):
        known = keys_of(kind).get(path[: len(path) - depth])
        if known is not None:
            return _is_text(known.annotation, depth)
    return False


def _is_text(annotation: Any, depth: int) -> bool:
    """Whether a single value of the type, or ``depth`` levels inside its value, is text."""
    groups = [item for item in choices(annotation) if typing.get_origin(item) in (list, dict)]
    if depth:
        return any(_is_text(typing.get_args(item)[-1], depth - 1) for item in groups)
    single = [item for item in choices(annotation) if item not in groups]
    words = [item is str or typing.get_origin(item) is typing.Literal for item in single]
    return bool(words) and all(words)


def choices(annotation: Any) -> list[Any]:
    """The types that a value may have, null left out."""
    kind, inner = typing.get_origin(annotation), typing.get_args(annotation)
    if kind is typing.Annotated:
        return choices(inner[0])
    if kind in (types.UnionType, typing.Union):
        return [choice for item in inner for choice in choices(item)]
    return [] if annotation is types.NoneType else [annotation]
