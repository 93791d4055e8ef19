"""What commands that compute do first: settings of the process, and the config to train by."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from lp_core.text import printable
from lp_pipeline.allocator import keep_large_buffers
from lp_pipeline.cli.messages import show_messages
from lp_pipeline.errors import ConfigError

if TYPE_CHECKING:
    from lp_pipeline.config.load import LoadedConfig

_LOGGERS = ("pytorch_lightning", "lightning_fabric", "timm")
_MODULES = r"(pytorch_lightning|lightning_fabric|torch|timm)\b"


def start_session() -> None:
    """Tune memory for large buffers, show what lp logs, and quieten libraries."""
    keep_large_buffers()
    show_messages()
    quieten_libraries()
    warnings.formatwarning = _plain_warning


def _plain_warning(message: Warning | str, *place: object, **more: object) -> str:
    shown = printable(str(message), keep="\n")
    return f"warning: {shown}\n"


def quieten_libraries() -> None:
    """Keep from the terminal what libraries say about themselves; errors remain.

    Lightning sets its loggers' level when it is imported, so call this again after that.
    """
    warnings.filterwarnings("ignore", module=_MODULES)
    for name in _LOGGERS:
        logging.getLogger(name).setLevel(logging.ERROR)


def load_for_training(path: Path, overrides: Sequence[str]) -> LoadedConfig:
    """A config with its paths checked.

    Raises:
        ConfigError: It cannot be used. Where the config or its project is another tool's, the
            message says how to convert it.
    """
    from lp_pipeline.config.load import load_config

    try:
        return load_config(path, overrides, check_paths=True)
    except ConfigError as error:
        hint = _conversion_hint(path, overrides)
        if hint is None:
            raise
        raise ConfigError(error.problem, where=error.where, remedy=hint) from error


def _conversion_hint(path: Path, overrides: Sequence[str]) -> str | None:
    """How to convert the config's own project, or the one that it names."""
    from lp_io.projects.hints import conversion_hint
    from lp_pipeline.config.load import load_config

    hint = conversion_hint(path)
    if hint is not None:
        return hint
    try:
        named = load_config(path, overrides).config.data.data_dir
    except ConfigError:
        return None
    return conversion_hint(Path(named)) if named is not None else None
