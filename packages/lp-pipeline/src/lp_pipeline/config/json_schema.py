"""A JSON schema of configs, for editors that complete and check YAML."""

from __future__ import annotations

import dataclasses
import types
import typing
from typing import Any

from lp_core.registry import BACKBONES, LOSSES, MODELS, VIDEO_READERS, load_plugin, registered
from lp_pipeline.config.fields import (
    default_of,
    describe_attributes,
    field_types,
    first_sentence,
    is_section,
)
from lp_pipeline.config.report import KeyPath
from lp_pipeline.config.rules import CHOICES, RANGES
from lp_pipeline.config.schema import Config

Schema = dict[str, Any]

_NAMES = {bool: "boolean", int: "integer", float: "number", str: "string", type(None): "null"}
_INTERPOLATION: Schema = {"$ref": "#/$defs/interpolation"}
_NAMED_BY = {"model.model_type": MODELS, "dali.reader": VIDEO_READERS, "model.backbone": BACKBONES}


def schema_json() -> Schema:
    """The JSON schema of configs (draft 2020-12), as plain values.

    Keys, types, defaults and descriptions come from `lp_pipeline.config.schema`, ranges and words
    from `lp_pipeline.config.rules`, and the losses with their options from what is registered.
    """
    schema = _section(Config, ())
    schema["properties"]["losses"] |= {
        "properties": {name: _loss(name) for name in registered(LOSSES)},
        "additionalProperties": False,
    }
    # a tracker's own options may stand directly under model
    schema["properties"]["model"]["additionalProperties"] = True
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "litpose config",
        "$defs": {"interpolation": {"type": "string", "pattern": r"\$\{.*\}"}},
        **schema,
    }


def _section(kind: type, path: KeyPath) -> Schema:
    """The schema of a dataclass."""
    described, hints = describe_attributes(kind), field_types(kind)
    properties: dict[str, Schema] = {}
    for member in dataclasses.fields(kind):
        inner, annotation = (*path, member.name), hints[member.name]
        if is_section(annotation):
            entry = _section(annotation, inner)
        else:
            entry = _value(annotation, ".".join(inner), default_of(member))
        if member.name in described:
            entry["description"] = described[member.name]
        properties[member.name] = entry
    return {
        "type": ["object", "null"],  # an empty section takes all defaults
        "description": first_sentence(kind),
        "properties": properties,
        "additionalProperties": False,
    }


def _value(annotation: Any, key: str, default: Any) -> Schema:
    """The schema of one value; an interpolation may stand for any."""
    schema = _type(annotation)
    if key in RANGES:
        limits = RANGES[key]
        schema["exclusiveMinimum" if limits.open_low else "minimum"] = limits.low
        if limits.high is not None:
            schema["maximum"] = limits.high
    if key in CHOICES:
        nullable = type(None) in typing.get_args(annotation)
        schema["enum"] = [*CHOICES[key], *([None] if nullable else [])]
    if key in _NAMED_BY:
        schema["examples"] = list(registered(_NAMED_BY[key]))
    if ("type" in schema and "string" not in schema["type"]) or "enum" in schema:
        schema = {"anyOf": [schema, _INTERPOLATION]}
    if default is not dataclasses.MISSING:
        schema["default"] = _plain(default)
    return schema


def _type(annotation: Any) -> Schema:
    """The schema of a type annotation, as far as JSON schema can say it."""
    origin, arguments = typing.get_origin(annotation), typing.get_args(annotation)
    if annotation in _NAMES:
        return {"type": _NAMES[annotation]}
    if origin in (types.UnionType, typing.Union):
        return _union([_type(argument) for argument in arguments])
    if origin is typing.Literal:
        return {"enum": list(arguments)}
    if origin in (list, tuple):
        return {"type": "array", "items": _type(arguments[0])}
    if origin is dict:
        return {"type": "object"}
    return {}


def _union(choices: list[Schema]) -> Schema:
    """A type or null as one entry where it can be."""
    simple = [choice["type"] for choice in choices if set(choice) == {"type"}]
    if len(simple) == len(choices):
        return {"type": simple}
    return {"anyOf": choices}


def _loss(name: str) -> Schema:
    """The schema of a loss's options."""
    kind = load_plugin(LOSSES, name).Options  # type: ignore[attr-defined]
    return _section(kind, ("losses", name))


def _plain(value: Any) -> Any:
    return list(value) if isinstance(value, tuple) else value
