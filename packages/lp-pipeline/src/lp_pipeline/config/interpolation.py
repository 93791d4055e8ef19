"""References between the keys of a config: ``${data.num_keypoints}``, as OmegaConf reads them."""

from __future__ import annotations

from typing import Any

from lp_pipeline.config.fields import config_fields
from lp_pipeline.config.report import KeyPath, Report
from lp_pipeline.config.schema import Config


def resolve_interpolations(values: dict[str, Any], report: Report) -> None:
    """Replace ``${...}`` in the nested ``values`` by what it refers to, defaults included.

    Args:
        values: What is given; keys whose references lead nowhere are taken out.
        report: Takes those references.
    """
    if not _has_interpolation(values):
        return
    from omegaconf import OmegaConf
    from omegaconf.errors import OmegaConfBaseException

    tree = OmegaConf.create(Config().model_dump())
    given = [path for path in config_fields() if _section_of(values, path) is not None]
    for path in given:
        try:
            _section_of(tree, path)[path[-1]] = _section_of(values, path)[path[-1]]
        except (OmegaConfBaseException, RecursionError) as error:
            report.problem(path, f"not a valid interpolation: {_first_line(error)}")
    for path in given:
        section = _section_of(values, path)
        try:
            section[path[-1]] = _resolved(_section_of(tree, path), path[-1])
        except OmegaConfBaseException as error:
            remedy = f"give {'.'.join(path)}=VALUE on the command line"
            report.problem(path, _first_line(error), remedy)
            del section[path[-1]]


def _section_of(values: Any, path: KeyPath) -> Any:
    """The mapping that holds the key at ``path``; None where it is not given."""
    for name in path[:-1]:
        values = values.get(name) if hasattr(values, "get") else None
    return values if hasattr(values, "get") and path[-1] in values else None


def _has_interpolation(value: Any) -> bool:
    """Whether OmegaConf would read ``value`` as anything but itself."""
    if isinstance(value, dict):
        return any(_has_interpolation(item) for item in value.values())
    if isinstance(value, list):
        return any(_has_interpolation(item) for item in value)
    return isinstance(value, str) and ("${" in value or value == "???")


def _resolved(section: Any, name: str) -> Any:
    from omegaconf import OmegaConf
    from omegaconf.errors import MissingMandatoryValue

    try:
        value = section[name]
    except MissingMandatoryValue:
        return None
    return OmegaConf.to_container(value, resolve=True) if OmegaConf.is_config(value) else value


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or ["unknown reason"])[0]
