"""Read a config file and overrides into the typed schema, checked."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from lp_pipeline.config.assembly import (
    build_section,
    gather_model_options,
    given_leaves,
    resolve_interpolations,
    typed_values,
)
from lp_pipeline.config.document import Document, dump_value, read_document
from lp_pipeline.config.fields import config_fields
from lp_pipeline.config.ignored import drop_ignored
from lp_pipeline.config.overrides import ORIGIN, apply_override
from lp_pipeline.config.report import Report
from lp_pipeline.config.schema import Config


@dataclass
class LoadedConfig:
    """A config, and where each of its values comes from.

    Attributes:
        config: The values, interpolations resolved.
        path: The file.
        origins: By dotted key ``"default"``, ``"file:line"`` or ``"override"``; of keys with a
            mapping for a value, such as ``losses``, also those inside.
        notes: One sentence for each key that is ignored, with the reason.
    """

    config: Config
    path: Path
    origins: dict[str, str]
    notes: list[str]

    def save(self, path: Path) -> None:
        """Write the resolved config as YAML; `load_config` reads it back as the same.

        Args:
            path: The file; it appears whole or not at all.
        """
        save_config(self.config, path)


def save_config(config: Config, path: Path) -> None:
    """Write ``config`` as YAML that `load_config` reads back as the same.

    Args:
        config: The config.
        path: The file; it appears whole or not at all.
    """
    from lp_data.atomic import written_beside

    # a literal ${ must not become an interpolation when it is read back
    text = dump_value(asdict(config)).replace("${", "\\${")
    with written_beside(path) as beside:
        beside.write_text(text, encoding="utf-8")


def load_config(
    path: Path, overrides: Sequence[str] = (), *, check_paths: bool = False
) -> LoadedConfig:
    """Read, complete and check a config.

    Args:
        path: A YAML file with the keys of `lp_pipeline.config.schema`.
        overrides: Each ``key=value``, with a dotted key and a value in YAML; later ones win.
        check_paths: Also check that the project's folder, label files and videos exist.

    Raises:
        ConfigError: Anything is wrong; the message tells all problems, each with its place.
    """
    document = read_document(path)
    for text in overrides:
        apply_override(document, text)
    report = Report(path, document.places, document.problems)
    config = _assemble(document, report)
    report.raise_if_any()
    return LoadedConfig(config, path, _origins(report), report.notes)


def _assemble(document: Document, report: Report) -> Config:
    drop_ignored(document.values, report)
    gather_model_options(document.values, report)
    leaves = given_leaves(document.values, report)
    typed = typed_values(resolve_interpolations(leaves, report), report)
    config: Config = build_section(Config, typed)
    return config


def _origins(report: Report) -> dict[str, str]:
    """Where each value comes from, by dotted key."""
    origins = {".".join(path): "default" for path in config_fields()}
    for path, place in report.places.items():
        if any(path[:length] in config_fields() for length in range(1, len(path) + 1)):
            origins[".".join(path)] = ORIGIN if place.startswith(ORIGIN) else place
    return origins
