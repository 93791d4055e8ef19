"""A JSON schema of configs, for editors that complete and check YAML."""

from __future__ import annotations

import inspect
import re
from typing import Any

from lp_core.registry import BACKBONES, LOSSES, MODELS, VIDEO_READERS, load_plugin, registered
from lp_pipeline.config.fields import is_section
from lp_pipeline.config.schema import Config, Section

Schema = dict[str, Any]

_ENTRY = re.compile(r"^    (\w+(?:, \w+)*): (.*)$")
_INTERPOLATION: Schema = {"$ref": "#/$defs/interpolation"}
_NAMED_BY = {
    ("ModelConfig", "model_type"): MODELS,
    ("ModelConfig", "backbone"): BACKBONES,
    ("ClipsConfig", "reader"): VIDEO_READERS,
}


def schema_json() -> Schema:
    """The JSON schema of configs (draft 2020-12), as plain values.

    Pydantic makes it of `lp_pipeline.config.schema` and of the options of the registered losses.
    """
    schema = Config.model_json_schema()
    sections = schema["$defs"]
    for kind in _sections(Config):
        _finish(schema if kind is Config else sections[kind.__name__], kind)
    for (section, name), group in _NAMED_BY.items():
        sections[section]["properties"][name]["examples"] = list(registered(group))
    schema["properties"]["losses"] |= {
        "properties": {name: _loss(name) for name in registered(LOSSES)},
        "additionalProperties": False,
    }
    # a tracker's own options may stand directly under model
    sections["ModelConfig"]["additionalProperties"] = True
    sections["interpolation"] = {"type": "string", "pattern": r"\$\{.*\}"}
    return schema | {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "litpose config",
    }


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


def _finish(schema: Schema, kind: type) -> None:
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


def _loss(name: str) -> Schema:
    from pydantic import TypeAdapter

    kind = load_plugin(LOSSES, name).Options  # type: ignore[attr-defined]
    schema = TypeAdapter(kind).json_schema()
    _finish(schema, kind)
    return schema | {"type": ["object", "null"], "additionalProperties": False}
