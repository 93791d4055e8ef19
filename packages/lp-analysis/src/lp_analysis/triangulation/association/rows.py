"""The rows of the views of a session, laid out by frame."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int
from numpy import ndarray

from lp_analysis.errors import TriangulationError
from lp_core.poses import PoseTable

NOBODY = -1


class ViewRows(NamedTuple):
    """The R rows with a position of one view, in the order of their frames.

    Attributes:
        row: (R,) their places in the table.
        frame: (R,) frames of the session.
        slot: (R,) their places among the rows of their frame.
        track: (R,) numbers of the tracks of the view; `NOBODY` for rows without one.
        points: (R, K, 2) in frame px, NaN where there is no position.
        confidence: (R, K) from 0 to 1; 0 where there is no position.
        centre: (R, 2) medians of the positions.
    """

    row: Int[ndarray, " rows"]
    frame: Int[ndarray, " rows"]
    slot: Int[ndarray, " rows"]
    track: Int[ndarray, " rows"]
    points: Float[ndarray, "rows keypoints 2"]
    confidence: Float[ndarray, "rows keypoints"]
    centre: Float[ndarray, "rows 2"]

    def __len__(self) -> int:
        """R."""
        return len(self.row)

    def laid_out(
        self, values: Int[ndarray, " rows"], frames: int, slots: int
    ) -> Int[ndarray, "frames slots"]:
        """Values of the rows by frame and slot; `NOBODY` where there is no row."""
        out = np.full((frames, slots), NOBODY)
        out[self.frame, self.slot] = values
        return out


def rows_of(
    table: PoseTable, track: Int[ndarray, " rows"], names: Sequence[str], offset: int
) -> ViewRows:
    """The rows of a table as they are compared.

    Args:
        table: Of one view, with frame numbers, in frame px.
        track: (R,) the tracks of its rows.
        names: The keypoints in the order of all views.
        offset: How many frames later the table has a moment than the session counts it.
    """
    frame = np.array(table.frame, dtype=np.int64) - offset
    known = table.has_position
    rows = np.flatnonzero(known.any(axis=1) & (frame >= 0))
    rows = rows[np.argsort(frame[rows], kind="stable")]
    frame = frame[rows]
    first = np.searchsorted(frame, frame)
    places = np.array(table.skeleton.places(names), dtype=np.int64)
    known = known[rows][:, places]
    points = np.where(known[..., None], table.points[rows][:, places], np.nan).astype(np.float64)
    certain = np.ones(known.shape)
    if table.confidence is not None:
        certain = np.nan_to_num(table.confidence[rows][:, places], nan=1.0).clip(0.0, 1.0)
    return ViewRows(
        rows,
        frame,
        np.arange(len(rows)) - first,
        track[rows],
        points,
        np.where(known, certain, 0.0),
        np.nanmedian(points, axis=1) if len(rows) else np.zeros((0, 2)),
    )


def track_numbers(table: PoseTable) -> Int[ndarray, " rows"]:
    """(R,) numbers of the individuals that a table names; `NOBODY` of rows without a name.

    Raises:
        TriangulationError: An individual has two rows in a frame.
    """
    names = table.individual or (None,) * len(table)
    number = {name: place for place, name in enumerate(sorted({name for name in names if name}))}
    track = np.array([NOBODY if not name else number[name] for name in names], dtype=np.int64)
    frame = np.array(table.frame, dtype=np.int64)
    order = np.lexsort((frame, track))
    same = (np.diff(track[order]) == 0) & (np.diff(frame[order]) == 0) & (track[order[1:]] >= 0)
    if same.any():
        row = int(order[1:][same][0])
        raise TriangulationError(
            f"'{names[row]}' has two rows in frame {table.frame[row]}",
            where=table.place(row),
            remedy="give one of them another name",
        )
    return track


def check_tables(tables: Mapping[str, PoseTable]) -> None:
    """Refuse tables that cannot be compared.

    Raises:
        TriangulationError: There are fewer than two, their keypoints differ, or they are not of
            frames of videos, in frame px.
    """
    if len(tables) < 2:
        raise TriangulationError(f"animals are matched between at least 2 views, got {len(tables)}")
    first, *others = tables
    for view in tables:
        table = tables[view]
        if table.points.shape[-1] != 2 or not all(isinstance(f, int) for f in table.frame):
            raise TriangulationError(
                f"the table of the view '{view}' does not tell positions in frames of a video"
            )
    for view in others:
        odd = set(tables[view].keypoint_names) ^ set(tables[first].keypoint_names)
        if odd:
            raise TriangulationError(
                f"the views '{first}' and '{view}' have different keypoints: "
                f"{', '.join(sorted(odd))}"
            )
