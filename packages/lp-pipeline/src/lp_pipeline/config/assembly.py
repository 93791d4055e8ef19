"""From the nested values of a document to a typed config: interpolated, validated, reported."""

from __future__ import annotations

import typing
from collections.abc import Mapping
from typing import Any

from pydantic import ValidationError

from lp_core.errors import nearest_name
from lp_core.options import range_words
from lp_io.documents.report import KeyPath, Report, section_of
from lp_pipeline.config.fields import choices, config_fields
from lp_pipeline.config.schema import OWN_MESSAGE, Config, ModelConfig, Section


def resolve_interpolations(report: Report) -> None:
    """Replace ``${...}`` in the values by what it refers to, defaults included.

    Keys whose references lead nowhere are reported and taken out.
    """
    values = report.values
    if not _has_interpolation(values):
        return
    from omegaconf import OmegaConf
    from omegaconf.errors import OmegaConfBaseException

    tree = OmegaConf.create(Config().model_dump())
    given = [path for path in config_fields() if section_of(values, path) is not None]
    for path in given:
        try:
            section_of(tree, path)[path[-1]] = section_of(values, path)[path[-1]]
        except (OmegaConfBaseException, RecursionError) as error:
            report.problem(path, f"not a valid interpolation: {_first_line(error)}")
    for path in given:
        section = section_of(values, path)
        try:
            section[path[-1]] = _resolved(section_of(tree, path), path[-1])
        except OmegaConfBaseException as error:
            remedy = f"give {'.'.join(path)}=VALUE on the command line"
            report.problem(path, _first_line(error), remedy)
            del section[path[-1]]


def _has_interpolation(value: Any) -> bool:
    """Whether OmegaConf would read ``value`` as anything but itself."""
    if isinstance(value, dict):
        return any(_has_interpolation(item) for item in value.values())
    if isinstance(value, list):
        return any(_has_interpolation(item) for item in value)
    return isinstance(value, str) and ("${" in value or value == "???")


def _resolved(section: Any, name: str) -> Any:
    from omegaconf import OmegaConf

    value = None if OmegaConf.is_missing(section, name) else section[name]
    return OmegaConf.to_container(value, resolve=True) if OmegaConf.is_config(value) else value


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or ["unknown reason"])[0]


OPTIONS = ("model", "options")
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


def gather_model_options(report: Report) -> None:
    """Move keys directly under ``model`` that the schema does not know into ``model.options``."""
    model = report.values.get("model")
    if not isinstance(model, dict):
        return
    options = model.get("options")
    if options is not None and not isinstance(options, dict):
        return
    known = ModelConfig.model_fields
    extra = {name: model.pop(name) for name in list(model) if name not in known}
    for name, value in extra.items():
        report.places.setdefault((*OPTIONS, name), report.place(("model", name)))
        if isinstance(options, dict) and name in options:
            report.problem(("model", name), "also given in model.options", "keep one of the two")
        model["options"] = options = {**(options or {}), name: value}


def validated(values: dict[str, Any], report: Report) -> Config:
    """The config that the values make; keys that are wrong are reported, and get their defaults."""
    while True:
        try:
            return Config.model_validate(values)
        except ValidationError as error:
            for details in error.errors(include_url=False):
                path = tuple(str(step) for step in details["loc"])
                report.problem(path, *_told(path, details))
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


def _told(path: KeyPath, details: Mapping[str, Any]) -> tuple[str, str | None]:
    """Message and remedy for one of pydantic's errors."""
    kind, value = details["type"], details["input"]
    if kind == "extra_forbidden":
        return "unknown key", _guess(path)
    if kind == "model_type":
        return "a section, so it takes no value of its own", None
    if kind == OWN_MESSAGE:
        return details["msg"], None
    if kind == "literal_error":
        return _unknown_word(value, choices(config_fields()[path].annotation))
    if _BOUNDS & set(details.get("ctx", ())):
        remedy = "this is a share from 0 to 1" if details["ctx"].get("le") == 1 < value else None
        return f"must be {_limits(path)}, got {value:g}", remedy
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


def _limits(path: KeyPath) -> str:
    """The range of a key in words."""
    known = config_fields()[path]
    choices = typing.get_args(known.annotation)  # of a key that may be null
    nested = [part for item in choices for part in getattr(item, "__metadata__", ())]
    return range_words([*known.metadata, *nested])


def _guess(path: KeyPath) -> str:
    """What an unknown key may have meant: a similar name beside it, or the name elsewhere."""
    section: Any = Config
    for name in path[:-1]:
        section = section.model_fields[name].annotation
    siblings = list(typing.cast("type[Section]", section).model_fields)
    same = [known for known in config_fields() if known[-1] == path[-1]]
    near = nearest_name(path[-1], siblings)
    if near and not same:
        same = [(*path[:-1], near)]
    if not same:
        near = nearest_name(path[-1], [known[-1] for known in config_fields()])
        same = [known for known in config_fields() if known[-1] == near]
    if same:
        return f"did you mean '{'.'.join(same[0])}'?"
    return f"known here: {', '.join(siblings)}"
