"""Overrides of single keys, as ``key=value`` on the command line."""

from __future__ import annotations

from typing import Any

from lp_pipeline.config.document import Document, parse_value
from lp_pipeline.config.report import KeyPath, Problem, key_path
from lp_pipeline.errors import ConfigError

ORIGIN = "override"


def apply_override(document: Document, text: str) -> None:
    """Set one key of ``document``; what is wrong with the override is added to its problems.

    Args:
        document: The values to change. A mapping is merged into the one that is there; anything
            else replaces it.
        text: A dotted key, ``=``, and a value in YAML, such as ``model.losses_to_use=[temporal]``.
            Nothing after ``=`` is null. Of keys that hold text, the characters are the value,
            unless they are in quotes.
    """
    place = f"{ORIGIN} '{text}'"
    key, equals, value_text = text.partition("=")
    key = key.strip()
    if not equals or not all(key_path(key)) or key.startswith(("-", "+", "~")):
        bare = key.lstrip("-+~") or "training.max_epochs"
        example = f"{bare}={value_text or 'VALUE'}"
        document.problems.append(
            Problem(place, "an override has the form key=value", f"such as {example}")
        )
        return
    try:
        value = parse_value(value_text, place, key_path(key))
    except ConfigError as error:
        document.problems.append(Problem(place, f"{key}: {error.problem}", error.remedy))
        return
    _set(document, key_path(key), value, place)


def _set(document: Document, path: KeyPath, value: Any, place: str) -> None:
    """Put ``value`` at ``path``, making the sections around it."""
    section = document.values
    for length, name in enumerate(path[:-1], start=1):
        inner = section.get(name)
        if inner is None:
            inner = section[name] = {}
        if not isinstance(inner, dict):
            outer = ".".join(path[:length])
            document.problems.append(
                Problem(place, f"{'.'.join(path)}: {outer} has no keys inside", None, path)
            )
            return
        section = inner
    before = section.get(path[-1])
    if isinstance(value, dict) and isinstance(before, dict):
        document.places[path] = place
        for name, item in value.items():
            _set(document, (*path, str(name)), item, place)
        return
    _forget(document, path)
    section[path[-1]] = value
    _remember(document, path, value, place)


def _forget(document: Document, path: KeyPath) -> None:
    """Drop what was known of a key that is replaced."""
    depth = len(path)
    document.problems = [item for item in document.problems if item.key[:depth] != path]
    for known in [item for item in document.places if item[:depth] == path]:
        del document.places[known]


def _remember(document: Document, path: KeyPath, value: Any, place: str) -> None:
    document.places[path] = place
    if isinstance(value, dict):
        for name, item in value.items():
            _remember(document, (*path, str(name)), item, place)
