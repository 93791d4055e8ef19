"""Follow individuals from frame to frame, as the frames come."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Int
from numpy import ndarray

from lp_analysis.errors import TrackingError
from lp_analysis.tracks.assignment import BORN, Assignment, assign
from lp_analysis.tracks.detections import Detections, detections_of, limb_pairs
from lp_analysis.tracks.likelihood import (
    RETURN_COST,
    appearance_cost,
    innovations,
    limb_cost,
    motion_cost,
    place_noise,
    pose_cost,
)
from lp_analysis.tracks.options import TrackingOptions
from lp_analysis.tracks.states import TrackStates

UNTRACKED = -1
"""The track of a row that belongs to none."""

UNKNOWN_SIZE = 50.0
"""The size of a body in frame px, until a row tells it."""

_REMEMBERED = 1000  # rows that the mean size of bodies reaches back
_LIMB_VARIANCE = 0.15**2
_LEFT_OUT_COST = 2.0  # nats above those of a row that begins a track
_MOST_SURE = 3.0  # nats, for a row of the highest score

LINK_COST = 4.0
"""Nats, of a row that goes on elsewhere than it was told to: how often links are wrong."""


class Decisions(NamedTuple):
    """What became of the N rows of a frame, in their order.

    Attributes:
        track: (N,) numbers of tracks, counted from 0; `UNTRACKED` where there is none.
        margin: (N,) nats between the best assignment of the frame and the best in which the row has
            another track or none; infinite where nothing else was possible, NaN of rows without any
            position.
    """

    track: Int[ndarray, " rows"]
    margin: Float[ndarray, " rows"]


class _Fits(NamedTuple):
    """How the rows of a frame would go with the tracks.

    Attributes:
        cost: (T, N) nats; infinite where a row is out of reach.
        place: (T, N, 2) where the anchor of each track would be, frame px.
        noise: (T, N) the variance of that along an axis, px².
        returned: (T, N) whether the track would go on elsewhere than its motion tells.
    """

    cost: Float[ndarray, "tracks rows"]
    place: Float[ndarray, "tracks rows 2"]
    noise: Float[ndarray, "tracks rows"]
    returned: Bool[ndarray, "tracks rows"]


class OnlineTracker:
    """Follows the individuals of one view through a video, frame by frame.

    Each track has a filter of constant velocity for its centre, its last pose, the lengths of its
    limbs and its appearance. The rows of a frame are assigned to tracks at the least total cost,
    births and losses included. A track without a row coasts, is then suspended, and goes on where
    a row fits its prediction, whose uncertainty has grown. Nothing is interpolated: only rows get a
    track. Memory grows with the number of tracks alone, not with that of frames.

    The order of the rows of a frame does not count.

    Args:
        keypoints: K.
        edges: (E, 2) pairs of keypoints that a skeleton joins, whose lengths tell individuals
            apart; None takes pairs spread over all.
        options: About the animals and their motion.

    Attributes:
        tracks: How many tracks have begun so far.
    """

    def __init__(
        self,
        keypoints: int,
        edges: Int[ndarray, "edges 2"] | None = None,
        options: TrackingOptions | None = None,
    ) -> None:
        if keypoints < 1:
            raise TrackingError(f"the number of keypoints must be at least 1, got {keypoints}")
        self.options = options or TrackingOptions()
        self.tracks = 0
        self._keypoints = keypoints
        self._pairs = limb_pairs(keypoints, edges)
        self._limb_variance = np.full(self._pairs.shape[1], _LIMB_VARIANCE)
        self._states: TrackStates | None = None
        self._size, self._sized = UNKNOWN_SIZE, 0

    def step(
        self,
        points: Float[ndarray, "rows keypoints 2"],
        confidence: Float[ndarray, "rows keypoints"] | None = None,
        score: Float[ndarray, " rows"] | None = None,
        appearance: Float[ndarray, "rows features"] | None = None,
        link: Int[ndarray, " rows"] | None = None,
    ) -> Decisions:
        """Assign the rows of the next frame; a frame without rows is stepped over with none.

        Args:
            points: Frame px; NaN where a keypoint has no position.
            confidence: From 0 to 1; a certain keypoint counts more.
            score: From 0 to 1, how certain each row is; the mean confidence where it is missing.
            appearance: What the rows look like, as vectors whose variance within an individual is
                1 along each axis, such as those of `AppearanceMetric`.
            link: The track that each row was told to go on from, `UNTRACKED` where none is known:
                a hint, as a tracker gives it that was told the pose of the frame before.

        Raises:
            TrackingError: The number of keypoints, or of features, is not that of before.
        """
        found = self._detections(points, confidence, score, appearance)
        states = self._advanced(found)
        decisions = Decisions(np.full(len(points), UNTRACKED), np.full(len(points), np.nan))
        if not len(found):
            states.lose(np.ones(len(states), bool))
        else:
            fits = self._fits(states, found)
            told = np.full(len(found), UNTRACKED) if link is None else link[found.row]
            elsewhere = np.isin(told, states.id) & (told != states.id[:, None])
            match = fits.cost + LINK_COST * elsewhere
            decided = self._assigned(states, found, match, np.isin(told, states.id))
            numbers = self._take_up(states, found, decided, fits)
            decisions.track[found.row] = numbers
            decisions.margin[found.row] = decided.margin
        self._forget()
        return decisions

    def _detections(
        self,
        points: Float[ndarray, "rows keypoints 2"],
        confidence: ndarray | None,
        score: ndarray | None,
        appearance: ndarray | None,
    ) -> Detections:
        if points.shape[1] != self._keypoints:
            raise TrackingError(
                f"a row has {points.shape[1]} keypoints, and the tracker {self._keypoints}"
            )
        return detections_of(points, confidence, score, appearance, self._pairs)

    def _advanced(self, found: Detections) -> TrackStates:
        """The tracks as they should be in this frame."""
        if self._states is None:
            none = np.zeros(0, np.int64)
            features = found.appearance.shape[1]
            empty = Detections(
                none,
                np.zeros((0, 2, self._keypoints)),
                np.zeros((0, self._keypoints)),
                np.zeros((0, 2)),
                np.zeros(0),
                np.zeros((0, self._pairs.shape[1])),
                np.zeros(0),
                np.zeros((0, features)),
            )
            self._states = TrackStates.born(0, empty, none, np.zeros(0), self.options)
        states = self._states
        if len(found) and found.appearance.shape[1] != states.appearance.shape[1]:
            raise TrackingError(
                f"the appearance of a row has {found.appearance.shape[1]} features, and that of "
                f"the rows before {states.appearance.shape[1]}"
            )
        states.predict(self.options.max_coast)
        self._learn_size(found)
        return states

    def _learn_size(self, found: Detections) -> None:
        known = found.size[~np.isnan(found.size)]
        if self.options.body_size is not None:
            self._size = self.options.body_size
        elif len(known):
            self._sized = min(self._sized + len(known), _REMEMBERED)
            self._size += (known.mean() - self._size) * (len(known) / self._sized)

    def _fits(self, states: TrackStates, found: Detections) -> _Fits:
        options = self.options
        moved, residual = innovations(states.points, states.anchor, found)
        scale = options.pose_change * states.size
        noise = place_noise(residual, states.age, scale, states.size, options.jitter)
        place = states.anchor[:, None] + moved
        off, variance = place - states.centre[:, None], noise + states.covariance[:, :1]
        motion = motion_cost(off, variance, states.size)
        returned = np.zeros(motion.shape, bool)
        if options.animals is not None:
            anywhere = np.maximum(RETURN_COST - states.missed, 0) - np.log(options.new_rate)
            returned = motion > anywhere[:, None]
            motion = np.minimum(motion, anywhere[:, None])
        cost = motion + pose_cost(residual, found.weight, states.age, scale, states.size)
        cost += limb_cost(states.limbs, states.limbs_seen, found.limbs, self._limb_variance)
        cost += appearance_cost(states.appearance, found.appearance)
        return _Fits(cost - np.log(1 - options.miss_rate), place, noise, returned)

    def _assigned(
        self,
        states: TrackStates,
        found: Detections,
        match: Float[ndarray, "tracks rows"],
        told: Bool[ndarray, " rows"],
    ) -> Assignment:
        options = self.options
        certain = np.clip(np.where(np.isnan(found.score), 0.5, found.score), 0.05, 0.95)
        base = -np.log(options.new_rate)
        birth = base - np.minimum(np.log(certain / (1 - certain)), _MOST_SURE)
        birth += LINK_COST * told
        birth[found.score < options.new_score] = np.inf
        births, left_out = len(found), np.where(np.isinf(birth), base, np.inf)
        if options.animals is not None:
            births = max(options.animals - len(states), 0)
            left_out = np.full(len(found), base + _LEFT_OUT_COST)
        miss = np.maximum(-np.log(options.miss_rate) - 0.5 * states.missed, np.log(2))
        return assign(match, miss, birth, left_out, births)

    def _take_up(
        self,
        states: TrackStates,
        found: Detections,
        decided: Assignment,
        fits: _Fits,
    ) -> Int[ndarray, " rows"]:
        """Update the tracks, and return the number of the track of each row."""
        numbers = np.full(len(found), UNTRACKED)
        rows = np.flatnonzero(decided.track >= 0)
        chosen = decided.track[rows]
        numbers[rows] = states.id[chosen]
        lost = np.ones(len(states), bool)
        lost[chosen] = False
        place, again = fits.place[chosen, rows], fits.returned[chosen, rows]
        if again.any():
            states.restart(chosen[again], place[again], self.options.first_speed)
        states.update(chosen, place, found, rows, fits.noise[chosen, rows])
        states.lose(lost)
        born = np.flatnonzero(decided.track == BORN)
        if len(born):
            size = self._sizes(found.size[born])
            more = TrackStates.born(self.tracks, found, born, size, self.options)
            numbers[born] = more.id
            self.tracks += len(born)
            self._states = states.with_more(more)
        return numbers

    def _sizes(self, sizes: Float[ndarray, " born"]) -> Float[ndarray, " born"]:
        """The sizes of new tracks."""
        own = self.options.body_size is None
        return np.where(np.isnan(sizes) | (not own), self._size, sizes)

    def _forget(self) -> None:
        """End the tracks that were lost for too long."""
        states, options = self._states, self.options
        assert states is not None
        established = states.hits >= options.established
        patience = np.where(established, options.forget_after, options.max_coast)
        ended = states.missed > patience
        if options.animals is not None:
            ended &= ~established
        if ended.any():
            self._states = states.kept(~ended)
