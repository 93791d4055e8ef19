"""What commands do first: settings of the process, the config to train by, checks of paths."""

from __future__ import annotations

import logging
import os
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from lp_core.allocator import keep_large_buffers
from lp_core.text import printable
from lp_pipeline.errors import ConfigError
from lp_pipeline.printing import say

if TYPE_CHECKING:
    from lp_pipeline.config.load import LoadedConfig

_OURS = (
    "lp_core",
    "lp_models",
    "lp_data",
    "lp_io",
    "lp_analysis",
    "lp_synthetic",
    "lp_pipeline",
    "lp_app",
)
_LOGGERS = ("pytorch_lightning", "lightning_fabric", "timm")
_MODULES = r"(pytorch_lightning|lightning_fabric|torch|timm)\b"


def start_session() -> None:
    """Tune memory for large buffers, show what lp logs, and quieten libraries."""
    keep_large_buffers()
    show_messages()
    quieten_libraries()
    warnings.formatwarning = _plain_warning


class ShowOnce(logging.Handler):
    """Prints each message once, and only those of the process that made this handler.

    Worker processes open the same videos and would say the same.
    """

    def __init__(self) -> None:
        super().__init__(logging.INFO)
        self.process = os.getpid()
        self.shown: set[str] = set()

    def emit(self, record: logging.LogRecord) -> None:
        """Print a note to what is standard output at that moment, a warning to standard error."""
        text = record.getMessage()
        if os.getpid() != self.process or text in self.shown:
            return
        self.shown.add(text)
        is_note = record.levelno < logging.WARNING
        say(f"{'note' if is_note else record.levelname.lower()}: {text}", error=not is_note)


def show_messages() -> None:
    """Show what lp logs from now on; a second call changes nothing."""
    for package in _OURS:
        logger = logging.getLogger(package)
        if not any(isinstance(handler, ShowOnce) for handler in logger.handlers):
            logger.addHandler(ShowOnce())
            logger.setLevel(logging.INFO)


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
    """A config with its paths checked."""
    from lp_pipeline.config.load import load_config

    try:
        return load_config(path, overrides, check_paths=True)
    except ConfigError as error:
        error.remedy = _conversion_hint(path, overrides) or error.remedy
        raise


def _conversion_hint(path: Path, overrides: Sequence[str]) -> str | None:
    """How to convert the config's own project, or the one that it names."""
    from lp_io.projects.detection import conversion_hint
    from lp_pipeline.config.load import load_config

    if (hint := conversion_hint(path)) is not None:
        return hint
    try:
        named = load_config(path, overrides).config.data.data_dir
    except ConfigError:
        return None
    return conversion_hint(Path(named)) if named is not None else None
