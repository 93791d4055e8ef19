"""The smoother: forward and backward over a video, as often as outliers and lenses ask for.

A pass forward filters part after part of the frames, and keeps the filtered states on disk; a pass
backward replaces them by the smoothed ones. Every part goes on from the state in which the part
beside it ended, so that the result is that of the whole video in one piece, up to rounding, and the
memory that of one part.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from lp_analysis.smoothing.dynamics import Motion
from lp_analysis.smoothing.gating import REACH, distances, unlikely
from lp_analysis.smoothing.projections import Points, Projection
from lp_analysis.smoothing.recursions import BLOCK, States, filter_part, smooth_part
from lp_analysis.smoothing.storage import FrameArray, parts

_ROUNDS = 8
"""Passes at most; each drops outliers that others hid."""

_AROUND_ROUNDS = 3
"""Passes at least where the projection is curved, the first from triangulated points."""


class Observations:
    """What was seen in each frame, and which of it is believed.

    Args:
        frames: F.
        tracks: T.
        views: V.

    Attributes:
        points: (F, T, V, 2) frame px; NaN where nothing was seen.
        variance: (F, T, V, 2) of the noise, before its scale.
        gated: (F, T, V) which are not believed.
        scale: (T,) what the variances are multiplied by.
        least: Variance that the noise has at least.
    """

    def __init__(self, frames: int, tracks: int, views: int) -> None:
        self.frames, self.tracks, self.views = frames, tracks, views
        self.points = FrameArray(frames, (tracks, views, 2))
        self.variance = FrameArray(frames, (tracks, views, 2))
        self.gated = FrameArray(frames, (tracks, views), bool, False)
        self.scale: Float[ndarray, " tracks"] = np.ones(tracks)
        self.least = 0.0

    def believed(self, start: int, stop: int) -> tuple[Points, Points]:
        """The points of some frames that are believed, and the variances of their noise."""
        points, variance = self.points.read(start, stop), self.noise(start, stop)
        points[self.gated.read(start, stop)] = np.nan
        return points, variance

    def noise(self, start: int, stop: int) -> Points:
        """The variances of some frames."""
        variance = self.variance.read(start, stop)
        return np.maximum(variance * self.scale[:, None, None], self.least)


@dataclass(frozen=True)
class Gate:
    """When an observation is dropped.

    Attributes:
        limit: Squared Mahalanobis distance from what all others predict.
        usual_step: (T, V) variance of the movement between two frames, per axis.
    """

    limit: float
    usual_step: Float[ndarray, "tracks views"]


class Smoother:
    """The smoothed states of a video.

    Args:
        observations: What was seen.
        projection: How states are seen.
        motion: How they move; its noise is per series.
        part: Frames that are worked on at a time, a multiple of 128; as many as fit the memory if
            None.

    Attributes:
        mean: (F, d, X) smoothed states.
        covariance: (F, d, d, X).
        rounds: How many passes were made.
    """

    def __init__(
        self,
        observations: Observations,
        projection: Projection,
        motion: Motion,
        part: int | None = None,
    ) -> None:
        self._seen, self._projection, self._motion = observations, projection, motion
        d, X = motion.size, len(motion.noise)
        self.mean = FrameArray(observations.frames, (d, X))
        self.covariance = FrameArray(observations.frames, (d, d, X))
        self._distances = FrameArray(observations.frames, (observations.tracks, observations.views))
        self._parts = [*parts(observations.frames, d * d * X, BLOCK, part)]
        self.rounds = 0

    def run(self, gate: Gate | None = None) -> None:
        """Smooth the video, without the observations that are dropped on the way."""
        least = _AROUND_ROUNDS if self._projection.curved else 1
        changed = True
        while self.rounds < least or (changed and self.rounds < _ROUNDS):
            after = self._forward()
            self._backward(after, with_distances=gate is not None)
            self.rounds += 1
            settled = self.rounds >= least - 1
            changed = gate is not None and settled and self._drop(gate)

    def states(self, start: int, stop: int) -> States:
        """The smoothed states of some frames, (d, F, X) and (d, d, F, X)."""
        mean, covariance = self.mean.read(start, stop), self.covariance.read(start, stop)
        return States(mean.transpose(1, 0, 2), covariance.transpose(1, 2, 0, 3))

    def _forward(self) -> States:
        state = States(*self._motion.first())
        p = self._projection.coords
        for frames in self._parts:
            span = frames.start, frames.stop
            around = None
            if self._projection.curved and self.rounds:
                around = np.ascontiguousarray(self.states(*span).mean[:p])
            points, variance = self._seen.believed(*span)
            weighed = self._projection.weighed(points, variance, around)
            found, state = filter_part(self._motion, weighed.observed, state)
            self._keep(frames.start, found)
        return state

    def _backward(self, after: States, *, with_distances: bool) -> None:
        for frames in reversed(self._parts):
            span = frames.start, frames.stop
            found = smooth_part(self._motion, self.states(*span), after)
            self._keep(frames.start, found)
            after = States(found.mean[:, 0], found.covariance[:, :, 0])
            if with_distances:
                points, variance = self._seen.believed(*span)
                expected, spread = self._projection.seen(found)
                self._distances.write(frames.start, distances(points, variance, expected, spread))

    def _keep(self, start: int, states: States) -> None:
        self.mean.write(start, states.mean.transpose(1, 0, 2))
        self.covariance.write(start, states.covariance.transpose(2, 0, 1, 3))

    def _drop(self, gate: Gate) -> bool:
        """Drop the least likely observations; whether there were any."""
        dropped: list[tuple[int, tuple[ndarray, ...]]] = []
        for frames in self._parts:
            wide = frames.start - REACH, frames.stop + REACH
            points, variance = self._seen.believed(*wide)
            found = unlikely(
                self._distances.read(*wide), points, variance, gate.usual_step, gate.limit
            )
            dropped.append((frames.start, found.nonzero()))
        for frames, (start, places) in zip(self._parts, dropped, strict=True):
            gated = self._seen.gated.read(start, frames.stop)
            gated[places] = True
            self._seen.gated.write(start, gated)
        return any(len(places[0]) for _, places in dropped)

    def close(self) -> None:
        """Remove what is on disk."""
        for array in (self.mean, self.covariance, self._distances):
            array.close()
