"""What the user sees while work goes on: bars on a terminal, plain lines elsewhere, or nothing.

Work reports to a `Display`; it never asks what kind it is.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Protocol, runtime_checkable

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

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

    @contextmanager
    def task(self, description: str, total: int) -> Iterator[Task]:
        """Show nothing."""
        yield SilentTask()


@dataclass
class _RichTask:
    progress: Progress
    number: int

    def update(self, completed: int, note: str = "") -> None:
        self.progress.update(self.number, completed=completed, note=note)  # type: ignore[arg-type]


class TerminalDisplay:
    """Live bars with the time left, on a terminal.

    Args:
        console: Where to draw.
    """

    def __init__(self, console: Console) -> None:
        self.console = console

    def message(self, text: str) -> None:
        """Print a line."""
        self.console.print(text, highlight=False)

    @contextmanager
    def task(self, description: str, total: int) -> Iterator[Task]:
        """Draw a bar while the block runs."""
        columns = (
            TextColumn("{task.description}"),
            BarColumn(bar_width=24),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TextColumn("left"),
            TimeRemainingColumn(),
            TextColumn("[dim]{task.fields[note]}"),
        )
        with Progress(*columns, console=self.console) as progress:
            yield _RichTask(progress, progress.add_task(description, total=total, note=""))


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
        self.console.print(
            f"{self.description} {completed}/{self.total}  {times}{tail}",
            highlight=False,
            markup=False,
            soft_wrap=True,
        )


class PlainDisplay:
    """Plain lines, where there is no terminal.

    Args:
        console: Where to print.
    """

    def __init__(self, console: Console) -> None:
        self.console = console

    def message(self, text: str) -> None:
        """Print a line."""
        self.console.print(text, highlight=False, soft_wrap=True)

    @contextmanager
    def task(self, description: str, total: int) -> Iterator[Task]:
        """Print a line now and then while the block runs."""
        yield _PlainTask(self.console, description, total)


def terminal_or_plain() -> Display:
    """Bars if the output is a terminal, else plain lines."""
    console = Console(file=sys.stdout)
    return TerminalDisplay(console) if console.is_terminal else PlainDisplay(console)


def _clock(seconds: float) -> str:
    """Seconds as m:ss, or h:mm:ss."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"
