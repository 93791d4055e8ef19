"""From nested values to a document's model; what is wrong becomes problems of the report."""

from __future__ import annotations

import typing
from collections.abc import Mapping
from typing import Any, TypeVar

from pydantic import ValidationError

from lp_core.errors import nearest_name
from lp_core.options import range_words
from lp_io.documents.report import KeyPath, Report
from lp_io.documents.sections import OWN_MESSAGE, Section, choices, keys_of

Document = TypeVar("Document", bound=Section)

_BOUNDS = {"ge", "gt", "le", "lt"}
_EXPECTED = {
    "int": "a whole number",
    "float": "a number",
    "finite": "a number",
    "bool": "true or false",
    "string": "a text",
    "list": "a list",
    "dict": "a section with keys",
}
"""What a value should be, by the first word of pydantic's type of the error."""


def validated(kind: type[Document], report: Report) -> Document:
    """The document of the report's values; keys that are wrong are reported, and get defaults."""
    values = report.values
    while True:
        try:
            return kind.model_validate(values)
        except ValidationError as error:
            for details in error.errors(include_url=False):
                path = tuple(str(step) for step in details["loc"])
                report.problem(path, *_told(kind, path, details))
                _drop(values, path)


def _drop(values: dict[str, Any], path: KeyPath) -> None:
    """Take out the innermost key of a path; items of lists go with their list."""
    section: Any = values
    for name in path[:-1]:
        if not isinstance(section.get(name), dict):
            section.pop(name, None)
            return
        section = section[name]
    section.pop(path[-1], None)


def _told(
    document: type[Section], path: KeyPath, details: Mapping[str, Any]
) -> tuple[str, str | None]:
    """Message and remedy for one of pydantic's errors."""
    kind, value = details["type"], details["input"]
    if kind == "extra_forbidden":
        return "unknown key", _guess(document, path)
    if kind == "model_type":
        return "a section, so it takes no value of its own", None
    if kind == OWN_MESSAGE:
        return details["msg"], None
    if kind == "literal_error":
        return _unknown_word(value, choices(keys_of(document)[path].annotation))
    if _BOUNDS & set(details.get("ctx", ())):
        remedy = "this is a share from 0 to 1" if details["ctx"].get("le") == 1 < value else None
        return f"must be {_limits(document, path)}, got {value:g}", remedy
    shown = {list: "a list", dict: "a section", type(None): "null"}.get(type(value), repr(value))
    hint = ""
    if kind == "string_type" and isinstance(value, bool):
        hint = "; yes, no, on, off, true and false are truth values in YAML: put it in quotes"
    if kind == "list_type" and isinstance(value, str | int | float):
        hint = f"; write [{value}]"
    return f"expected {_EXPECTED[kind.split('_')[0]]}, got {shown}{hint}", None


def _unknown_word(value: Any, literals: list[Any]) -> tuple[str, str]:
    """Message and remedy for a word that is none of those that a key takes."""
    by_lower = {word.lower(): word for item in literals for word in typing.get_args(item)}
    guess = by_lower.get(nearest_name(str(value).lower(), by_lower) or "")
    hint = f"did you mean '{guess}'? " if guess else ""
    return f"unknown value '{value}'", f"{hint}known: {', '.join(by_lower.values())}"


def _limits(document: type[Section], path: KeyPath) -> str:
    """The range of a key in words."""
    known = keys_of(document)[path]
    choices = typing.get_args(known.annotation)  # of a key that may be null
    nested = [part for item in choices for part in getattr(item, "__metadata__", ())]
    return range_words([*known.metadata, *nested])


def _guess(document: type[Section], path: KeyPath) -> str:
    """What an unknown key may have meant: a similar name beside it, or the name elsewhere."""
    section: Any = document
    for name in path[:-1]:
        section = section.model_fields[name].annotation
    siblings = list(typing.cast("type[Section]", section).model_fields)
    same = [known for known in keys_of(document) if known[-1] == path[-1]]
    near = nearest_name(path[-1], siblings)
    if near and not same:
        same = [(*path[:-1], near)]
    if not same:
        near = nearest_name(path[-1], [known[-1] for known in keys_of(document)])
        same = [known for known in keys_of(document) if known[-1] == near]
    if same:
        return f"did you mean '{'.'.join(same[0])}'?"
    return f"known here: {', '.join(siblings)}"
