"""How firmly the rows of a track of one view hang together, and the tracklets that surely do.

A tracker exchanges animals where another row would go on from the one before as well as its own
does, or where it jumps. The firmness of a link is the log-likelihood ratio of the two, under motion
of the keypoints with heavy tails.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Int
from numpy import ndarray

from lp_analysis.tracks.detections import body_sizes
from lp_analysis.triangulation.association.rows import NOBODY, ViewRows

_LEAST, _MOST = 3.0, 40.0  # nats, of a link where nothing tells, and where all does
_UNSURE = 8.0  # nats, below which a track is cut
_GAP = 5  # frames without a row, beyond which a track is cut
_LONGEST = 60  # rows of a tracklet
_NU = 3.0
_KEYPOINTS = 3.0  # independent ones that all of a row count for
_STILL = 0.01  # body sizes that a keypoint moves in a frame at least
_REACH = 1.0  # body sizes, beyond which an animal that is not seen may be
_AWAY = 90  # frames from the end of a track to the beginning of the one that it goes on as
_MOST_BETWEEN = 5.0  # nats
_JUMP = 8.0  # nats by which a row rather goes on from another animal, to be taken for its
_BLOCK = 2**14  # links at once


class Links(NamedTuple):
    """What comes before each row of a view.

    Attributes:
        before: (R,) the row before in its track, or in another one where two tracks obviously
            change places, or of a first row the last one of a track that it may go on from;
            `NOBODY` without one.
        firm: (R,) nats by which it rather goes on from that row than from another animal; NaN
            without one.
    """

    before: Int[ndarray, " rows"]
    firm: Float[ndarray, " rows"]


def links_of(rows: ViewRows, frames: int, slots: int) -> Links:
    """The links within the tracks of a view, and from tracks that end to those that begin.

    Args:
        rows: Those of the view.
        frames: F frames of the session.
        slots: A rows in a frame at most.
    """
    before, firm = np.full(len(rows), NOBODY), np.full(len(rows), np.nan)
    order = np.lexsort((rows.frame, rows.track))
    order = order[rows.track[order] >= 0]
    same = np.diff(rows.track[order]) == 0
    now, then = order[1:][same], order[:-1][same]
    if not len(now):
        return Links(before, firm)
    motion = _Motion.of(rows, now, then)
    before[now] = then
    place = rows.laid_out(np.arange(len(rows)), frames, slots)
    instead = np.full(len(rows), NOBODY)
    for start in range(0, len(now), _BLOCK):
        part = slice(start, start + _BLOCK)
        at = now[part]
        firm[at], instead[at] = _firmness(rows, motion, place, at, then[part])
    before, firm = _mended(before, firm, instead)
    starts, ends = order[np.append(True, ~same)], order[np.append(~same, True)]
    for first, last, nats in _returns(rows, motion, starts, ends):
        before[first], firm[first] = last, nats
    return Links(before, firm)


class _Motion(NamedTuple):
    """How keypoints of a view move.

    Attributes:
        usual: In one frame along an axis, frame px.
        far: (1,) the rarity of a body that moves as far as animals are apart that may be exchanged.
    """

    usual: float
    far: Float[ndarray, " one"]

    @classmethod
    def of(cls, rows: ViewRows, now: Int[ndarray, " some"], then: Int[ndarray, " some"]) -> _Motion:
        moved = np.linalg.norm(rows.points[now] - rows.points[then], axis=-1)
        moved /= np.sqrt(rows.frame[now] - rows.frame[then])[:, None]
        known = moved[np.isfinite(moved)]
        size = _size(rows)
        usual = max(0.85 * float(np.median(known)) if len(known) else 0.0, _STILL * size)
        motion = cls(usual, np.zeros(1))
        return motion._replace(
            far=motion.rarity(np.full((1, rows.points.shape[1]), _REACH * size), np.ones(1))
        )

    def rarity(
        self, moved: Float[ndarray, "*#some keypoints"], gap: Float[ndarray, "*#some"]
    ) -> Float[ndarray, "*_some"]:
        """How rare it is that keypoints move so far over some frames, nats; NaN without any."""
        each = np.log1p(moved**2 / (_NU * self.usual**2 * gap[..., None]))
        known = np.isfinite(each)
        count = known.sum(axis=-1)
        mean = np.where(known, each, 0.0).sum(axis=-1) / np.maximum(count, 1)
        rare: ndarray = 0.5 * (_NU + 2) * np.minimum(count, _KEYPOINTS) * mean
        return np.where(count > 0, rare, np.nan)


def _firmness(
    rows: ViewRows,
    motion: _Motion,
    place: Int[ndarray, "frames slots"],
    now: Int[ndarray, " some"],
    then: Int[ndarray, " some"],
) -> tuple[Float[ndarray, " some"], Int[ndarray, " some"]]:
    """Nats for each row going on from the one before, against the best other way.

    They are negative where it rather goes on from the last row of another animal, which is returned
    too; `NOBODY` without one.
    """
    frame, gap = rows.frame[now], (rows.frame[now] - rows.frame[then]).astype(float)
    own = motion.rarity(_moved(rows, then, now), gap)
    own = np.where(np.isnan(own), motion.far, own)
    later = np.where(place[frame] == now[:, None], NOBODY, place[frame])
    others = motion.rarity(_moved(rows, then[:, None], later), gap[:, None])
    earlier = np.where(place[frame - 1] == then[:, None], NOBODY, place[frame - 1])
    previous = motion.rarity(_moved(rows, earlier, now[:, None]), np.ones((1, 1)))
    previous = np.nan_to_num(previous, nan=np.inf)
    best = previous.argmin(axis=1, keepdims=True)
    instead = np.take_along_axis(earlier, best, axis=1)[:, 0]
    jumped = own - previous.min(axis=1)
    other = np.fmin.reduce(np.concatenate([others, previous], axis=1), axis=1)
    nats = _LEAST + np.clip(np.fmin(other, motion.far) - own, 0.0, _MOST - _LEAST)
    return np.where(jumped > _JUMP, np.maximum(-jumped, -_MOST), nats), instead


def _mended(
    before: Int[ndarray, " rows"], firm: Float[ndarray, " rows"], instead: Int[ndarray, " rows"]
) -> tuple[Int[ndarray, " rows"], Float[ndarray, " rows"]]:
    """The links after two tracks that jump to each other's place in a frame are exchanged there."""
    after = np.full(len(before), NOBODY)
    after[before[before >= 0]] = np.flatnonzero(before >= 0)
    jumps = np.flatnonzero(firm < 0)
    partner = after[instead[jumps]]
    both = (partner >= 0) & (firm[partner] < 0) & (instead[partner] == before[jumps])
    found = before.copy()
    found[jumps[both]] = instead[jumps[both]]
    return found, np.where(firm < 0, np.where(found == before, _LEAST, -firm), firm)


def _moved(
    rows: ViewRows, then: Int[ndarray, "*#some"], now: Int[ndarray, "*#some"]
) -> Float[ndarray, "*_some keypoints"]:
    """How far the keypoints of two rows are apart; NaN where there is no row."""
    moved = np.linalg.norm(rows.points[now] - rows.points[then], axis=-1)
    return np.where(((then >= 0) & (now >= 0))[..., None], moved, np.nan)


def _returns(
    rows: ViewRows, motion: _Motion, starts: Int[ndarray, " tracks"], ends: Int[ndarray, " tracks"]
) -> Iterator[tuple[int, int, float]]:
    """First rows of tracks, the last rows of those that they may go on from, and the nats for it.

    Of several that would go on from one, it is the one that is nearest to it.
    """
    ends = ends[np.argsort(rows.frame[ends], kind="stable")]
    best: dict[int, tuple[float, int]] = {}
    for start in starts[np.argsort(rows.frame[starts], kind="stable")].tolist():
        frame = rows.frame[start]
        first, last = np.searchsorted(rows.frame[ends], (frame - _AWAY, frame))
        near = ends[first:last]
        if not len(near):
            continue
        gap = (frame - rows.frame[near]).astype(float)
        moved = motion.rarity(_moved(rows, near, np.full(len(near), start)), gap)
        nats = motion.far - moved - _KEYPOINTS * np.log(gap)  # the longer, the more places
        place = int(np.nan_to_num(nats, nan=-np.inf).argmax())
        end, value = int(near[place]), min(float(nats[place]), _MOST_BETWEEN)
        if value > best.get(end, (0.0, start))[0]:
            best[end] = value, start
    for end, (value, start) in best.items():
        yield start, end, value


def _size(rows: ViewRows) -> float:
    """The usual size of a body in the view, in frame px."""
    points = rows.points.transpose(0, 2, 1)
    sizes = body_sizes(points, np.isfinite(points).all(axis=1))
    known = sizes[np.isfinite(sizes)]
    if len(known):
        return float(np.median(known))
    spread = np.nanmax(points, axis=2) - np.nanmin(points, axis=2)
    return max(float(np.median(np.hypot(*spread.T))), 1.0)


def tracklets_of(rows: ViewRows, links: Links) -> Int[ndarray, " rows"]:
    """(R,) numbers of the tracklets, from 0; `NOBODY` of rows without a track.

    Tracks are cut where a link is unsure or rows are missing, and after so many rows.
    """
    order = np.lexsort((rows.frame, rows.track))
    order = order[rows.track[order] >= 0]
    before, frame = links.before[order], rows.frame[order]
    gap = frame - rows.frame[before]
    cut: Bool[ndarray, " rows"] = (before < 0) | (links.firm[order] < _UNSURE) | (gap > _GAP)
    cut |= rows.track[before] != rows.track[order]
    place = np.arange(len(order))
    begun = np.maximum.accumulate(np.where(cut, place, 0))
    cut |= (place - begun) % _LONGEST == 0
    found = np.full(len(rows), NOBODY)
    found[order] = np.cumsum(cut) - 1
    return found
