"""A JSON schema of configs, for editors that complete and check YAML."""

from __future__ import annotations

from lp_core.registry import BACKBONES, LOSSES, MODELS, VIDEO_READERS, load_plugin, registered
from lp_io.documents.json_schema import Schema, document_schema, section_schema
from lp_pipeline.config.schema import Config

_NAMED_BY = {
    ("ModelConfig", "model_type"): MODELS,
    ("ModelConfig", "backbone"): BACKBONES,
    ("ClipsConfig", "reader"): VIDEO_READERS,
}


def schema_json() -> Schema:
    """The JSON schema of configs, and of the options of the registered losses."""
    schema = document_schema(Config, "litpose config")
    sections = schema["$defs"]
    for (section, name), group in _NAMED_BY.items():
        sections[section]["properties"][name]["examples"] = list(registered(group))
    schema["properties"]["losses"] |= {
        "properties": {name: _loss(name) for name in registered(LOSSES)},
        "additionalProperties": False,
    }
    # a tracker's own options may stand directly under model
    sections["ModelConfig"]["additionalProperties"] = True
    return schema


def _loss(name: str) -> Schema:
    return section_schema(load_plugin(LOSSES, name).Options)  # type: ignore[attr-defined]
