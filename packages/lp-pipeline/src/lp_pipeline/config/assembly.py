"""From the nested values of a document to typed values for every key of the schema."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from typing import Any

from lp_core.errors import nearest_name
from lp_pipeline.config.fields import config_fields, field_types, is_section
from lp_pipeline.config.report import KeyPath, Report
from lp_pipeline.config.schema import Config, ModelConfig
from lp_pipeline.config.values import ValueMismatchError, allows_none, cast_value

OPTIONS = ("model", "options")


def gather_model_options(values: dict[str, Any], report: Report) -> None:
    """Move keys directly under ``model`` that the schema does not know into ``model.options``."""
    model = values.get("model")
    if not isinstance(model, dict):
        return
    options = model.get("options")
    if options is not None and not isinstance(options, dict):
        return
    known = field_types(ModelConfig)
    extra = {name: model.pop(name) for name in list(model) if name not in known}
    for name, value in extra.items():
        report.places.setdefault((*OPTIONS, name), report.place(("model", name)))
        if isinstance(options, dict) and name in options:
            report.problem(("model", name), "also given in model.options", "keep one of the two")
        model["options"] = options = {**(options or {}), name: value}


def given_leaves(values: dict[str, Any], report: Report) -> dict[KeyPath, Any]:
    """The values of the schema's keys that ``values`` gives, unknown keys reported."""
    return dict(_leaves(values, Config, (), report))


def _leaves(
    values: dict[str, Any], kind: type, path: KeyPath, report: Report
) -> Iterator[tuple[KeyPath, Any]]:
    types = field_types(kind)
    for name, value in values.items():
        inner = (*path, name)
        if name not in types:
            report.problem(inner, "unknown key", _guess(inner, list(types)))
        elif not is_section(types[name]):
            yield inner, value
        elif isinstance(value, dict):
            yield from _leaves(value, types[name], inner, report)
        elif value is not None:
            report.problem(inner, "a section, so it takes no value of its own")


def _guess(path: KeyPath, siblings: list[str]) -> str:
    """What an unknown key may have meant: a similar name beside it, or the name elsewhere."""
    same = [known for known in config_fields() if known[-1] == path[-1]]
    near = nearest_name(path[-1], siblings)
    if near and not same:
        same = [(*path[:-1], near)]
    if not same:
        name = nearest_name(path[-1], [known[-1] for known in config_fields()])
        same = [known for known in config_fields() if known[-1] == name]
    if same:
        return f"did you mean '{'.'.join(same[0])}'?"
    return f"known here: {', '.join(siblings)}"


def resolve_interpolations(leaves: dict[KeyPath, Any], report: Report) -> dict[KeyPath, Any]:
    """Values for all keys, defaults included, with ``${...}`` replaced by what it refers to."""
    if not _has_interpolation(list(leaves.values())):
        return {path: known.default for path, known in config_fields().items()} | leaves
    from lp_pipeline.config.interpolation import interpolated

    return interpolated(leaves, report)


def _has_interpolation(value: Any) -> bool:
    """Whether OmegaConf would read ``value`` as anything but itself."""
    if isinstance(value, dict):
        return any(_has_interpolation(item) for item in value.values())
    if isinstance(value, list):
        return any(_has_interpolation(item) for item in value)
    return isinstance(value, str) and ("${" in value or value == "???")


def typed_values(resolved: dict[KeyPath, Any], report: Report) -> dict[KeyPath, Any]:
    """The values in the types of the schema; null takes the default where it is no value."""
    typed: dict[KeyPath, Any] = {}
    for path, known in config_fields().items():
        value = resolved[path]
        if value is None and not allows_none(known.annotation):
            value = known.default
        try:
            # defaults and aliases of YAML must not be shared between keys or configs
            typed[path] = copy.deepcopy(cast_value(value, known.annotation))
        except ValueMismatchError as error:
            report.problem((*path, *error.inside), str(error))
            typed[path] = known.default
    return typed


def build_section(kind: type, typed: dict[KeyPath, Any], path: KeyPath = ()) -> Any:
    """The dataclass ``kind``, filled with the typed values below ``path``."""
    return kind(
        **{
            name: build_section(annotation, typed, (*path, name))
            if is_section(annotation)
            else typed[(*path, name)]
            for name, annotation in field_types(kind).items()
        }
    )
