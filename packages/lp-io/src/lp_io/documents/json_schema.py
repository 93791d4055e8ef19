"""The JSON schema of a document, for editors that complete and check YAML."""

from __future__ import annotations

import inspect
import re
from typing import Any

from lp_io.documents.sections import Section, is_section

Schema = dict[str, Any]

_ENTRY = re.compile(r"^    (\w+(?:, \w+)*): (.*)$")
_INTERPOLATION: Schema = {"$ref": "#/$defs/interpolation"}


def document_schema(kind: type[Section], title: str) -> Schema:
    """The JSON schema (draft 2020-12) of a document, as plain values.

    Each section is described by its docstring, and each key by the ``Attributes`` in there.
    """
    schema = kind.model_json_schema()
    for section in _sections(kind):
        add_descriptions(schema if section is kind else schema["$defs"][section.__name__], section)
    schema["$defs"]["interpolation"] = {"type": "string", "pattern": r"\$\{.*\}"}
    return schema | {"$schema": "https://json-schema.org/draft/2020-12/schema", "title": title}


def section_schema(kind: type) -> Schema:
    """The schema of a section within a document, whose keys are the fields of a dataclass."""
    from pydantic import TypeAdapter

    schema = TypeAdapter(kind).json_schema()
    add_descriptions(schema, kind)
    return schema | {"type": ["object", "null"], "additionalProperties": False}


def _describe_attributes(kind: type) -> dict[str, str]:
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


def _first_sentence(kind: type) -> str:
    """The summary of a class's docstring."""
    return (inspect.getdoc(kind) or "").split("\n\n")[0].replace("\n", " ")


def _sections(kind: Any) -> list[type[Section]]:
    inner = [item.annotation for item in kind.model_fields.values()]
    return [kind, *(one for item in inner if is_section(item) for one in _sections(item))]


def add_descriptions(schema: Schema, kind: type) -> None:
    """Add descriptions, and what may stand for any value: an interpolation."""
    described = _describe_attributes(kind)
    schema["description"] = _first_sentence(kind)
    for name, entry in schema["properties"].items():
        entry.pop("title", None)
        if name in described:
            entry["description"] = described[name]
        _take_interpolations(entry)


def _take_interpolations(entry: Schema) -> None:
    """Let an entry take an interpolation, or null where it is a section."""
    if "$ref" in entry:
        entry["anyOf"] = [{"$ref": entry.pop("$ref")}, {"type": "null"}]
        entry.pop("default", None)
        return
    constraints = {"type", "enum", "const", "items", "minimum", "maximum", "exclusiveMinimum"}
    limited = {key: entry[key] for key in constraints & set(entry)}
    if "anyOf" not in entry and limited and (limited != {"type": "string"}):
        for key in limited:
            del entry[key]
        entry["anyOf"] = [limited]
    if "anyOf" in entry:
        entry["anyOf"].append(_INTERPOLATION)
