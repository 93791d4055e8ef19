"""Trace animals back in time, from where they appear to where they were lost.

An animal that comes out of a contact is often seen frames before a first look finds it again: a
second look that is told its pose of the frame *after* finds it. What is traced fills gaps, so that
little is left for `lp_analysis.tracks.offline` to join by motion alone.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Bool, Int
from numpy import ndarray

from lp_analysis.tracks.following import (
    Asked,
    Confidences,
    FollowingOptions,
    apart,
    believed,
    moved_on,
    shown,
    sure_points,
    uncontested,
)
from lp_analysis.tracks.linked_rows import NO_LINK, FrameRows
from lp_core.poses import PoseTable, confidence_of

LookAt = Callable[[int, Asked], tuple[Asked, Confidences]]
"""Looks again at a frame, whose number is given; else as `lp_analysis.tracks.following.Look`."""


def trace_back(
    table: PoseTable, link: Int[ndarray, " rows"], look: LookAt, options: FollowingOptions
) -> tuple[PoseTable, Int[ndarray, " traced"]]:
    """The rows with those of animals that were missed before they were found again.

    Args:
        table: In the order of the frames, with scores; rows without a position fill frames in
            which nothing is seen.
        link: (R,) for each row the row that it goes on from, in an earlier frame, or `NO_LINK`.
        look: Looks again at a frame. It is called from the last frame to the first.
        options: What is believed.

    Returns:
        The rows and the links, with rows added.
    """
    rows = _Rows.of_table(table, link)
    frame = np.array(table.frame, dtype=np.int64)
    starts = np.searchsorted(frame, np.arange(frame[-1] + 2)) if len(frame) else np.zeros(1, int)
    traced: list[int] = []  # rows of the frame after, which are to be found in this one
    for number in reversed(range(len(starts) - 1)):
        here = np.arange(starts[number], starts[number + 1])
        here = here[rows.known[here]]
        after = traced
        traced = _gaps(rows, here, number)
        if after:
            traced += _trace(rows, after, here, number, look, options)
    return rows.ordered(table)


@dataclass
class _Rows:
    """All rows, first those of the table and then those that are added.

    Attributes:
        frame: The frame of each row.
        parent: The row that each goes on from.
        child: The row that goes on from each, the last one.
        known: Whether each row of the table has a position.
        found: The rows.
    """

    frame: list[int]
    parent: list[int]
    child: dict[int, int]
    known: Bool[ndarray, " rows"]
    found: FrameRows

    @classmethod
    def of_table(cls, table: PoseTable, link: Int[ndarray, " rows"]) -> _Rows:
        assert table.score is not None
        found = FrameRows.found(table.points, confidence_of(table), table.score)
        child = {int(parent): row for row, parent in enumerate(link) if parent >= 0}
        known = np.asarray(table.has_position.any(axis=1))
        return cls(list(map(int, table.frame)), link.tolist(), child, known, found)

    def add(self, row: FrameRows, frame: int, child: int) -> int:
        """Add a row that is the same animal as a later one."""
        place = len(self.frame)
        self.found = self.found.joined(row)
        self.frame.append(frame)
        self.parent.append(self.parent[child])
        self.join(child, place)
        return place

    def join(self, child: int, parent: int) -> None:
        """Let a row go on from another."""
        self.parent[child], self.child[parent] = parent, child

    def ordered(self, table: PoseTable) -> tuple[PoseTable, Int[ndarray, " traced"]]:
        """The table and the links, in the order of the frames."""
        added = np.array(self.frame[len(table) :], dtype=np.int64)
        filled = ~self.known & np.isin(np.array(table.frame), added)
        kept = np.concatenate([np.flatnonzero(~filled), len(table) + np.arange(len(added))])
        frame = np.array(self.frame, dtype=np.int64)
        kept = kept[np.argsort(frame[kept], kind="stable")]
        place = np.full(len(frame), NO_LINK)
        place[kept] = np.arange(len(kept))
        parent = np.array(self.parent, dtype=np.int64)[kept]
        link = np.where(parent >= 0, place[parent], NO_LINK)
        rows = self.found.chosen(kept)
        traced = PoseTable(
            table.skeleton,
            rows.points,
            tuple(frame[kept].tolist()),
            individual=None if table.individual is None else (None,) * len(kept),
            score=rows.score,
            confidence=rows.confidence,
            scorer=table.scorer,
        )
        return traced, link


def _gaps(rows: _Rows, here: Int[ndarray, " some"], number: int) -> list[int]:
    """The rows of a frame that go on from none of the frame before."""
    parents = [(row, rows.parent[row]) for row in here.tolist()]
    return [row for row, parent in parents if parent == NO_LINK or rows.frame[parent] < number - 1]


def _trace(
    rows: _Rows,
    after: list[int],
    here: Int[ndarray, " some"],
    number: int,
    look: LookAt,
    options: FollowingOptions,
) -> list[int]:
    """Look in a frame for rows of the frame after; those that are added are to be traced on."""
    moved = _expected(rows, after, options)
    expected = sure_points(moved, options)
    asked = np.flatnonzero(np.isfinite(expected).all(axis=2).any(axis=1))
    if not len(asked):
        return []
    points, confidence = look(number, uncontested(expected, moved.confidence, options)[asked])
    support = options.unseen * moved.support[asked]
    again = replace(
        FrameRows.found(points, confidence, support * confidence.mean(axis=1)), link=asked
    )
    there = rows.found.chosen(here)
    surer = replace(options, least_confidence=options.traced_confidence)
    kept = believed(again, there, apart(points, expected[asked], options), surer)
    added = [
        rows.add(again.chosen(np.array([place])).as_in_files(), number, after[int(asked[place])])
        for place in kept.tolist()
    ]
    for place in np.setdiff1d(np.arange(len(asked)), kept).tolist():
        row, answer = after[int(asked[place])], again.chosen(np.array([place]))
        _join_same(rows, row, answer, here, options)
    return added


def _expected(rows: _Rows, after: list[int], options: FollowingOptions) -> FrameRows:
    """Where rows of the frame after should be in this one, by their motion from the one after."""
    children = [rows.child.get(row, NO_LINK) for row in after]
    next_to = [
        child if child >= 0 and rows.frame[child] == rows.frame[row] + 1 else NO_LINK
        for row, child in zip(after, children, strict=True)
    ]
    later = [child for child in next_to if child >= 0]
    place = {child: number for number, child in enumerate(later)}
    link = np.array([place.get(child, NO_LINK) for child in next_to], dtype=np.int64)
    before = replace(rows.found.chosen(np.array(after)), link=link)
    return moved_on(before, rows.found.chosen(np.array(later, dtype=np.int64)), options)


def _join_same(
    rows: _Rows,
    row: int,
    answer: FrameRows,
    here: Int[ndarray, " some"],
    options: FollowingOptions,
) -> None:
    """Let a row go on from one of the frame before that ends there and has the same pose."""
    ends = [place for place in here.tolist() if place not in rows.child]
    if rows.parent[row] != NO_LINK or not ends:
        return
    same = [shown(answer, rows.found.chosen(np.array([place])), options)[0] for place in ends]
    if max(same) >= options.shared:
        rows.join(row, ends[int(np.argmax(same))])
