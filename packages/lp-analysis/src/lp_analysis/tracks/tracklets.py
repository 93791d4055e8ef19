"""Tracks cut into tracklets where a decision was uncertain."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Int
from numpy import ndarray

from lp_analysis.tracks.detections import masked_median

_APART = 3  # frames between uncertain decisions that are cut one by one
_MOST_CROWDED = 8  # rows at the end of a track that may be of another animal
_LONGEST = 100
_LONGEST_CONTACT = 30
_IN_CONTACT = 0.2  # body sizes between the nearest keypoints
_REACH = 4  # rows that the velocity at an end is estimated from


class Cut(NamedTuple):
    """A frame at which tracks are cut, because who is who was uncertain around it.

    Attributes:
        frame: The first frame after the cut.
        tracks: The tracks that are cut.
        margin: The least margin of the decisions that it stands for.
    """

    frame: int
    tracks: frozenset[int]
    margin: float


@dataclass(frozen=True, eq=False)
class Tracklets:
    """M tracklets: rows that are taken for one individual without doubt, in the order of time.

    Attributes:
        rows: M times the places of its rows.
        first, last: (M,) its first and last frame.
        count: (M,) its number of rows.
        head, tail: (M, 2, K) its first and last pose, frame px; keypoints that are missing there
            come from the nearest of its next rows, moved along.
        head_velocity, tail_velocity: (M, 2) at its ends, px per frame; NaN of a single row.
        size: (M,) body sizes, px; NaN where unknown.
        cut: (M,) the place of the `Cut` that it begins with; -1 where it begins otherwise.
        spare: M times the places of rows before and after it that are probably of the same
            individual, but decide nothing.
    """

    rows: tuple[Int[ndarray, " _rows"], ...]
    first: Int[ndarray, " tracklets"]
    last: Int[ndarray, " tracklets"]
    count: Int[ndarray, " tracklets"]
    head: Float[ndarray, "tracklets 2 keypoints"]
    tail: Float[ndarray, "tracklets 2 keypoints"]
    head_velocity: Float[ndarray, "tracklets 2"]
    tail_velocity: Float[ndarray, "tracklets 2"]
    size: Float[ndarray, " tracklets"]
    cut: Int[ndarray, " tracklets"]
    spare: tuple[Int[ndarray, " _rows"], ...]

    def __len__(self) -> int:
        """M."""
        return len(self.rows)

    def numbers(self, rows: int) -> Int[ndarray, " rows"]:
        """(R,) the tracklet of each row of the table; -1 where it is in none."""
        number = np.full(rows, -1)
        for place, own in enumerate(self.rows):
            number[own] = place
        return number


def uncertain_cuts(
    track: Int[ndarray, " rows"],
    margin: Float[ndarray, " rows"],
    frame: Int[ndarray, " rows"],
    least: float,
    longest: int = _LONGEST,
) -> list[Cut]:
    """Where to cut tracks: at the least certain of decisions that are close in time.

    Args:
        track: The track of each row; negative where there is none.
        margin: The margin of each row, nats.
        frame: The frame of each row.
        least: A smaller margin is uncertain.
        longest: Frames that a single cut may stand for.
    """
    found = np.flatnonzero((margin < least) & (track >= 0))
    found = found[np.lexsort((track[found], frame[found]))]
    open_cuts: list[_Doubt] = []
    closed: list[_Doubt] = []
    for number in np.unique(frame[found]).tolist():
        rows = found[frame[found] == number]
        doubt = _Doubt(
            number,
            number,
            number,
            frozenset(track[rows].tolist()),
            float(margin[rows].min()),
        )
        still = []
        for other in open_cuts:
            if number - other.last > _APART or number - other.first > longest:
                closed.append(other)
            elif other.tracks & doubt.tracks:
                doubt = doubt.joined(other)
            else:
                still.append(other)
        open_cuts = [*still, doubt]
    cuts = [Cut(doubt.least, doubt.tracks, doubt.margin) for doubt in [*closed, *open_cuts]]
    return sorted(cuts, key=lambda cut: (cut.frame, min(cut.tracks)))


def contact_cuts(
    points: Float[ndarray, "rows 2 keypoints"],
    track: Int[ndarray, " rows"],
    frame: Int[ndarray, " rows"],
    body_size: float,
) -> list[Cut]:
    """Where to cut tracks so that what two animals look like can undo any exchange of theirs.

    Args:
        points: Frame px.
        track: The track of each row; negative where there is none.
        frame: The frame of each row.
        body_size: Px.
    """
    order = np.argsort(frame, kind="stable")
    order = order[track[order] >= 0]
    apart = np.full(len(track), np.inf)
    for rows in np.split(order, np.flatnonzero(np.diff(frame[order])) + 1):
        if len(rows) > 1:
            off = points[rows][:, None, :, :, None] - points[rows][None, :, :, None]
            squared = (off * off).sum(axis=2)
            nearest = np.where(np.isnan(squared), np.inf, squared).min(axis=(2, 3))
            np.fill_diagonal(nearest, np.inf)
            apart[rows] = np.sqrt(nearest.min(axis=1)) / body_size
    return uncertain_cuts(track, apart, frame, _IN_CONTACT, _LONGEST_CONTACT)


def crowded_ends(
    track: Int[ndarray, " rows"], frame: Int[ndarray, " rows"], animals: int
) -> Bool[ndarray, " rows"]:
    """The last rows of tracks that end while there are more tracks than animals.

    What an animal was taken for as it was lost overlaps its next tracklet for some frames, if that
    begins before the loss shows. Such rows must not keep one from going on as the other.

    Args:
        track: The track of each row; negative where there is none.
        frame: The frame of each row.
        animals: How many there are at most.
    """
    found = np.zeros(len(track), bool)
    order = np.lexsort((frame, track))
    order = order[track[order] >= 0]
    if not len(order):
        return found
    _, number, count = np.unique(frame[order], return_inverse=True, return_counts=True)
    crowded = count[number] > animals
    for rows in np.split(np.arange(len(order)), np.flatnonzero(np.diff(track[order])) + 1):
        alone = np.flatnonzero(~crowded[rows])
        ends = rows[alone[-1] + 1 :] if len(alone) else rows[:0]
        if len(ends) <= _MOST_CROWDED:
            found[order[ends]] = True
    return found


class _Doubt(NamedTuple):
    """Uncertain decisions of tracks that met, close in time; `least` is that of least margin."""

    first: int
    last: int
    least: int
    tracks: frozenset[int]
    margin: float

    def joined(self, earlier: _Doubt) -> _Doubt:
        best = min(earlier, self, key=lambda doubt: doubt.margin)
        return _Doubt(
            earlier.first, self.last, best.least, earlier.tracks | self.tracks, best.margin
        )


def tracklets_of(
    points: Float[ndarray, "rows 2 keypoints"],
    size: Float[ndarray, " rows"],
    track: Int[ndarray, " rows"],
    frame: Int[ndarray, " rows"],
    cuts: list[Cut],
    most_missed: int,
    worthy: Bool[ndarray, " rows"] | None = None,
) -> Tracklets:
    """Cut tracks at uncertain decisions, and where rows are missing.

    Args:
        points: Frame px.
        size: Of the bodies, px; NaN where unknown.
        track: The track of each row; negative where there is none.
        frame: The frame of each row.
        cuts: The uncertain decisions.
        most_missed: Frames without a row after which a track is cut.
        worthy: Rows that a tracklet may begin and end with, so that what was taken for an animal
            after it was lost keeps no other tracklet from going on; None for all.
    """
    order = np.lexsort((frame, track))
    order = order[track[order] >= 0]
    starts = np.diff(track[order], prepend=-1) != 0
    starts |= np.diff(frame[order], prepend=0) > most_missed + 1
    cut_at = np.full(len(order), -1)
    for place, cut in enumerate(cuts):
        for number in cut.tracks:
            low, high = np.searchsorted(track[order], [number, number + 1])
            at = low + int(np.searchsorted(frame[order[low:high]], cut.frame))
            if low < at < high:
                starts[at], cut_at[at] = True, place
    rows = np.split(order, np.flatnonzero(starts)[1:]) if len(order) else []
    begun = np.flatnonzero(starts)
    trimmed = rows if worthy is None else [_trimmed(own, worthy[own]) for own in rows]
    spare = [np.setdiff1d(own, kept) for own, kept in zip(rows, trimmed, strict=True)]
    first = np.array([frame[own[0]] for own in trimmed], dtype=np.int64)
    by_time = np.lexsort((track[order[begun]], first))
    return _described(
        points,
        size,
        frame,
        [trimmed[i] for i in by_time],
        cut_at[begun[by_time]],
        tuple(spare[i] for i in by_time),
    )


def _trimmed(
    rows: Int[ndarray, " some"], worthy: Bool[ndarray, " some"]
) -> Int[ndarray, " _fewer"]:
    """Rows from the first worthy one to the last; all where none is worthy."""
    places = np.flatnonzero(worthy)
    return rows[places[0] : places[-1] + 1] if len(places) else rows


def _described(
    points: ndarray,
    size: ndarray,
    frame: ndarray,
    rows: list[Int[ndarray, " _some"]],
    cut: Int[ndarray, " tracklets"],
    spare: tuple[Int[ndarray, " _some"], ...],
) -> Tracklets:
    M, K = len(rows), points.shape[2]
    heads = [_end(points, own, frame) for own in rows]
    tails = [_end(points, own[::-1], frame) for own in rows]
    return Tracklets(
        rows=tuple(rows),
        first=np.array([frame[own[0]] for own in rows], dtype=np.int64),
        last=np.array([frame[own[-1]] for own in rows], dtype=np.int64),
        count=np.array([len(own) for own in rows], dtype=np.int64),
        head=np.array([pose for pose, _ in heads]).reshape(M, 2, K),
        tail=np.array([pose for pose, _ in tails]).reshape(M, 2, K),
        head_velocity=np.array([speed for _, speed in heads]).reshape(M, 2),
        tail_velocity=np.array([speed for _, speed in tails]).reshape(M, 2),
        size=np.array([_median(size[own]) for own in rows]).reshape(M),
        cut=cut,
        spare=spare,
    )


def _end(
    points: ndarray, rows: Int[ndarray, " some"], frame: ndarray
) -> tuple[Float[ndarray, "2 keypoints"], Float[ndarray, " 2"]]:
    """The pose at the first of some rows, and the velocity there, from the rows next to it."""
    near = rows[: _REACH + 1]
    path = body_path(points[near])
    pose = points[near[0]]
    for place in range(1, len(near)):
        moved = points[near[place]] - (path[place] - path[0])[:, None]
        pose = np.where(np.isnan(pose), moved, pose)
    if len(near) < 2:
        return pose, np.full(2, np.nan)
    return pose, (path[-1] - path[0]) / (frame[near[-1]] - frame[near[0]])


def body_path(points: Float[ndarray, "rows 2 keypoints"]) -> Float[ndarray, "rows 2"]:
    """Where a body goes, by the keypoints that neighbouring rows have in common.

    Args:
        points: Poses of one individual, frame px.

    Returns:
        Frame px, from the median of the first pose.
    """
    known = ~np.isnan(points[:, :1])
    centre = masked_median(points, known)
    step = points[1:] - points[:-1]
    moved = masked_median(step, ~np.isnan(step[:, :1]))
    moved = np.where(np.isnan(moved), centre[1:] - centre[:-1], moved)
    return np.concatenate([centre[:1], centre[:1] + np.cumsum(moved, axis=0)])


def _median(values: Float[ndarray, " some"]) -> float:
    known = values[~np.isnan(values)]
    return float(np.median(known)) if len(known) else float("nan")
