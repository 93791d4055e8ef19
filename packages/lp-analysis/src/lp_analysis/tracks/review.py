"""The decisions that a person should look at: those that were the least certain."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from lp_analysis.errors import TrackingError
from lp_core.poses.csv_text import Row, opened_csv_rows, place_in, write_csv

COLUMNS = ("frame", "view", "individuals", "margin", "reason")


class Doubt(NamedTuple):
    """A decision about identity.

    Attributes:
        frame: Where to look.
        individuals: The names of the tracks that it is about.
        margin: Nats between the best way and the best in which it is decided otherwise: at 3, the
            other way is about 20 times less likely. Never negative.
        reason: What was decided.
        view: The camera; None where there is one.
    """

    frame: int
    individuals: tuple[str, ...]
    margin: float
    reason: str
    view: str | None = None


def least_certain(doubts: Sequence[Doubt], most: int | None = None) -> list[Doubt]:
    """The doubts with the smallest margins first.

    Args:
        doubts: In any order.
        most: How many; None takes all.
    """
    ordered = sorted(doubts, key=lambda doubt: (doubt.margin, doubt.frame, doubt.individuals))
    return ordered[:most]


def read_review(path: Path) -> list[Doubt]:
    """The doubts that `write_review` wrote, in the order of the file.

    Raises:
        TrackingError: It is not such a list.
        PoseError: It cannot be read.
    """
    with opened_csv_rows(path, "review list") as rows:
        header = next(rows, None)
        if header is None or tuple(header.cells) != COLUMNS:
            raise TrackingError(
                "this is not a list of decisions for review", where=path, remedy="litpose track"
            )
        return [_doubt(row, path) for row in rows]


def _doubt(row: Row, path: Path) -> Doubt:
    try:
        frame, view, names, margin, reason = row.cells
        return Doubt(int(frame), tuple(names.split()), float(margin), reason, view or None)
    except ValueError as error:
        raise TrackingError(
            "a row is not one of frame, view, individuals, margin and reason",
            where=place_in(path, row.line),
        ) from error


def write_review(path: Path, doubts: Sequence[Doubt]) -> None:
    """Write ``frame, view, individuals, margin, reason`` as CSV, in the given order.

    Args:
        path: The file, which appears whole or not at all.
        doubts: A row each.

    Raises:
        TrackingError: The file cannot be written.
    """
    rows: list[tuple[object, ...]] = [COLUMNS]
    for doubt in doubts:
        names = " ".join(doubt.individuals)
        rows.append((doubt.frame, doubt.view or "", names, f"{doubt.margin:.2f}", doubt.reason))
    write_csv(path, rows, TrackingError, "the review list")
