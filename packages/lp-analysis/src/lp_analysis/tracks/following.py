"""Follow animals in contact: look again at each, told where it was in the frame before.

What a tracker finds of single animals is ambiguous where several are in one crop: it may show one
animal twice and lose the other. A tracker that takes a pose as a condition is asked once more
about each animal that is near another, or that no row explains; its answers replace the rows that
show the same animals. An animal that is alone costs nothing.

What becomes of a frame depends on the rows of the two frames before alone, so that a prediction can
be interrupted between any two frames.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from itertools import pairwise

import numpy as np
from jaxtyping import Float, Int
from numpy import ndarray

from lp_analysis.errors import TrackingError
from lp_analysis.tracks.linked_rows import FrameRows, LinkedRows
from lp_core.poses import PoseTable, confidence_of

_FEWEST = 2  # keypoints that both must be sure of, for two poses to be compared
_MOST_SPEED = 0.5  # body lengths per frame


Asked = Float[ndarray, "asked keypoints 2"]
Confidences = Float[ndarray, "asked keypoints"]
Look = Callable[[Asked], tuple[Asked, Confidences]]
"""Looks at a frame for animals whose keypoints are about at some places, in frame px, NaN where
unknown; gives keypoints in frame px and confidences."""


@dataclass(frozen=True)
class FollowingOptions:
    """When animals are looked at again, and what is believed.

    Lengths are in body lengths.

    Attributes:
        body_length: Frame px.
        near: Animals whose keypoints come nearer than this are looked at again.
        fits: A row fits an animal that was to be there if its keypoints are that near, in the
            median.
        same: Two keypoints that are that near are one.
        shared: Share of its keypoints from which on a row shows the same animal as other rows.
        sure: The least confidence of a keypoint that is believed.
        least_confidence: A row with a lower mean confidence is dropped.
        unseen: What is left of the score, from frame to frame, of an animal that is followed where
            no other row is.
        least_support: An animal that is less sure to be there is dropped.
        fading: What is left of the confidence, from frame to frame, of an animal that a second look
            did not show: it is taken to go on as it moved, and looked for there.
        slowing: What is left of its speed, from frame to frame.
        traced_confidence: The least mean confidence of an animal that is found by tracing it back
            from a later frame.

    Raises:
        TrackingError: The body length is not positive.
    """

    body_length: float
    near: float = 0.5
    fits: float = 0.3
    same: float = 0.12
    shared: float = 0.5
    sure: float = 0.2
    least_confidence: float = 0.35
    unseen: float = 0.9
    least_support: float = 0.1
    fading: float = 0.93
    slowing: float = 0.8
    traced_confidence: float = 0.5

    def __post_init__(self) -> None:
        if not self.body_length > 0:
            raise TrackingError(f"the body length must be positive, got {self.body_length}")


class Follower:
    """Follows the animals of a video through consecutive frames; see `follow`.

    Args:
        options: When animals are looked at again, and what is believed.
        before: The rows of the frame before the first one; None where there are none.
        earlier: Those of the frame before that.
    """

    def __init__(
        self,
        options: FollowingOptions,
        before: FrameRows | None = None,
        earlier: FrameRows | None = None,
    ) -> None:
        self.options = options
        self._before, self._earlier = before, earlier

    @classmethod
    def going_on(cls, options: FollowingOptions, start: int, rows: LinkedRows | None) -> Follower:
        """One that begins at a frame.

        Args:
            options: When animals are looked at again, and what is believed.
            start: The frame.
            rows: Those of the two frames before; None where there are none.
        """
        if rows is None:
            return cls(options)
        return cls(options, rows.of_frame(start - 1), rows.of_frame(start - 2))

    def follow(
        self,
        found: PoseTable,
        frames: range,
        look: Callable[[int, Asked], tuple[Asked, Confidences]],
    ) -> LinkedRows:
        """The rows of the next frames.

        Args:
            found: What a first look found in them, in the order of the frames; with scores.
            frames: Their numbers.
            look: As `Look`, of the frame whose place among these is given first.
        """
        assert found.score is not None
        first = FrameRows.found(found.points, confidence_of(found), found.score)
        ends = np.searchsorted(np.array(found.frame, dtype=np.int64), [*frames, frames.stop])
        parts = [
            self.step(first.chosen(np.arange(start, stop)), partial(look, at))
            for at, (start, stop) in enumerate(pairwise(ends.tolist()))
        ]
        rows = FrameRows(*(np.concatenate(values) for values in zip(*parts, strict=True)))
        numbers = np.repeat(np.array(frames, dtype=np.int64), [len(part) for part in parts])
        table = PoseTable(
            found.skeleton,
            rows.points,
            tuple(numbers.tolist()),
            individual=(None,) * len(rows),
            score=rows.score,
            confidence=rows.confidence,
        )
        return LinkedRows(table, rows.link, rows.seen)

    def step(self, found: FrameRows, look: Look) -> FrameRows:
        """The rows of the next frame.

        Args:
            found: What a first look found.
            look: Looks again.
        """
        none = FrameRows.none(found.points.shape[1])
        before, earlier = self._before or none, self._earlier or none
        rows = follow(found, before, earlier, look, self.options).as_in_files()
        self._before, self._earlier = rows, before
        return rows


def follow(
    found: FrameRows, before: FrameRows, earlier: FrameRows, look: Look, options: FollowingOptions
) -> FrameRows:
    """The rows of a frame, each animal once, with links to those of the frame before.

    Args:
        found: What a first look found; it may show animals twice.
        before: The rows of the frame before.
        earlier: Those of the frame before that.
        look: Called at most once, with the animals to look at again.
        options: When, and what is believed.
    """
    moved = moved_on(before, earlier, options)
    expected = sure_points(moved, options)
    own = _alone(expected, found, options)
    alone, asked = np.flatnonzero(own >= 0), np.flatnonzero(own < 0)
    asked = asked[np.isfinite(expected[asked]).all(axis=2).any(axis=1)]
    plain = replace(found.chosen(own[alone]), link=alone)
    rest = found.chosen(np.setdiff1d(np.arange(len(found)), own[alone]))
    kept, lost = plain, moved.chosen(asked[:0])
    if len(asked):
        points, confidence = look(uncontested(expected, moved.confidence, options)[asked])
        support = _support(points, confidence, found, before.support[asked], options)
        score = support * confidence.mean(axis=1)
        again = FrameRows(points, confidence, score, asked, np.ones(len(asked), bool))
        trusted = believed(again, plain, apart(points, expected[asked], options), options)
        kept = plain.joined(again.chosen(trusted))
        lost = _fading(moved.chosen(np.setdiff1d(asked, asked[trusted])), options)
    new = _new(rest, kept, options)
    return _with_lost(kept, new, lost, options)


def uncontested(
    expected: Float[ndarray, "animals keypoints 2"],
    confidence: Float[ndarray, "animals keypoints"],
    options: FollowingOptions,
) -> Float[ndarray, "animals keypoints 2"]:
    """Poses without the keypoints that another pose has there, and is surer of.

    One of the two took it from the other; if it were told, the rest of its pose would follow.
    """
    off = np.hypot(*np.moveaxis(expected[:, None] - expected[None], -1, 0))
    surer = confidence[None] > confidence[:, None]
    contested = np.any((off < options.same * options.body_length) & surer, axis=1)
    contested &= ~np.all(contested | np.isnan(expected[..., 0]), axis=1, keepdims=True)
    return np.where(contested[..., None], np.nan, expected)


def _fading(lost: FrameRows, options: FollowingOptions) -> FrameRows:
    """Animals that were not seen, where their motion takes them, as long as that is likely."""
    confidence = options.fading * lost.confidence
    kept = np.flatnonzero(confidence.mean(axis=1) >= options.least_confidence)
    score = options.fading * options.unseen * lost.score
    unseen = np.zeros(len(lost), bool)
    return replace(lost, confidence=confidence, score=score, seen=unseen).chosen(kept)


def _with_lost(
    kept: FrameRows, new: FrameRows, lost: FrameRows, options: FollowingOptions
) -> FrameRows:
    """All rows; a new one goes on from an animal that was lost where it has the same pose."""
    link, stay = new.link.copy(), np.ones(len(lost), bool)
    for place in range(len(lost)):
        row = lost.chosen(np.array([place]))
        same = np.array(
            [shown(row, new.chosen(np.array([i])), options)[0] for i in range(len(new))]
        )
        same[link >= 0] = 0
        if len(new) and same.max() >= options.shared:
            link[same.argmax()], stay[place] = row.link[0], False
        elif shown(row, kept, options)[0] >= options.shared:
            stay[place] = False
    return kept.joined(replace(new, link=link)).joined(lost.chosen(np.flatnonzero(stay)))


def moved_on(before: FrameRows, earlier: FrameRows, options: FollowingOptions) -> FrameRows:
    """The rows of the frame before where they should be in this one, linked to themselves."""
    poses = sure_points(before, options)
    moved = np.zeros((len(before), 2))
    linked = np.flatnonzero(before.link >= 0)
    if len(linked):
        steps = poses[linked] - sure_points(earlier, options)[before.link[linked]]
        enough = np.isfinite(steps[..., 0]).sum(axis=1) >= _FEWEST
        moved[linked[enough]] = np.nanmedian(steps[enough], axis=1)
    most = _MOST_SPEED * options.body_length
    speed = np.hypot(*moved.T)
    moved *= np.minimum(1, most / np.maximum(speed, 1e-6))[:, None]
    moved[~before.seen] *= options.slowing
    points = before.points + moved[:, None]
    return replace(before, points=points, link=np.arange(len(before)))


def _alone(
    expected: Float[ndarray, "animals keypoints 2"], found: FrameRows, options: FollowingOptions
) -> Int[ndarray, " animals"]:
    """The only row of each animal that is far from all others; -1 for other animals."""
    seen = sure_points(found, options)
    distance = _between(expected, seen)
    fits = distance < options.fits * options.body_length
    near = options.near * options.body_length
    touching = _nearest(expected, expected) < near
    np.fill_diagonal(touching, False)
    crowded = _nearest(seen, seen) < near
    np.fill_diagonal(crowded, False)
    fits = fits & (fits.sum(axis=0) == 1)
    fits &= ~crowded.any(axis=1) & ~touching.any(axis=1, keepdims=True)
    single = fits.sum(axis=1) == 1
    return np.where(single, fits.argmax(axis=1) if len(found) else -1, -1)


def _support(
    points: Float[ndarray, "asked keypoints 2"],
    confidence: Float[ndarray, "asked keypoints"],
    found: FrameRows,
    before: Float[ndarray, " asked"],
    options: FollowingOptions,
) -> Float[ndarray, " asked"]:
    """How sure it is that each animal is there: less and less where no first look says so."""
    seen = np.where((confidence >= options.sure)[..., None], points, np.nan)
    near = _nearest(seen, sure_points(found, options)) < options.fits * options.body_length
    told = np.where(near, found.support, 0).max(axis=1, initial=0)
    return np.maximum(told, options.unseen * before)


def believed(
    again: FrameRows, plain: FrameRows, away: Float[ndarray, " asked"], options: FollowingOptions
) -> Int[ndarray, " some"]:
    """Which answers show an animal, and none that another answer or row shows."""
    sure = again.confidence.mean(axis=1)
    trust = sure - np.minimum(away / options.body_length, 1)
    kept: list[int] = []
    others = plain
    for place in np.argsort(-trust, kind="stable").tolist():
        row = again.chosen(np.array([place]))
        if sure[place] < options.least_confidence or row.support[0] < options.least_support:
            continue
        if shown(row, others, options)[0] < options.shared:
            kept.append(place)
            others = others.joined(row)
    return np.array(sorted(kept), dtype=np.int64)


def _new(rest: FrameRows, kept: FrameRows, options: FollowingOptions) -> FrameRows:
    """The rows of a first look that show animals which no other row shows, the best first."""
    chosen: list[int] = []
    others = kept
    for place in np.argsort(-rest.score, kind="stable").tolist():
        row = rest.chosen(np.array([place]))
        if shown(row, others, options)[0] < options.shared:
            chosen.append(place)
            others = others.joined(row)
    return rest.chosen(np.array(sorted(chosen), dtype=np.int64))


def shown(rows: FrameRows, others: FrameRows, options: FollowingOptions) -> Float[ndarray, " rows"]:
    """The share of the keypoints of each row that other rows, together, have at the same place."""
    own, there = sure_points(rows, options), sure_points(others, options)
    off = np.hypot(*np.moveaxis(own[:, None] - there[None], -1, 0))
    same = np.any(off < options.same * options.body_length, axis=1)
    known = np.isfinite(own[..., 0])
    return (same & known).sum(axis=1) / np.maximum(known.sum(axis=1), 1)


def sure_points(rows: FrameRows, options: FollowingOptions) -> Float[ndarray, "rows keypoints 2"]:
    """Positions, NaN where the confidence is too low to be believed."""
    return np.where((rows.confidence >= options.sure)[..., None], rows.points, np.nan)


def _between(
    one: Float[ndarray, "some keypoints 2"], two: Float[ndarray, "others keypoints 2"]
) -> Float[ndarray, "some others"]:
    """The median distances of keypoints of the same name; infinite where too few are known."""
    off = np.hypot(*np.moveaxis(one[:, None] - two[None], -1, 0))
    known = np.isfinite(off)
    ordered = np.sort(np.where(known, off, np.inf), axis=2)
    count = known.sum(axis=2)
    middle = np.take_along_axis(ordered, (np.maximum(count, 1) - 1)[..., None] // 2, axis=2)
    return np.where(count >= _FEWEST, middle[..., 0], np.inf)


def apart(
    points: Float[ndarray, "rows keypoints 2"],
    expected: Float[ndarray, "rows keypoints 2"],
    options: FollowingOptions,
) -> Float[ndarray, " rows"]:
    """How far each answer is from where it was expected."""
    return np.diagonal(_between(points, expected))


def _nearest(
    one: Float[ndarray, "some keypoints 2"], two: Float[ndarray, "others keypoints 2"]
) -> Float[ndarray, "some others"]:
    """The least distances between any keypoints; infinite where none are known."""
    off = np.hypot(*np.moveaxis(one[:, None, :, None] - two[None, :, None], -1, 0))
    return np.where(np.isfinite(off), off, np.inf).min(axis=(2, 3), initial=np.inf)
