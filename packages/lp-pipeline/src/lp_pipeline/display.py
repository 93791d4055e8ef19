"""What the user sees while work goes on: bars on a terminal, plain lines elsewhere, or nothing.

Work reports to a `Display`; it never asks what kind it is. Text is shown as it is, whatever
characters it has: nothing in it is markup (`lp_pipeline.printing`).
"""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol, runtime_checkable

from lp_core.text import printable

if TYPE_CHECKING:
    from rich.console import Console, RenderableType
    from rich.progress import Progress

SECONDS_BETWEEN_LINES = 10.0


@runtime_checkable
class Task(Protocol):
    """One piece of work with a known size."""

    def update(self, completed: int, note: str = "") -> None:
        """Say how much is done, and optionally how it goes."""
        ...


@runtime_checkable
class Display(Protocol):
    """Where work reports to."""

    def message(self, text: str) -> None:
        """Say something that stays."""
        ...

    def show(self, content: RenderableType) -> None:
        """Show something of rich's that stays, such as a table; its text is `literal`."""
        ...

    @contextmanager
    def task(self, description: str, total: int) -> Iterator[Task]:
        """Show a piece of work while the block runs."""
        ...


class SilentTask:
    """Shows nothing."""

    def update(self, completed: int, note: str = "") -> None:
        """Show nothing."""


class SilentDisplay:
    """Shows nothing; the default in Python."""

    def message(self, text: str) -> None:
        """Show nothing."""

    def show(self, content: RenderableType) -> None:
        """Show nothing."""

    @contextmanager
    def task(self, description: str, total: int) -> Iterator[Task]:
        """Show nothing."""
        yield SilentTask()


class _ConsoleDisplay:
    """What stays on a terminal, or in the file that stands for it.

    Args:
        console: Where to print.
    """

    def __init__(self, console: Console) -> None:
        self.console = console

    def message(self, text: str) -> None:
        """Print a line."""
        _print(self.console, text)

    def show(self, content: RenderableType) -> None:
        """Print a table."""
        self.console.print(content)


@dataclass
class _RichTask:
    progress: Progress
    number: int

    def update(self, completed: int, note: str = "") -> None:
        shown = printable(note)
        self.progress.update(self.number, completed=completed, note=shown)  # type: ignore[arg-type]


class TerminalDisplay(_ConsoleDisplay):
    """Live bars with the time left, on a terminal."""

    @contextmanager
    def task(self, description: str, total: int) -> Iterator[Task]:
        """Draw a bar while the block runs."""
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
            yield _RichTask(progress, number)


@dataclass
class _PlainTask:
    """Prints a line every few seconds, and at the end."""

    console: Console
    description: str
    total: int
    started: float = field(default_factory=time.monotonic)
    last: float = field(default_factory=time.monotonic)

    def update(self, completed: int, note: str = "") -> None:
        now = time.monotonic()
        finished = completed >= self.total
        if not finished and now - self.last < SECONDS_BETWEEN_LINES:
            return
        self.last = now
        elapsed = now - self.started
        left = elapsed / max(completed, 1) * (self.total - completed)
        times = f"{_clock(elapsed)} elapsed" if finished else f"{_clock(left)} left"
        tail = f"  {note}" if note else ""
        line = f"{self.description} {completed}/{self.total}  {times}{tail}"
        _print(self.console, line)


class PlainDisplay(_ConsoleDisplay):
    """Plain lines, where there is no terminal."""

    @contextmanager
    def task(self, description: str, total: int) -> Iterator[Task]:
        """Print a line now and then while the block runs."""
        yield _PlainTask(self.console, description, total)


def terminal_or_plain() -> Display:
    """Bars if the output is a terminal, else plain lines."""
    from rich.console import Console

    console = Console(file=sys.stdout, markup=False, emoji=False, highlight=False)
    return TerminalDisplay(console) if console.is_terminal else PlainDisplay(console)


def _print(console: Console, text: str) -> None:
    from lp_analysis.terminal_tables import literal

    console.print(literal(text), soft_wrap=True)


def _clock(seconds: float) -> str:
    """Seconds as m:ss, or h:mm:ss."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"
