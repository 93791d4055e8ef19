"""How likely one tracklet goes on as another: motion, pose, build and appearance."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int
from numpy import ndarray

from lp_analysis.tracks.detections import masked_median
from lp_analysis.tracks.likelihood import NU, RETURN_COST, pose_evidence, pose_variance
from lp_analysis.tracks.similarity import CHUNK
from lp_analysis.tracks.tracklets import Tracklets, body_path

_LOST_VELOCITY = 0.9  # share of its velocity that an unseen animal keeps from frame to frame
_LAGS = (1, 2, 4, 8, 16, 32, 64)
_LEAST_SAMPLES = 30
_SPAN = 4  # rows that a velocity is estimated from
_MOST_ROWS = 20_000  # from which the motion is learned
_GAP = 3.0  # nats, of rows that are missing between two tracklets
_GAP_PER_FRAME = 0.01


@dataclass(frozen=True, eq=False)
class MotionModel:
    """How far animals are from where their velocities tell, the farther ahead the more.

    Attributes:
        lags: (G,) frames ahead.
        spread: (G,) standard deviation along an axis, px; it never falls.
        speed: Standard deviation of an unknown velocity along an axis, px per frame.
    """

    lags: Float[ndarray, " lags"]
    spread: Float[ndarray, " lags"]
    speed: float

    @classmethod
    def fit(
        cls, points: Float[ndarray, "rows 2 keypoints"], tracklets: Tracklets, body_size: float
    ) -> MotionModel:
        """Learn from the insides of tracklets.

        Args:
            points: Of all rows, frame px.
            tracklets: Of these rows.
            body_size: Px; where too little is known, the spread is a share of it.
        """
        errors: dict[int, list[ndarray]] = {lag: [] for lag in _LAGS}
        speeds, rows = [], 0
        for place in np.argsort(-tracklets.count, kind="stable").tolist():
            own = tracklets.rows[place]
            rows += len(own)
            if len(own) < 2 * _SPAN + 2 or rows > _MOST_ROWS + len(own):
                break
            path = body_path(points[own])
            speeds.append((path[_SPAN:] - path[:-_SPAN]) / _SPAN)
            for lag in _LAGS:
                errors[lag].append(_errors(path, lag))
        lags, spread = [], []
        for lag in _LAGS:
            known = np.concatenate([*errors[lag], np.zeros((0, 2))])
            if len(known) >= _LEAST_SAMPLES:
                lags.append(float(lag))
                spread.append(_robust_spread(known))
        if not lags:
            lags = list(map(float, _LAGS))
            spread = [0.1 * body_size * lag for lag in lags]
        least = 0.05 * body_size
        speed = _robust_spread(np.concatenate(speeds)) if speeds else 0.3 * body_size
        grown = np.maximum.accumulate(np.maximum(np.array(spread), least))
        return cls(np.array(lags), grown, max(speed, least))

    def at(self, gap: Int[ndarray, " pairs"]) -> Float[ndarray, " pairs"]:
        """The standard deviation along an axis, px, so many frames ahead."""
        known = np.exp(np.interp(np.log(gap), np.log(self.lags), np.log(self.spread)))
        return known * np.sqrt(np.maximum(gap / self.lags[-1], 1))


def _errors(path: Float[ndarray, "rows 2"], lag: int) -> Float[ndarray, "some 2"]:
    """Where a body is, less where the velocities before and after tell, so many rows ahead."""
    count = len(path) - 2 * _SPAN - lag
    if count < 1:
        return np.zeros((0, 2))
    velocity = (path[_SPAN:] - path[:-_SPAN]) / _SPAN
    start, end = path[_SPAN : _SPAN + count], path[_SPAN + lag : _SPAN + lag + count]
    mean = (velocity[:count] + velocity[_SPAN + lag : _SPAN + lag + count]) / 2
    return end - start - _carried(np.array([lag]))[0] * mean


def _carried(gap: Int[ndarray, " pairs"]) -> Float[ndarray, " pairs"]:
    """Frames that a velocity counts for, as it is forgotten."""
    return (1 - _LOST_VELOCITY**gap) / (1 - _LOST_VELOCITY)


def _robust_spread(errors: Float[ndarray, "some 2"]) -> float:
    """The standard deviation along an axis: the median of a Rayleigh distribution tells it."""
    squared = (errors * errors).sum(axis=1)
    return float(np.sqrt(np.median(squared) / (2 * np.log(2))))


def candidate_links(
    tracklets: Tracklets, most_missed: int, further: int
) -> Int[ndarray, "links 2"]:
    """Pairs of tracklets of which one may go on as the other.

    Args:
        tracklets: In the order of their first frames.
        most_missed: Frames that may be between them.
        further: How many tracklets may follow after more frames: the next ones, and as many of the
            next long ones, so that an animal that was away for long is not forgotten over the
            pieces of others.
    """
    long = np.flatnonzero(tracklets.count >= CHUNK)
    pairs = []
    for place in range(len(tracklets)):
        last = int(tracklets.last[place])
        start, near = np.searchsorted(tracklets.first, [last + 1, last + most_missed + 2])
        stop = max(int(near), min(int(start) + further, len(tracklets)))
        later = long[np.searchsorted(long, stop) :][:further]
        pairs += [(place, other) for other in (*range(int(start), stop), *later.tolist())]
    return np.array(pairs, dtype=np.int64).reshape(len(pairs), 2)


def motion_costs(
    tracklets: Tracklets,
    pairs: Int[ndarray, "links 2"],
    motion: MotionModel,
    body_size: float,
    pose_change: float,
    anywhere: float | None,
) -> Float[ndarray, " links"]:
    """-log density of the motion and the pose over the gap, per area of a body.

    Args:
        tracklets: The tracklets.
        pairs: Those to link.
        motion: How certain predictions are.
        body_size: Px, where a tracklet does not tell it.
        pose_change: Scale of a keypoint's motion around the body, body sizes per frame.
        anywhere: -log density of an animal that was lost for long and may be anywhere; None where
            it must be where its motion tells.
    """
    one, two = pairs.T
    gap = tracklets.first[two] - tracklets.last[one]
    size = np.nan_to_num(tracklets.size, nan=body_size)[one]
    between = tracklets.head[two] - tracklets.tail[one]
    known = ~np.isnan(between[:, 0])
    moved = masked_median(between, known[:, None])
    moved = np.where(np.isnan(moved), _middle(tracklets.head[two], tracklets.tail[one]), moved)
    off, variance = _off(tracklets, pairs, gap, moved, motion)
    cost = np.log(2 * np.pi * variance / size**2)
    cost += (NU + 2) / 2 * np.log1p((off * off).sum(axis=1) / (NU * variance))
    if anywhere is not None:
        cost = np.minimum(cost, anywhere + np.maximum(RETURN_COST + 1 - gap, 0))
    spread = pose_variance(gap[:, None], pose_change * size, size)
    squared = ((between - moved[:, :, None]) ** 2).sum(axis=1)
    cost = cost + pose_evidence(squared, np.broadcast_to(spread, squared.shape), size, known)
    return cost + np.where(gap > 1, _GAP + _GAP_PER_FRAME * (gap - 1), 0)


def _middle(head: ndarray, tail: ndarray) -> Float[ndarray, "links 2"]:
    return masked_median(head, ~np.isnan(head)) - masked_median(tail, ~np.isnan(tail))


def _off(
    tracklets: Tracklets,
    pairs: Int[ndarray, "links 2"],
    gap: Int[ndarray, " links"],
    moved: Float[ndarray, "links 2"],
    motion: MotionModel,
) -> tuple[Float[ndarray, "links 2"], Float[ndarray, " links"]]:
    """How far a link is from what the velocities tell, and the variance of that along an axis."""
    velocities = np.stack(
        [tracklets.tail_velocity[pairs[:, 0]], tracklets.head_velocity[pairs[:, 1]]]
    )
    known = ~np.isnan(velocities[:, :, 0])
    count = known.sum(axis=0)
    mean = np.where(known[..., None], velocities, 0).sum(axis=0) / np.maximum(count, 1)[:, None]
    carried = _carried(gap)
    unknown = np.where(count == 0, (motion.speed * carried) ** 2, 0)
    return moved - carried[:, None] * mean, motion.at(gap) ** 2 + unknown
