"""References between the keys of a config: ``${data.num_keypoints}``, as OmegaConf reads them."""

from __future__ import annotations

from typing import Any

from omegaconf import OmegaConf
from omegaconf.errors import MissingMandatoryValue, OmegaConfBaseException

from lp_pipeline.config.fields import config_fields
from lp_pipeline.config.report import KeyPath, Report


def interpolated(leaves: dict[KeyPath, Any], report: Report) -> dict[KeyPath, Any]:
    """Values for all keys, defaults included, with ``${...}`` replaced by what it refers to.

    Args:
        leaves: The keys that are given.
        report: Takes the references that lead nowhere; their keys get their defaults.
    """
    tree = OmegaConf.create({})
    for path, known in config_fields().items():
        _assign(tree, path, known.default)
    for path, value in leaves.items():
        try:
            _assign(tree, path, value)
        except (OmegaConfBaseException, RecursionError) as error:
            report.problem(path, f"not a valid interpolation: {_first_line(error)}")
    return {path: _resolved(tree, path, report) for path in config_fields()}


def _assign(tree: Any, path: KeyPath, value: Any) -> None:
    section = tree
    for name in path[:-1]:
        if name not in section:
            section[name] = {}
        section = section[name]
    section[path[-1]] = value


def _resolved(tree: Any, path: KeyPath, report: Report) -> Any:
    section = tree
    for name in path[:-1]:
        section = section[name]
    try:
        value = section[path[-1]]
        return OmegaConf.to_container(value, resolve=True) if OmegaConf.is_config(value) else value
    except MissingMandatoryValue:
        return None
    except OmegaConfBaseException as error:
        report.problem(path, _first_line(error), f"give {'.'.join(path)}=VALUE on the command line")
    return config_fields()[path].default


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or ["unknown reason"])[0]
