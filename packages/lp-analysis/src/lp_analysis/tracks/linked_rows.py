"""The rows of frames, and how they go on from one another."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Int
from numpy import ndarray

from lp_core.poses import PoseTable, concatenate, confidence_of

NO_LINK = -1
"""The link of a row that is not known to go on from a row of the frame before."""


@dataclass(frozen=True, eq=False)
class FrameRows:
    """The N rows of a frame.

    Attributes:
        points: (N, K, 2) frame px.
        confidence: (N, K) from 0 to 1.
        score: (N,) how sure it is that there is an animal, times the mean confidence.
        link: (N,) the place of the same animal among the rows of the frame before, or `NO_LINK`.
        seen: (N,) False where an animal was not found, and is taken to have gone on as it moved.
    """

    points: Float[ndarray, "rows keypoints 2"]
    confidence: Float[ndarray, "rows keypoints"]
    score: Float[ndarray, " rows"]
    link: Int[ndarray, " rows"]
    seen: Bool[ndarray, " rows"]

    def __len__(self) -> int:
        """N."""
        return len(self.points)

    def __iter__(self) -> Iterator[ndarray]:
        """The arrays, in the order of the attributes."""
        return iter((self.points, self.confidence, self.score, self.link, self.seen))

    @classmethod
    def found(
        cls,
        points: Float[ndarray, "rows keypoints 2"],
        confidence: Float[ndarray, "rows keypoints"],
        score: Float[ndarray, " rows"],
    ) -> FrameRows:
        """Rows without links."""
        link, seen = np.full(len(points), NO_LINK, np.int64), np.ones(len(points), bool)
        return cls(points, confidence, score, link, seen)

    @classmethod
    def none(cls, keypoints: int) -> FrameRows:
        """The rows of a frame without any animal, or before the first one."""
        return cls.found(np.empty((0, keypoints, 2)), np.empty((0, keypoints)), np.empty(0))

    def chosen(self, places: Int[ndarray, " some"]) -> FrameRows:
        """Some of the rows."""
        return FrameRows(*(value[places] for value in self))

    def joined(self, others: FrameRows) -> FrameRows:
        """These rows, then others."""
        return FrameRows(*(np.concatenate(both) for both in zip(self, others, strict=True)))

    def as_in_files(self) -> FrameRows:
        """Rounded as files keep them, so that going on from a file makes no difference."""
        points, confidence, score = (
            value.astype(np.float32).astype(np.float64)
            for value in (self.points, self.confidence, self.score)
        )
        return replace(self, points=points, confidence=confidence, score=score)

    @property
    def support(self) -> Float[ndarray, " rows"]:
        """How sure it is that there is an animal, without what the keypoints say."""
        return self.score / np.maximum(self.confidence.mean(axis=1), 1e-6)


class LinkedRows(NamedTuple):
    """Rows of consecutive frames, and how they go on from one another.

    Attributes:
        table: In the order of the frames.
        link: (R,) the place of the same animal among the rows of the frame before, or `NO_LINK`.
        seen: (R,) False where an animal was not found, and is taken to have gone on as it moved.
    """

    table: PoseTable
    link: Int[ndarray, " rows"]
    seen: Bool[ndarray, " rows"]

    @classmethod
    def unlinked(cls, table: PoseTable) -> LinkedRows:
        """Rows of which nothing is known but where they are."""
        return cls(table, np.full(len(table), NO_LINK, np.int64), np.ones(len(table), bool))

    @classmethod
    def joined(cls, parts: Sequence[LinkedRows]) -> LinkedRows:
        """The rows of consecutive frames, in one table."""
        table = concatenate([part.table for part in parts])
        return cls(
            table,
            np.concatenate([part.link for part in parts]),
            np.concatenate([part.seen for part in parts]),
        )

    def found(self, *, every_frame: bool = False) -> tuple[PoseTable, Int[ndarray, " found"]]:
        """The rows that were seen, and the row among them that each goes on from, or `NO_LINK`.

        That is a row of an earlier frame if the animal was not seen in the frame before.

        Args:
            every_frame: Whether a frame of which no row was seen keeps one, without a position.
        """
        frame = np.array(self.table.frame, dtype=np.int64)
        first = np.searchsorted(frame, frame - 1)
        parent = np.where(self.link >= 0, first + self.link, NO_LINK)
        hidden = (parent >= 0) & ~self.seen[parent]
        while hidden.any():
            parent = np.where(hidden, parent[parent], parent)
            hidden = (parent >= 0) & ~self.seen[parent]
        shown = self.seen.copy()
        if every_frame:
            others = np.unique(frame[self.seen])
            shown[np.flatnonzero(_first_of_each(frame) & ~np.isin(frame, others))] = True
        kept = np.flatnonzero(shown)
        place = np.cumsum(shown) - 1
        linked = np.where(parent[kept] >= 0, place[parent[kept]], NO_LINK)
        return _blank(self.table, ~self.seen).rows(kept), linked

    def of_frame(self, frame: int) -> FrameRows:
        """The rows of one frame, without those that have no position."""
        here = np.array(self.table.frame, dtype=np.int64) == frame
        places = np.flatnonzero(here & self.table.has_position.any(axis=1))
        score = self.table.score
        assert score is not None
        confidence = confidence_of(self.table)
        rows = FrameRows(self.table.points, confidence, score, self.link, self.seen)
        return rows.chosen(places)


def _first_of_each(frame: Int[ndarray, " rows"]) -> Bool[ndarray, " rows"]:
    """Whether a row is the first one of its frame."""
    return np.diff(frame, prepend=-1) > 0


def _blank(table: PoseTable, rows: Bool[ndarray, " rows"]) -> PoseTable:
    """A table some of whose rows have no position."""
    assert table.score is not None
    return replace(
        table,
        points=np.where(rows[:, None, None], np.nan, table.points),
        confidence=np.where(rows[:, None], np.nan, confidence_of(table)),
        score=np.where(rows, np.nan, table.score),
    )
