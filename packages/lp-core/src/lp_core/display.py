"""Where work reports to while it goes on, such as to a terminal; by default nowhere."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

Update = Callable[..., None]
"""Call it with how much of a piece of work is done and, optionally, a note on how it goes."""


class Display:
    """Where work reports to; this one shows nothing, which is the default in Python."""

    def message(self, text: str) -> None:
        """Say something that stays."""

    def show(self, content: Any) -> None:
        """Show something of rich's that stays, such as a table; its text is `literal`."""

    @contextmanager
    def task(self, description: str, total: int) -> Iterator[Update]:
        """Show a piece of work with a known size while the block runs."""
        yield lambda completed, note="": None


SILENT = Display()
