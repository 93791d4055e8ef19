"""The values of a document, and what is wrong with it: collected, then told at once."""

from __future__ import annotations

import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from lp_core.errors import LPError

KeyPath = tuple[str, ...]
"""A key's place in the nested mapping, such as ``("training", "max_epochs")``."""


def key_path(dotted: str) -> KeyPath:
    """The path of a dotted key."""
    return tuple(dotted.split("."))


def section_of(values: Any, path: KeyPath) -> Any:
    """The mapping within nested ``values`` that holds the key at ``path``; None without it."""
    for name in path[:-1]:
        values = values.get(name) if hasattr(values, "get") else None
    return values if hasattr(values, "get") and path[-1] in values else None


@dataclass(frozen=True)
class Problem:
    """One thing that is wrong.

    Attributes:
        where: File and line, or the override.
        message: What is wrong, with the key.
        remedy: What to do about it.
        key: The key at fault; empty where it is none.
    """

    where: str
    message: str
    remedy: str | None = None
    key: KeyPath = ()

    def __str__(self) -> str:
        remedy = f" ({self.remedy})" if self.remedy else ""
        return f"{self.where}: {self.message}{remedy}"


@dataclass
class Report:
    """The values that were given, their places, and what was found about them.

    Attributes:
        path: The file.
        values: Nested mappings; a key that is wrong is left out.
        places: Where each key and list item was given, as ``file:line`` or ``override``; defaults
            are absent.
        written: Where keys were written that have been moved; problems name that place.
        problems: What is wrong.
        notes: Remarks about keys that are accepted, such as why one has no effect.
    """

    path: Path
    values: dict[str, Any] = field(default_factory=dict)
    places: dict[KeyPath, str] = field(default_factory=dict)
    written: dict[KeyPath, KeyPath] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)
    notes: list[Problem] = field(default_factory=list)

    def given(self, dotted: str) -> bool:
        """Whether the file or an override gives this key."""
        return key_path(dotted) in self.places

    def place(self, path: KeyPath) -> str:
        """Where the key, or else the innermost section around it, was given."""
        for length in range(len(path), 0, -1):
            if path[:length] in self.places:
                return self.places[path[:length]]
        return str(self.path)

    def problem(self, key: str | KeyPath, message: str, remedy: str | None = None) -> None:
        """Add a problem of a key; the message need not repeat it."""
        path = key_path(key) if isinstance(key, str) else key
        path = self.written.get(path, path)
        text = f"{'.'.join(path)}: {message}"
        self.problems.append(Problem(self.place(path), text, remedy, path))

    def note(self, dotted: str, text: str) -> None:
        """Add a remark about a key."""
        path = key_path(dotted)
        self.notes.append(Problem(self.place(path), f"{dotted}: {text}", key=path))

    def forget(self, path: KeyPath) -> None:
        """Drop what is known of a key, and of all inside it."""
        depth = len(path)
        self.problems = [item for item in self.problems if item.key[:depth] != path]
        for known in [item for item in self.places if item[:depth] == path]:
            del self.places[known]

    def sound(self, *dotted: str) -> bool:
        """Whether none of these keys, nor anything in them, has a problem so far."""
        paths = [key_path(key) for key in dotted]
        return not any(
            problem.key[: len(path)] == path for problem in self.problems for path in paths
        )

    def line(self, problem: Problem) -> int:
        """The line of a problem in the file; those of overrides and defaults come last."""
        line = problem.where.removeprefix(f"{self.path}:")
        return int(line) if line.isdigit() else sys.maxsize

    def raise_if_any(self, kind: type[LPError], what: str = "config") -> None:
        """Raise all problems at once, as an error of a kind; ``what`` is the document.

        Raises:
            LPError: There is any.
        """
        if not self.problems:
            return
        if len(self.problems) == 1:
            only = self.problems[0]
            raise kind(only.message, where=only.where, remedy=only.remedy)
        ordered = sorted(self.problems, key=self.line)
        lines = "\n".join(f"  {problem}" for problem in ordered)
        raise kind(f"the {what} has {len(self.problems)} problems:\n{lines}")


def set_value(report: Report, path: KeyPath, value: Any, place: str) -> None:
    """Put ``value`` at ``path``, making the sections around it; mappings are merged."""
    section = report.values
    for length, name in enumerate(path[:-1], start=1):
        inner = section.get(name)
        if inner is None:
            inner = section[name] = {}
        if not isinstance(inner, dict):
            outer = ".".join(path[:length])
            report.problems.append(
                Problem(place, f"{'.'.join(path)}: {outer} has no keys inside", None, path)
            )
            return
        section = inner
    merged = isinstance(value, dict) and isinstance(section.get(path[-1]), dict)
    if not merged:
        report.forget(path)
        section[path[-1]] = {} if isinstance(value, dict) else value
    report.places[path] = place
    if isinstance(value, dict):
        for name, item in value.items():
            set_value(report, (*path, str(name)), item, place)
