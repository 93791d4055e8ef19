"""The schema's keys by path, and which hold text.

YAML reads ``2024.10``, ``007`` and ``1:30`` as numbers. As the name of a folder or a keypoint, each
of them is another name then, so that the characters of a text are kept as they were written.
"""

from __future__ import annotations

import functools
import types
import typing
from collections.abc import Iterator
from typing import Any, TypeGuard

from pydantic.fields import FieldInfo

from lp_io.documents.report import KeyPath
from lp_pipeline.config.schema import Config, Section


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
def config_fields() -> dict[KeyPath, FieldInfo]:
    """Every key of a config that takes a value, by path, in the schema's order."""
    return dict(_walk(Config, ()))


def holds_text(path: KeyPath) -> bool:
    """Whether a single value at this place is text: that of a key, or an item in its value."""
    for depth in range(3):
        known = config_fields().get(path[: len(path) - depth])
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
