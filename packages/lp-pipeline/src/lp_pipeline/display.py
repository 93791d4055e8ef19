"""What the user sees while work goes on: bars on a terminal, plain lines elsewhere, or nothing.

Work reports to a `lp_core.display.Display`; it never asks what kind it is. Text is shown as it is,
whatever characters it has: nothing in it is markup (`lp_pipeline.printing`).
"""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from lp_core.display import Display, Update
from lp_core.text import printable

if TYPE_CHECKING:
    from rich.console import Console, RenderableType

SECONDS_BETWEEN_LINES = 10.0


class ConsoleDisplay(Display):
    """Live bars with the time left on a terminal, plain lines in a file that stands for it.

    Args:
        console: Where to print.
    """

    def __init__(self, console: Console) -> None:
        self.console = console

    def message(self, text: str) -> None:
        """Print a line."""
        from rich.text import Text

        self.console.print(Text(printable(text, keep="\n\t")), soft_wrap=True)

    def show(self, content: RenderableType) -> None:
        """Print a table."""
        self.console.print(content)

    @contextmanager
    def task(self, description: str, total: int) -> Iterator[Update]:
        """Draw a bar while the block runs, or print a line now and then."""
        if not self.console.is_terminal:
            yield self._lines(description, total)
            return
        from rich import progress as rich

        columns = (
            rich.TextColumn("{task.description}", markup=False),
            rich.BarColumn(bar_width=24),
            rich.MofNCompleteColumn(),
            rich.TimeElapsedColumn(),
            rich.TextColumn("left"),
            rich.TimeRemainingColumn(),
            rich.TextColumn("{task.fields[note]}", style="dim", markup=False),
        )
        with rich.Progress(*columns, console=self.console) as progress:
            number = progress.add_task(printable(description), total=total, note="")

            def update(completed: int, note: str = "") -> None:
                progress.update(number, completed=completed, note=printable(note))

            yield update

    def _lines(self, description: str, total: int) -> Update:
        """Prints a line every few seconds, and at the end."""
        started = last = time.monotonic()

        def update(completed: int, note: str = "") -> None:
            nonlocal last
            now = time.monotonic()
            finished = completed >= total
            if not finished and now - last < SECONDS_BETWEEN_LINES:
                return
            last, elapsed = now, now - started
            left = elapsed / max(completed, 1) * (total - completed)
            times = f"{_clock(elapsed)} elapsed" if finished else f"{_clock(left)} left"
            tail = f"  {note}" if note else ""
            self.message(f"{description} {completed}/{total}  {times}{tail}")

        return update


def terminal_display() -> Display:
    """Bars if the output is a terminal, else plain lines."""
    from rich.console import Console

    return ConsoleDisplay(Console(file=sys.stdout, markup=False, emoji=False, highlight=False))


def _clock(seconds: float) -> str:
    """Seconds as m:ss, or h:mm:ss."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"
