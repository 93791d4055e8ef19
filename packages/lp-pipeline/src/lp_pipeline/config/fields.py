"""The schema's keys, as data: path, type, default and description of each."""

from __future__ import annotations

import dataclasses
import functools
import inspect
import re
import typing
from collections.abc import Iterator
from typing import Any

from lp_pipeline.config.report import KeyPath
from lp_pipeline.config.schema import Config

_ENTRY = re.compile(r"^    (\w+(?:, \w+)*): (.*)$")


@dataclasses.dataclass(frozen=True)
class ConfigField:
    """One key that takes a value.

    Attributes:
        path: Its place.
        annotation: The type of its values.
        default: Its default.
        description: What it means, from the schema's docstring.
    """

    path: KeyPath
    annotation: Any
    default: Any
    description: str


def is_section(annotation: Any) -> bool:
    """Whether a field of this type is a section with keys of its own."""
    return isinstance(annotation, type) and dataclasses.is_dataclass(annotation)


def describe_attributes(kind: type) -> dict[str, str]:
    """What the ``Attributes`` of a class's docstring say, by name.

    An entry may describe several names, separated by commas.
    """
    lines = (inspect.getdoc(kind) or "").splitlines()
    start = lines.index("Attributes:") + 1 if "Attributes:" in lines else len(lines)
    found: dict[str, str] = {}
    names: list[str] = []
    for line in lines[start:]:
        if line and not line.startswith("    "):
            break
        match = _ENTRY.match(line)
        if match:
            names = match.group(1).split(", ")
        text = match.group(2) if match else line.strip()
        for name in names:
            found[name] = f"{found.get(name, '')} {text}".strip()
    return found


def first_sentence(kind: type) -> str:
    """The summary of a class's docstring."""
    return (inspect.getdoc(kind) or "").split("\n\n")[0].replace("\n", " ")


def field_types(kind: type) -> dict[str, Any]:
    """The types of a dataclass's fields by name, in their order."""
    hints = typing.get_type_hints(kind)
    return {member.name: hints[member.name] for member in dataclasses.fields(kind)}


def default_of(member: dataclasses.Field[Any]) -> Any:
    """The default of a field; ``dataclasses.MISSING`` where it has none."""
    if member.default_factory is not dataclasses.MISSING:
        return member.default_factory()
    return member.default


def _walk(kind: type, path: KeyPath) -> Iterator[ConfigField]:
    types, described = field_types(kind), describe_attributes(kind)
    for member in dataclasses.fields(kind):
        inner, annotation = (*path, member.name), types[member.name]
        if is_section(annotation):
            yield from _walk(annotation, inner)
        else:
            text = described.get(member.name) or first_sentence(kind)
            yield ConfigField(inner, annotation, default_of(member), text)


@functools.cache
def config_fields() -> dict[KeyPath, ConfigField]:
    """Every key of a config that takes a value, by path, in the schema's order."""
    return {item.path: item for item in _walk(Config, ())}
