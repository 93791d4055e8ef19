"""The schema's keys, as data: path, type, default and description of each."""

from __future__ import annotations

import functools
import inspect
import re
from collections.abc import Iterator
from typing import Any, NamedTuple

from lp_pipeline.config.report import KeyPath
from lp_pipeline.config.schema import Config, Section

_ENTRY = re.compile(r"^    (\w+(?:, \w+)*): (.*)$")


class ConfigField(NamedTuple):
    """One key that takes a value.

    Attributes:
        annotation: The type of its values.
        default: Its default.
        description: What it means, from the schema's docstring.
        metadata: Its constraints.
    """

    annotation: Any
    default: Any
    description: str
    metadata: list[Any]


def is_section(annotation: Any) -> bool:
    """Whether a field of this type is a section with keys of its own."""
    return isinstance(annotation, type) and issubclass(annotation, Section)


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


def _walk(kind: type[Section], path: KeyPath) -> Iterator[tuple[KeyPath, ConfigField]]:
    described = describe_attributes(kind)
    for name, entry in kind.model_fields.items():
        inner, annotation = (*path, name), entry.annotation
        if isinstance(annotation, type) and issubclass(annotation, Section):
            yield from _walk(annotation, inner)
        else:
            text = described.get(name) or first_sentence(kind)
            yield inner, ConfigField(annotation, entry.default, text, entry.metadata)


@functools.cache
def config_fields() -> dict[KeyPath, ConfigField]:
    """Every key of a config that takes a value, by path, in the schema's order."""
    return dict(_walk(Config, ()))
