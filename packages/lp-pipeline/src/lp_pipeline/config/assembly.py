"""What happens to the values of a config before they are validated."""

from __future__ import annotations

from typing import Any

from lp_io.documents.report import Report, section_of
from lp_io.documents.sections import keys_of
from lp_pipeline.config.schema import Config, ModelConfig


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
    given = [path for path in keys_of(Config) if section_of(values, path) is not None]
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
        report.written[(*OPTIONS, name)] = ("model", name)
        if isinstance(options, dict) and name in options:
            report.problem(("model", name), "also given in model.options", "keep one of the two")
        model["options"] = options = {**(options or {}), name: value}
