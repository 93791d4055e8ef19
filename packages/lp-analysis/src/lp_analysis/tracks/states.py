"""The states of all tracks, as arrays with one entry per track."""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np
from jaxtyping import Float, Int
from numpy import ndarray

from lp_analysis.tracks.detections import Detections
from lp_analysis.tracks.options import TrackingOptions

_LOST_VELOCITY = 0.9  # share of its velocity that an unseen animal keeps from frame to frame
_REACH = 1.5  # body sizes; the largest standard deviation of where a lost animal may be
_ADAPTED = 0.1  # share of the newest innovation in the acceleration of a track
_LEAST_ACCELERATION, _MOST_ACCELERATION = 0.04, 0.5  # body sizes per frame²
_SLOWLY = 0.05  # share of the newest row in the size of a track
_REMEMBERED = 200  # rows that mean lengths and appearances reach back
_OLDEST = 1000  # frames, after which a pose does not get less certain


@dataclass
class TrackStates:
    """T tracks; the motion of their centres has constant velocity (Bar-Shalom et al. 2001, §6.2).

    Both axes have the same covariance, so that a filter is three numbers.

    Attributes:
        id: (T,) numbers of the tracks, ascending.
        centre, velocity: (T, 2) frame px, and px per frame.
        covariance: (T, 3) of centre, centre and velocity, velocity, along an axis; px².
        acceleration: (T,) standard deviation of the change of velocity, body sizes per frame².
        points: (T, 2, K) the last pose, moved along with the velocity; NaN where it was never seen.
        anchor: (T, 2) the place on the last pose whose motion the filter smooths; frame px.
        age: (T, K) frames since a keypoint was seen.
        size: (T,) body sizes, frame px.
        limbs: (T, E) mean log lengths.
        limbs_seen: (T, E) from how many rows.
        appearance: (T, D) mean vectors.
        hits: (T,) rows so far.
        missed: (T,) frames since the last row.
    """

    id: Int[ndarray, " tracks"]
    centre: Float[ndarray, "tracks 2"]
    velocity: Float[ndarray, "tracks 2"]
    covariance: Float[ndarray, "tracks 3"]
    acceleration: Float[ndarray, " tracks"]
    points: Float[ndarray, "tracks 2 keypoints"]
    anchor: Float[ndarray, "tracks 2"]
    age: Int[ndarray, "tracks keypoints"]
    size: Float[ndarray, " tracks"]
    limbs: Float[ndarray, "tracks limbs"]
    limbs_seen: Int[ndarray, "tracks limbs"]
    appearance: Float[ndarray, "tracks features"]
    hits: Int[ndarray, " tracks"]
    missed: Int[ndarray, " tracks"]

    def __len__(self) -> int:
        """T."""
        return len(self.id)

    @classmethod
    def born(
        cls,
        first_id: int,
        found: Detections,
        chosen: Int[ndarray, " born"],
        size: Float[ndarray, " born"],
        options: TrackingOptions,
    ) -> TrackStates:
        """New tracks of some rows.

        Args:
            first_id: The number of the first; the others follow.
            found: The rows of the frame.
            chosen: Which of them.
            size: Body sizes, frame px.
            options: Of the tracking.
        """
        count, points = len(chosen), found.points[chosen]
        covariance = np.zeros((count, 3))
        covariance[:, 0] = (options.jitter * size) ** 2
        covariance[:, 2] = (options.first_speed * size) ** 2
        limbs = found.limbs[chosen]
        return cls(
            id=np.arange(first_id, first_id + count),
            centre=found.centre[chosen],
            velocity=np.zeros((count, 2)),
            covariance=covariance,
            acceleration=np.full(count, options.acceleration),
            points=points,
            anchor=found.centre[chosen],
            age=np.where(found.weight[chosen] > 0, 0, _OLDEST),
            size=size,
            limbs=limbs,
            limbs_seen=(~np.isnan(limbs)).astype(np.int64),
            appearance=found.appearance[chosen],
            hits=np.ones(count, np.int64),
            missed=np.zeros(count, np.int64),
        )

    def kept(self, chosen: ndarray) -> TrackStates:
        """Only some tracks, by a mask or by their places."""
        return TrackStates(*(getattr(self, field.name)[chosen] for field in fields(self)))

    def with_more(self, others: TrackStates) -> TrackStates:
        """These tracks and others."""
        names = [field.name for field in fields(self)]
        return TrackStates(
            *(np.concatenate([getattr(self, name), getattr(others, name)]) for name in names)
        )

    def predict(self, max_coast: int) -> None:
        """Advance all tracks by a frame, in place.

        Args:
            max_coast: Frames without a row after which a track stops.
        """
        self.centre += self.velocity
        self.anchor += self.velocity
        self.points += self.velocity[:, :, None]
        kept = np.where(self.missed > 0, _LOST_VELOCITY, 1.0)
        self.velocity *= np.where(self.missed >= max_coast, 0.0, kept)[:, None]
        here, both, speed = self.covariance.T.copy()
        noise = (self.acceleration * self.size) ** 2
        reach = np.where(self.missed > 0, (_REACH * self.size) ** 2, np.inf)
        here = np.minimum(here + 2 * both + speed + noise / 4, reach)
        both = kept * (both + speed) + noise / 2
        speed = np.minimum(kept * kept * speed + noise, reach)
        both = np.minimum(both, np.sqrt(here * speed))
        self.covariance[:] = np.stack([here, both, speed], axis=1)
        np.minimum(self.age + 1, _OLDEST, out=self.age)

    def update(
        self,
        chosen: Int[ndarray, " some"],
        place: Float[ndarray, "some 2"],
        found: Detections,
        rows: Int[ndarray, " some"],
        noise: Float[ndarray, " some"],
    ) -> None:
        """Take up rows, in place.

        Args:
            chosen: The places of the tracks.
            place: Where the anchors are in their rows, frame px.
            found: The rows of the frame.
            rows: Those of the chosen tracks.
            noise: Variances of the places along an axis, px².
        """
        self._update_motion(chosen, place - self.centre[chosen], noise)
        self._update_pose(chosen, found, rows)
        drawn = np.where(np.isnan(found.size[rows]), 0.0, _SLOWLY)[:, None]
        self.anchor[chosen] = place + drawn * (found.centre[rows] - place)
        self.hits[chosen] += 1
        self.missed[chosen] = 0

    def lose(self, chosen: ndarray) -> None:
        """Count a frame without a row, in place."""
        self.missed[chosen] += 1

    def restart(
        self, chosen: Int[ndarray, " some"], place: Float[ndarray, "some 2"], first_speed: float
    ) -> None:
        """Move tracks to where they are found again, with an unknown velocity, in place.

        Args:
            chosen: The places of the tracks.
            place: Frame px.
            first_speed: Standard deviation of the velocity, body sizes per frame.
        """
        self.points[chosen] += (place - self.anchor[chosen])[:, :, None]
        self.centre[chosen] = place
        self.velocity[chosen] = 0
        self.covariance[chosen] = 0
        self.covariance[chosen, 2] = (first_speed * self.size[chosen]) ** 2

    def _update_motion(
        self,
        chosen: Int[ndarray, " some"],
        off: Float[ndarray, "some 2"],
        noise: Float[ndarray, " some"],
    ) -> None:
        here, both, speed = self.covariance[chosen].T
        variance = here + noise
        self.centre[chosen] += (here / variance)[:, None] * off
        self.velocity[chosen] += (both / variance)[:, None] * off
        left = 1 - here / variance
        self.covariance[chosen] = np.stack(
            [left * here, left * both, speed - both * both / variance], axis=1
        )
        surprise = (off * off).sum(axis=1) / (2 * variance)
        adapted = self.acceleration[chosen] ** 2 * (1 - _ADAPTED + _ADAPTED * surprise)
        self.acceleration[chosen] = np.clip(
            np.sqrt(adapted), _LEAST_ACCELERATION, _MOST_ACCELERATION
        )

    def _update_pose(
        self, chosen: Int[ndarray, " some"], found: Detections, rows: Int[ndarray, " some"]
    ) -> None:
        known = found.weight[rows] > 0
        self.points[chosen] = np.where(known[:, None], found.points[rows], self.points[chosen])
        self.age[chosen] = np.where(known, 0, self.age[chosen])
        size = found.size[rows]
        grown = self.size[chosen] + _SLOWLY * (size - self.size[chosen])
        self.size[chosen] = np.where(np.isnan(size), self.size[chosen], grown)
        limbs, known = found.limbs[rows], ~np.isnan(found.limbs[rows])
        seen = np.minimum(self.limbs_seen[chosen] + known, _REMEMBERED)
        before = np.where(self.limbs_seen[chosen] > 0, self.limbs[chosen], limbs)
        moved = before + (limbs - before) / np.maximum(seen, 1)
        self.limbs[chosen] = np.where(known, moved, self.limbs[chosen])
        self.limbs_seen[chosen] = seen
        if self.appearance.shape[1]:
            own, new = self.appearance[chosen], found.appearance[rows]
            share = 1 / np.minimum(self.hits[chosen] + 1, _REMEMBERED)[:, None]
            mixed = np.where(np.isnan(own), new, own + share * (new - own))
            self.appearance[chosen] = np.where(np.isnan(new), own, mixed)
