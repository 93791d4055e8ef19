"""Options of plug-ins in a document: sections whose keys the plug-in's dataclass declares."""

from __future__ import annotations

import dataclasses
import typing
from collections.abc import Iterable, Mapping
from typing import Any

from lp_core.errors import LPError, suggestion
from lp_core.options import option_problems, read_options
from lp_io.documents.report import KeyPath, Report
from lp_io.documents.sections import allows_none


def field_types(kind: type) -> dict[str, Any]:
    """The types of a dataclass's fields by name, in their order."""
    hints = typing.get_type_hints(kind)
    return {member.name: hints[member.name] for member in dataclasses.fields(kind)}


def checked_options(
    values: Mapping[str, Any],
    kind: type,
    path: KeyPath,
    report: Report,
    known: Iterable[str] | None = None,
) -> dict[str, Any]:
    """The values at ``path`` without nulls that mean the default; each wrong one is reported.

    Args:
        values: The values by name.
        kind: The dataclass that declares them.
        path: Where they stand.
        report: Takes the problems.
        known: The names that one that is unknown may have meant; None takes those of ``kind``.
    """
    types = field_types(kind)
    for name in [name for name in values if name not in types]:
        remedy = suggestion(name, dict.fromkeys(types if known is None else known))
        report.problem((*path, name), "unknown option", remedy)
    kept = {
        name: value
        for name, value in values.items()
        if name in types and (value is not None or allows_none(types[name]))
    }
    for problem in option_problems(kind, kept):
        if problem.name in kept:
            report.problem((*path, problem.name), problem.message, problem.remedy)
    return kept


def check_together(kind: type, values: dict[str, Any], path: KeyPath, report: Report) -> None:
    """Let the options check themselves, again and again without the one that they complain of."""
    left = dict(values)
    while True:
        try:
            read_options(kind, left, place=".".join(path))
        except LPError as error:
            name = (error.where or "").split(".")[-1]
            report.problem((*path, name) if name in left else path, error.problem, error.remedy)
            if left.pop(name, None) is None:
                return
        else:
            return
