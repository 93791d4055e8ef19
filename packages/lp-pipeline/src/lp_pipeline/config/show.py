"""A resolved config for people: each value with where it comes from."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from lp_pipeline.config.document import dump_value, escaped
from lp_pipeline.config.load import LoadedConfig
from lp_pipeline.config.report import KeyPath

_WIDEST = 48
"""Values longer than this do not push the comments of all others to the right."""


def show_config(loaded: LoadedConfig) -> str:
    """The resolved config as YAML, with the origin of each value as a comment.

    Returns:
        YAML that reads back as the same config; ends with a newline.
    """
    lines = list(_lines(escaped(loaded.config.model_dump()), (), loaded.origins))
    width = max(len(text) for text, _ in lines if len(text) <= _WIDEST)
    shown = (f"{text:<{width}}  # {origin}" if origin else text for text, origin in lines)
    return "\n".join(shown) + "\n"


def _lines(
    values: dict[str, Any], path: KeyPath, origins: dict[str, str]
) -> Iterator[tuple[str, str]]:
    """Each line and the origin of its value; sections have none."""
    for name, value in values.items():
        inner = (*path, name)
        start = f"{'  ' * len(path)}{_flow(name)}:"
        if isinstance(value, dict) and value:
            yield start, ""
            yield from _lines(value, inner, origins)
        else:
            yield f"{start} {_flow(value)}", origins.get(".".join(inner), "")


def _flow(value: Any) -> str:
    """A value on one line."""
    text = dump_value(value, flow=True).strip()
    return json.dumps(value) if "\n" in text else text
