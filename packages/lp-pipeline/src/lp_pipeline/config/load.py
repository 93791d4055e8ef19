"""Read a config file and overrides into the typed schema, checked."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from operator import attrgetter
from pathlib import Path
from typing import Any

from lp_io.documents.report import KeyPath, Report
from lp_io.documents.sections import holds_text, keys_of
from lp_io.documents.validation import validated
from lp_io.documents.yaml_documents import (
    ORIGIN,
    DocumentReader,
    dump_value,
    dump_with_origins,
    escaped,
)
from lp_pipeline.config import paths
from lp_pipeline.config.assembly import gather_model_options, resolve_interpolations
from lp_pipeline.config.checks import check_values
from lp_pipeline.config.completion import complete
from lp_pipeline.config.ignored import drop_ignored
from lp_pipeline.config.plugins import check_plugins
from lp_pipeline.config.schema import Config
from lp_pipeline.errors import ConfigError

DEFAULT = "default"
READER = DocumentReader(ConfigError, "config", "default.yaml", partial(holds_text, Config))


@dataclass
class LoadedConfig:
    """A config, and where each of its values comes from.

    Attributes:
        config: The values, interpolations resolved.
        origins: By dotted key ``"default"``, ``"file:line"`` or ``"override"``; of keys with a
            mapping for a value, such as ``losses``, also those inside.
        notes: Remarks about keys, each with its place: above all those that are ignored, with the
            reason.
    """

    config: Config
    origins: dict[str, str]
    notes: list[str]


def save_config(config: Config, path: Path) -> None:
    """Write ``config`` as YAML that `load_config` reads back, whole or not at all."""
    from lp_core.atomic import atomic_text

    text = dump_value(escaped(config.model_dump()))
    with atomic_text(path) as file:
        file.write(text)


def load_config(
    path: Path,
    overrides: Sequence[str] = (),
    *,
    check_paths: bool = False,
    check_weights: bool = True,
) -> LoadedConfig:
    """Read, complete and check a config.

    Args:
        path: A YAML file with the keys of `lp_pipeline.config.schema`.
        overrides: Each ``key=value``, with a dotted key and a value in YAML; later ones win.
        check_paths: Also check that the project's folder, label files, videos and weights exist.
        check_weights: Whether the weights to start from count among them.

    Raises:
        ConfigError: Anything is wrong; the message tells all problems, each with its place.
    """
    report = READER.read(path)
    for text in overrides:
        READER.apply_override(report, text)
    drop_ignored(report)
    gather_model_options(report)
    resolve_interpolations(report)
    config = validated(Config, report)
    complete(config, report)
    check_values(config, report)
    check_plugins(config, report)
    _note_hardware(config, report)
    if check_paths:
        paths.check_paths(config, report)
        if check_weights:
            paths.check_weights(config, report)
    report.raise_if_any(ConfigError)
    notes = [str(note) for note in sorted(report.notes, key=report.line)]
    return LoadedConfig(config, _origins(config, report), notes)


def _note_hardware(config: Config, report: Report) -> None:
    """Say which keys about hardware mean little on this machine."""
    if report.given("dali"):
        report.note("dali", "its clip lengths and seed hold for every video reader")
    training = config.training
    if not report.given("training.num_gpus") or training.num_gpus == 0:
        return
    if training.devices != "auto":
        report.note("training.num_gpus", "without effect, as training.devices says which to use")
        return
    from torch import cuda

    found = cuda.device_count()
    if found == 0:
        report.note("training.num_gpus", "without effect: there is no CUDA device on this machine")
    elif training.num_gpus > found and training.accelerator in ("auto", "gpu"):
        report.note("training.num_gpus", f"this machine has {found} CUDA devices: all are used")


def _origins(config: Config, report: Report) -> dict[str, str]:
    origins: dict[str, str] = {}
    for path in keys_of(Config):
        _add_origin(path, attrgetter(".".join(path))(config), DEFAULT, report, origins)
    return origins


def _add_origin(
    path: KeyPath, value: Any, around: str, report: Report, origins: dict[str, str]
) -> None:
    """Add where a key's value, and those inside it, come from: like ``around`` unless told."""
    place = report.places.get(path, around)
    origins[".".join(path)] = ORIGIN if place.startswith(f"{ORIGIN} ") else place
    if isinstance(value, dict):
        for name, item in value.items():
            _add_origin((*path, str(name)), item, place, report, origins)


def show_config(loaded: LoadedConfig) -> str:
    """The resolved config as YAML that reads back, with the origin of each value as a comment."""
    return dump_with_origins(loaded.config.model_dump(), loaded.origins)
