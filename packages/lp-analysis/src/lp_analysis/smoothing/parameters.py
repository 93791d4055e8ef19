"""How much the keypoints move and how large the noise is, by maximum marginal likelihood.

The likelihood is that of the model that smooths, with the noise of each observation as it is, on
some stretches of the video; each begins with what is known before the first frame. Of each
track it is searched over the ratio of the movement q and the scale of the noise, within bounds;
for a ratio, the best scale is known in closed form. Observations that the model of a search finds
unlikely are dropped before the next search.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from lp_analysis.smoothing.dynamics import Dynamics, Motion
from lp_analysis.smoothing.gating import REACH, distances, unlikely
from lp_analysis.smoothing.persistence import correlation, widening
from lp_analysis.smoothing.projections import Projection, Weighed
from lp_analysis.smoothing.recursions import States, filtered, predicted, smooth_part, surprise_of
from lp_analysis.smoothing.smoother import Gate

STRETCH = 512
"""Frames of a stretch."""

_STRETCHES = 32
_SEARCHES = 3
_DECADES = 6
"""The bounds of the search: so many decades to either side of the noise."""

_GRIDS = (2 * _DECADES + 1, 9, 9, 7)
"""Points of the grids of a search, the first of a point per decade; the last have steps of 5 %."""

_SCALES = (1e-4, 1e4)

PerTrack = Float[ndarray, " tracks"]


def stretches(frames: int) -> list[range]:
    """The frames to look at: all of a short video, else stretches evenly over it."""
    count = min(_STRETCHES, -(-frames // STRETCH))
    starts = np.linspace(0, max(frames - STRETCH, 0), count).round().astype(int)
    if frames < _STRETCHES * STRETCH:
        starts = np.arange(count) * STRETCH
    return [range(start, min(start + STRETCH, frames)) for start in starts.tolist()]


@dataclass(frozen=True)
class Parameters:
    """What the search found.

    Attributes:
        noise: (T,) q of each track, see `lp_analysis.smoothing.dynamics.Motion`.
        scale: (T,) what the variances of the observations are multiplied by.
        widening: (T,) what posterior variances are to be multiplied by; see `persistence`.
    """

    noise: PerTrack
    scale: PerTrack
    widening: PerTrack


class Sample:
    """The stretches of a video, side by side as if they were more tracks.

    Args:
        points: (S, L, T, V, 2) frame px.
        variance: Their noise, before its scale.
        projection: How states of the T tracks are seen.

    Attributes:
        stretches: S.
        tracks: T.
    """

    def __init__(self, points: ndarray, variance: ndarray, projection: Projection) -> None:
        self.stretches, _, self.tracks, self.views, _ = points.shape
        self.points, self.variance = map(_side_by_side, (points, variance))
        self.projection = projection.tiled(self.stretches)
        flat = points.reshape(-1, *points.shape[2:])
        self._places = projection.places(flat, variance.reshape(flat.shape))
        self.around: ndarray | None = None

    def start(self) -> tuple[ndarray, ndarray]:
        """Mean and variance of the coordinates (p, X) of the T tracks; 0 and 1 without any."""
        known = np.isfinite(self._places)
        count = np.maximum(known.sum(axis=1), 1)
        mean = np.where(known, self._places, 0.0).sum(axis=1) / count
        off = np.where(known, self._places - mean[:, None], 0.0)
        variance = (off * off).sum(axis=1) / count
        return mean, np.where(variance > 0, variance, 1.0)

    def usual_step(self) -> Float[ndarray, "tracks views"]:
        """(T, V) variance of the movement between frames per axis; from medians, 0 without any."""
        square = (np.diff(self.points, axis=0) ** 2).sum(axis=-1)
        square = square.reshape(-1, self.stretches, self.tracks, self.views)
        square = square.reshape(-1, self.tracks, self.views)
        found = np.zeros(square.shape[1:])
        for track, view in np.ndindex(found.shape):
            own = square[:, track, view]
            own = own[np.isfinite(own)]
            found[track, view] = np.median(own) / (2 * np.log(2)) if len(own) else 0.0
        return found

    def by_track(self, values: Float[ndarray, "*any series"]) -> Float[ndarray, "*any tracks"]:
        """Sums over the stretches and series of each track."""
        shape = (*values.shape[:-1], self.stretches, self.tracks, -1)
        return values.reshape(shape).sum(axis=(-3, -1))

    def by_series(self, values: PerTrack) -> Float[ndarray, " series"]:
        """The value of its track for each series of each stretch."""
        return np.tile(np.repeat(values, self.projection.series), self.stretches)

    def counts(self) -> PerTrack:
        """Observed numbers of each track."""
        known = np.isfinite(self.points).all(axis=-1) & np.isfinite(self.variance).all(axis=-1)
        return 2.0 * known.reshape(-1, self.stretches, self.tracks, self.views).sum(axis=(0, 1, 3))

    def weighed(self) -> Weighed:
        """The observations."""
        return self.projection.weighed(self.points, self.variance, self.around)


def _side_by_side(values: ndarray) -> ndarray:
    """(S, L, T, V, 2) as (L, S·T, V, 2)."""
    S, L, T, V, two = values.shape
    return values.transpose(1, 0, 2, 3, 4).reshape(L, S * T, V, two).copy()


@dataclass(frozen=True)
class Search:
    """What is searched for.

    Attributes:
        dynamics: How keypoints move.
        noise: (T,) q where it is given; the noise of the observations is then taken as it is.
        gate: Squared distance above which observations are dropped; None drops none.
    """

    dynamics: Dynamics = "position"
    noise: PerTrack | None = None
    gate: float | None = None


def find_parameters(sample: Sample, search: Search) -> Parameters:
    """The most likely parameters of each track.

    A track that is never seen has q = 1 and the scale 1.
    """
    one = np.ones(sample.tracks)
    found = Parameters(one, one, one)
    if search.noise is not None:
        found = Parameters(np.broadcast_to(search.noise, (sample.tracks,)).copy(), one, one)
        if not sample.projection.curved:
            return found
    for _ in range(_SEARCHES):
        if search.noise is None:
            found = _searched(sample, search)
        dropped, wider = _smoothed(sample, search, found)
        if search.noise is None:
            found = replace(found, widening=wider)
        if not dropped and not sample.projection.curved:
            break
    return found


def _motion(sample: Sample, search: Search, noise: PerTrack) -> Motion:
    start, variance = sample.start()
    own = Motion(search.dynamics, np.repeat(noise, sample.projection.series), start, variance)
    return own.tiled(sample.stretches)


def _searched(sample: Sample, search: Search) -> Parameters:
    weighed, count = sample.weighed(), sample.counts()
    observed = weighed.observed
    known = observed.precisions > 0
    explained = observed.values**2 / np.where(known, observed.precisions, 1.0)
    rest = sample.by_track((weighed.squares - np.where(known, explained, 0.0).sum(axis=0)).sum(0))
    usual = np.nanmedian(np.where(known, 1 / np.where(known, observed.precisions, 1.0), np.nan))
    motion = _motion(sample, search, np.ones(sample.tracks))

    def losses(ratio: Float[ndarray, "candidates tracks"]) -> tuple[ndarray, ndarray]:
        noise = np.stack([sample.by_series(candidate) for candidate in ratio])
        found = surprise_of(motion, noise, observed)
        squares = sample.by_track(found.squares) + np.maximum(rest, 0.0)
        scale = np.clip(squares / np.maximum(count, 1), *_SCALES)
        loss = count * np.log(scale) + squares / scale + sample.by_track(found.logarithms)
        return loss, scale

    centre = float(np.log(usual)) if np.isfinite(usual) else 0.0
    ratio = np.exp(_minimum(lambda x: losses(np.exp(x))[0], centre, sample.tracks))
    scale = losses(ratio[None])[1][0]
    seen = count > 0
    q, one = np.where(seen, ratio * scale, 1.0), np.ones(sample.tracks)
    return Parameters(q, np.where(seen, scale, 1.0), one)


def _minimum(
    loss: Callable[[Float[ndarray, "candidates tracks"]], ndarray], centre: float, tracks: int
) -> PerTrack:
    """Where each of the losses of a logarithm is least, by ever finer grids."""
    best, reach = np.full(tracks, centre), _DECADES * np.log(10)
    for points in _GRIDS:
        grid = best + np.linspace(-reach, reach, points)[:, None]
        place = np.argmin(loss(grid), axis=0)
        best, reach = grid[place, np.arange(tracks)], 2 * reach / (points - 1)
    return best


def _smoothed(sample: Sample, search: Search, found: Parameters) -> tuple[bool, PerTrack]:
    """Smooth the sample, drop what is unlikely, and go on around the smoothed states.

    Returns:
        Whether anything was dropped, and by how much the posterior is too narrow.
    """
    motion = _motion(sample, search, found.noise)
    scale = np.tile(found.scale, sample.stretches)[:, None, None]
    variance = sample.variance * scale
    weighed = sample.projection.weighed(sample.points, variance, sample.around)
    states, _ = filtered(motion, motion.noise, weighed.observed, States(*motion.first()))
    last = States(states.mean[:, -1], states.covariance[:, :, -1])
    smooth = smooth_part(motion, states, predicted(motion, last))
    if sample.projection.curved:
        sample.around = np.ascontiguousarray(smooth.mean[: sample.projection.coords])
    expected, spread = sample.projection.seen(smooth)
    wider = _widening(sample, search, found, smooth, (sample.points - expected) / variance**0.5)
    if search.gate is None:
        return False, wider
    gate = Gate(search.gate, np.tile(sample.usual_step(), (sample.stretches, 1)))
    off = distances(sample.points, variance, expected, spread)
    padding = [(REACH, REACH), (0, 0), (0, 0)]
    points, noise = (
        np.pad(part, [*padding, (0, 0)], constant_values=np.nan)
        for part in (sample.points, variance)
    )
    off = np.pad(off, padding, constant_values=np.nan)
    dropped = unlikely(off, points, noise, gate.usual_step, gate.limit)
    sample.points[dropped] = np.nan
    return bool(dropped.any()), wider


def _widening(
    sample: Sample, search: Search, found: Parameters, smooth: States, residuals: ndarray
) -> PerTrack:
    """By how much the posterior is too narrow, from the residuals of the sample."""
    products, squares = (
        part.reshape(sample.stretches, -1).sum(axis=0) for part in correlation(residuals)
    )
    persistence = products / np.where(squares > 0, squares, 1.0)
    p = sample.projection.coords
    variance = np.trace(smooth.covariance[:p, :p]) / p
    series = np.median(variance, axis=0).reshape(sample.stretches, sample.tracks, -1)
    usual = np.median(series, axis=(0, 2))
    return widening(search.dynamics, found.noise, usual, persistence)
