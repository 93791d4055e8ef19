"""What lp itself logs, shown to whoever runs a command."""

from __future__ import annotations

import logging
import os

from lp_pipeline.printing import say

PACKAGES = (
    "lp_core",
    "lp_models",
    "lp_data",
    "lp_io",
    "lp_analysis",
    "lp_synthetic",
    "lp_pipeline",
)


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
    for package in PACKAGES:
        logger = logging.getLogger(package)
        if not any(isinstance(handler, ShowOnce) for handler in logger.handlers):
            logger.addHandler(ShowOnce())
            logger.setLevel(logging.INFO)
