"""Follow the individuals of a whole table, and name its rows by their tracks."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
from jaxtyping import Float, Int
from numpy import ndarray

from lp_analysis.errors import TrackingError
from lp_analysis.tracks.detections import body_sizes
from lp_analysis.tracks.online import UNTRACKED, Decisions, OnlineTracker
from lp_analysis.tracks.options import TrackingOptions
from lp_core.poses import PoseTable

FrameRows = tuple[int, Int[ndarray, " _some"]]
"""A frame's number and the places of its rows."""


def track_online(
    table: PoseTable,
    options: TrackingOptions | None = None,
    appearance: Float[ndarray, "rows features"] | None = None,
    link: Int[ndarray, " rows"] | None = None,
) -> Decisions:
    """Follow the individuals of a table frame by frame, as `OnlineTracker` does.

    Each view is followed by itself: a track is of one camera. The individuals that the table names
    are not looked at.

    Args:
        table: Rows of a video in any order, in frame px.
        options: About the animals and their motion.
        appearance: What the rows look like; see `OnlineTracker.step`.
        link: (R,) for each row the row of an earlier frame that probably shows the same animal;
            negative where that is not known.

    Returns:
        The track and the margin of each row.

    Raises:
        TrackingError: The rows have no frame numbers, are not in frame px, or do not tell how large
            a body is.
    """
    check_trackable(table)
    check_sized(table, options)
    decisions = Decisions(np.full(len(table), UNTRACKED), np.full(len(table), np.nan))
    score, begun = row_scores(table), 0
    for rows in view_rows(table):
        tracker = OnlineTracker(table.num_keypoints, skeleton_edges(table), options)
        own = np.full(len(table), UNTRACKED)
        for chosen in stepped(table, rows, tracker.options.forget_after):
            found = tracker.step(
                table.points[chosen],
                None if table.confidence is None else table.confidence[chosen],
                None if score is None else score[chosen],
                None if appearance is None else appearance[chosen],
                None if link is None else _followed(own, link[chosen]),
            )
            own[chosen] = found.track
            decisions.track[chosen] = np.where(found.track < 0, UNTRACKED, found.track + begun)
            decisions.margin[chosen] = found.margin
        begun += tracker.tracks
    return decisions


def _followed(track: Int[ndarray, " rows"], link: Int[ndarray, " some"]) -> Int[ndarray, " some"]:
    """The tracks of the linked rows."""
    return np.where(link >= 0, track[link], UNTRACKED)


def with_tracks(table: PoseTable, track: Int[ndarray, " rows"]) -> PoseTable:
    """The table with tracks as individuals, ``track_0`` and so on; no row is left out.

    Args:
        table: R rows.
        track: (R,) numbers of tracks; `UNTRACKED` where a row belongs to none.
    """
    names = tuple(None if number < 0 else track_name(number) for number in track.tolist())
    return replace(table, individual=names)


def track_name(number: int) -> str:
    """What a track is called."""
    return f"track_{number}"


def check_trackable(table: PoseTable) -> None:
    """Refuse a table whose rows have no order in time, or are not in frame px.

    Raises:
        TrackingError: It is such a table.
    """
    if table.points.shape[-1] != 2:
        raise TrackingError(
            "the positions are in three dimensions, and tracks are of one camera",
            remedy="track the table of each camera",
        )
    if not all(isinstance(frame, int) for frame in table.frame):
        other = next(frame for frame in table.frame if not isinstance(frame, int))
        raise TrackingError(
            f"'{other}' is an image, not the number of a frame: the rows have no order in time",
            remedy="give the predictions of a video, whose first column counts its frames from 0",
        )


def check_sized(table: PoseTable, options: TrackingOptions | None) -> None:
    """Refuse a table that does not tell how large a body is.

    Raises:
        TrackingError: No row has enough keypoints, and the options do not tell it either.
    """
    sized = options is not None and options.body_size is not None
    if not sized and table.has_position.any() and usual_size(table) is None:
        raise TrackingError(
            "no row has enough keypoints to tell how large a body is",
            remedy="give its size in px: --body-size, or TrackingOptions(body_size=...)",
        )


def sized(options: TrackingOptions, table: PoseTable, body_length: float | None) -> TrackingOptions:
    """The options with the size of a body, in px, where neither they nor the table tell one."""
    if options.body_size is not None or usual_size(table) is not None:
        return options
    return replace(options, body_size=body_length)


def usual_size(table: PoseTable) -> float | None:
    """The median size of the bodies, px; None where no row tells one."""
    points = np.asarray(table.points, np.float64).transpose(0, 2, 1)
    sizes = body_sizes(points, table.has_position)
    known = sizes[~np.isnan(sizes)]
    return float(np.median(known)) if len(known) else None


def view_rows(table: PoseTable) -> list[Int[ndarray, " _some"]]:
    """The places of the rows of each view."""
    if table.view is None:
        return [np.arange(len(table))]
    names = list(dict.fromkeys(table.view))
    number = np.array([names.index(view) for view in table.view], dtype=np.int64)
    return [np.flatnonzero(number == place) for place in range(len(names))]


def frame_rows(table: PoseTable, rows: Int[ndarray, " some"]) -> Iterator[FrameRows]:
    """Each frame with its rows, in the order of time; frames without rows are left out."""
    frame = np.array(table.frame, dtype=np.int64)[rows]
    order = np.argsort(frame, kind="stable")
    numbers, starts = np.unique(frame[order], return_index=True)
    yield from zip(numbers.tolist(), np.split(rows[order], starts[1:]), strict=True)


def stepped(
    table: PoseTable, rows: Int[ndarray, " some"], patience: int
) -> Iterator[Int[ndarray, " _some"]]:
    """The rows of each frame, with those frames between that have none.

    Args:
        table: The rows.
        rows: Which of them.
        patience: The most frames without rows that are stepped over; more make no difference.
    """
    before = None
    for number, chosen in frame_rows(table, rows) if len(rows) else ():
        if before is not None:
            for _ in range(min(number - before - 1, patience + 1)):
                yield np.zeros(0, np.int64)
        before = number
        yield chosen


def skeleton_edges(table: PoseTable) -> Int[ndarray, "edges 2"] | None:
    """The edges of the skeleton by the places of their keypoints; None where it states none."""
    edges = table.skeleton.edges
    if not edges:
        return None
    return np.array([table.skeleton.places(edge) for edge in edges], dtype=np.int64)


def row_scores(table: PoseTable) -> Float[ndarray, " rows"] | None:
    """(R,) scores from 0 to 1; scores beyond 1, such as SLEAP's sums, are scaled to it.

    Returns:
        None where the table states none.
    """
    if table.score is None:
        return None
    known = table.score[np.isfinite(table.score)]
    most = float(np.quantile(known, 0.95)) if len(known) else 1.0
    scaled = table.score / max(most, 1.0)
    return np.where(np.isfinite(scaled), np.clip(scaled, 0.0, 1.0), np.nan)


def surest_rows(table: PoseTable, most: int) -> Int[ndarray, " kept"]:
    """At most so many rows of each frame and view: named ones first, then those of the best score.

    Rows beyond the known number of animals are false positives.
    """
    named = np.array([name is not None for name in table.individual or ()], dtype=bool)
    score = np.zeros(len(table)) if table.score is None else np.nan_to_num(table.score, nan=-1)
    frames = {moment: number for number, moment in enumerate(dict.fromkeys(_moments(table)))}
    frame = np.array([frames[moment] for moment in _moments(table)], dtype=np.int64)
    order = np.lexsort([-score, ~named, frame])
    first = np.searchsorted(frame[order], frame[order])
    kept: Int[ndarray, " kept"] = np.sort(order[np.arange(len(order)) - first < most])
    return kept


def _moments(table: PoseTable) -> list[tuple[object, object]]:
    """The frame and the view of each row."""
    views = table.view or (None,) * len(table)
    return list(zip(table.frame, views, strict=True))
