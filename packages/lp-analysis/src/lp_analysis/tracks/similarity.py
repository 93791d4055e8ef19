"""What tells individuals apart, learned without labels from tracklets.

Two tracklets that are seen at the same time are different individuals; one tracklet is the same
individual all along. The difference of two mean vectors is Gaussian in both cases, with two
covariances (as in probabilistic linear discriminant analysis: Prince and Elder 2007), and the ratio
of the densities is the evidence. How far it is trusted is decided on the half of the video that it
was not learned from.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int
from numpy import ndarray
from scipy.linalg import eigh

CHUNK = 25
"""Rows whose mean vector counts as one observation of an individual."""

_MOST_EVIDENCE = 20.0  # nats
_NU = 3.0  # degrees of freedom of the Student-t distribution of an individual's vectors
_MOST_AXES = 32  # of a vector, after principal components
_LEAST_RATIO = 2.0  # of the variances between and within individuals
_MOST_PAIRS = 20_000
_TRIMMINGS = 3
_FAR_OFF = 5.0  # times the median squared distance
_TRUST = np.array([0.0, 0.25, 0.5, 0.75, 1.0])


class _Chunks(NamedTuple):
    """Mean vectors of consecutive rows of one tracklet.

    Attributes:
        mean: (C, D).
        tracklet: (C,) its number.
        first, last: (C,) frame numbers.
        rows: (C, `CHUNK`) their rows.
    """

    mean: Float[ndarray, "chunks features"]
    tracklet: Int[ndarray, " chunks"]
    first: Int[ndarray, " chunks"]
    last: Int[ndarray, " chunks"]
    rows: Int[ndarray, "chunks rows"]


@dataclass(frozen=True, eq=False)
class AppearanceMetric:
    """Compares vectors that describe what rows look like, or how their bodies are built.

    Attributes:
        centre: (D,) mean vector; taken for what is NaN.
        axes: (D, A) directions in which individuals differ, scaled so that the variance of means
            of `CHUNK` rows within an individual is 1. A is 0 where nothing tells them apart.
        ratio: (A,) variance of the difference of two individuals, against that within one.
        row_spread: (A,) standard deviation of single rows within an individual.
        trust: From 0 to 1, what evidence is multiplied by.
    """

    centre: Float[ndarray, " features"]
    axes: Float[ndarray, "features axes"]
    ratio: Float[ndarray, " axes"]
    row_spread: Float[ndarray, " axes"]
    trust: float

    @classmethod
    def fit(
        cls,
        features: Float[ndarray, "rows features"],
        tracklet: Int[ndarray, " rows"],
        frame: Int[ndarray, " rows"],
    ) -> AppearanceMetric:
        """Learn from rows that are already in tracklets.

        Args:
            features: A vector for each row; NaN where it is unknown.
            tracklet: (R,) numbers; rows of negative numbers are left out.
            frame: (R,) frame numbers.
        """
        chunks = _chunks(features, tracklet, frame)
        centre = np.nan_to_num(_known_mean(features))
        mean = np.where(np.isnan(chunks.mean), centre, chunks.mean) - centre
        same, other = _pairs(chunks)
        trust = _cross_validated(mean, chunks.first, same, other)
        axes, ratio = _directions(mean, same, other)
        rows = np.where(np.isnan(features), centre, features) @ axes
        spread = np.ones(len(ratio))
        if len(chunks.rows):
            own = rows[chunks.rows]
            spread = np.sqrt(1 + own.var(axis=1).mean(axis=0))
        return cls(centre, axes, ratio, spread, trust)

    def transform(self, features: Float[ndarray, "rows features"]) -> Float[ndarray, "rows axes"]:
        """(R, A) vectors for `lp_analysis.tracks.OnlineTracker.step`: rows vary by 1 within."""
        return self._projected(features) / self.row_spread

    def log_odds(
        self,
        first: Float[ndarray, "pairs features"],
        second: Float[ndarray, "pairs features"],
        rows: tuple[Int[ndarray, " pairs"], Int[ndarray, " pairs"]],
    ) -> Float[ndarray, " pairs"]:
        """Nats for two mean vectors being of one individual, against two; limited.

        Args:
            first: Mean vectors.
            second: Those to compare with them.
            rows: From how many rows each of them is.
        """
        if not self.trust or not len(self.ratio):
            return np.zeros(len(first))
        apart, certain = self._apart(first, second, rows)
        return self.trust * _log_ratio(apart, self.ratio, certain)

    def log_density(
        self,
        mean: Float[ndarray, "pairs features"],
        individual: Float[ndarray, "pairs features"],
        rows: tuple[Int[ndarray, " pairs"], Int[ndarray, " pairs"]],
    ) -> Float[ndarray, " pairs"]:
        """Nats, up to a constant, for mean vectors being of known individuals; never limited.

        Args:
            mean: Mean vectors.
            individual: Those of the individuals.
            rows: From how many rows each of them is.
        """
        apart, certain = self._apart(mean, individual, rows)
        squared = apart * apart / 2 * certain[:, None]
        return -self.trust * (_NU + 1) / 2 * np.log1p(squared / _NU).sum(axis=1)

    def _apart(
        self,
        first: Float[ndarray, "pairs features"],
        second: Float[ndarray, "pairs features"],
        rows: tuple[Int[ndarray, " pairs"], Int[ndarray, " pairs"]],
    ) -> tuple[Float[ndarray, "pairs axes"], Float[ndarray, " pairs"]]:
        """Differences along the axes, and how certain they are: 1 from `CHUNK` rows on."""
        counts = [np.minimum(count, CHUNK) / CHUNK for count in rows]
        certain = 2 / (1 / counts[0] + 1 / counts[1])
        return self._projected(first) - self._projected(second), certain

    def _projected(self, vectors: Float[ndarray, "some features"]) -> Float[ndarray, "some axes"]:
        return (np.where(np.isnan(vectors), self.centre, vectors) - self.centre) @ self.axes


def _cross_validated(
    mean: Float[ndarray, "chunks features"],
    first: Int[ndarray, " chunks"],
    same: Int[ndarray, "same 2"],
    other: Int[ndarray, "other 2"],
) -> float:
    """How far evidence is to be trusted: each half of the video is judged by what the other tells.

    Args:
        mean: Vectors of the chunks.
        first: Their first frames.
        same: Pairs of chunks of one individual.
        other: Pairs of chunks of two.
    """
    late = first >= np.median(first) if len(first) else np.zeros(0, bool)
    halves = [
        [pairs[(late[pairs] == side).all(axis=1)] for pairs in (same, other)]
        for side in (False, True)
    ]
    odds: list[list[ndarray]] = [[], []]
    for learn, check in (halves, halves[::-1]):
        axes, ratio = _directions(mean, learn[0], learn[1])
        for found, pairs in zip(odds, check, strict=True):
            apart = (mean[pairs[:, 0]] - mean[pairs[:, 1]]) @ axes
            found.append(_log_ratio(apart, ratio, np.ones(len(pairs))))
    return _trusted(np.concatenate(odds[0]), np.concatenate(odds[1]))


def _log_ratio(
    apart: Float[ndarray, "pairs axes"],
    ratio: Float[ndarray, " axes"],
    certain: Float[ndarray, " pairs"],
) -> Float[ndarray, " pairs"]:
    """Log ratio of two Gaussian densities; fewer rows make the mean vectors less certain.

    It is limited, as a tracklet may change its individual without anybody noticing.
    """
    wide = 1 + (ratio - 1) * certain[:, None]
    squared = apart * apart / 2 * certain[:, None]
    odds = 0.5 * (np.log(wide) - squared * (1 - 1 / wide)).sum(axis=1)
    return np.clip(odds, -_MOST_EVIDENCE, _MOST_EVIDENCE)


def _chunks(features: ndarray, tracklet: ndarray, frame: ndarray) -> _Chunks:
    order = np.lexsort((frame, tracklet))
    order = order[tracklet[order] >= 0]
    ends = np.flatnonzero(np.diff(tracklet[order], prepend=-1, append=-1))
    parts = [
        order[start : start + CHUNK]
        for begin, end in zip(ends[:-1].tolist(), ends[1:].tolist(), strict=True)
        for start in range(begin, end - CHUNK + 1, CHUNK)
    ]
    means = [_known_mean(features[part]) for part in parts]
    return _Chunks(
        np.array(means).reshape(len(parts), features.shape[1]),
        np.array([tracklet[part[0]] for part in parts], dtype=np.int64),
        np.array([frame[part[0]] for part in parts], dtype=np.int64),
        np.array([frame[part[-1]] for part in parts], dtype=np.int64),
        np.array(parts, dtype=np.int64).reshape(len(parts), CHUNK),
    )


def _known_mean(values: Float[ndarray, "rows features"]) -> Float[ndarray, " features"]:
    known = ~np.isnan(values)
    count = known.sum(axis=0)
    total = np.where(known, values, 0).sum(axis=0)
    return np.where(count > 0, total / np.maximum(count, 1), np.nan)


def _pairs(chunks: _Chunks) -> tuple[Int[ndarray, "same 2"], Int[ndarray, "other 2"]]:
    """Pairs of chunks of one tracklet, and of two that are seen at the same time."""
    same, other = [], []
    order = np.argsort(chunks.first, kind="stable")
    for place, one in enumerate(order.tolist()):
        for two in order[place + 1 :].tolist():
            if chunks.first[two] > chunks.last[one]:
                break
            if chunks.tracklet[one] != chunks.tracklet[two]:
                other.append((one, two))
    for number in np.unique(chunks.tracklet).tolist():
        own = np.flatnonzero(chunks.tracklet == number)
        for step in (1, 4, 16):
            same += list(zip(own[:-step].tolist(), own[step:].tolist(), strict=True))
    return _array(same), _array(other)


def _array(pairs: list[tuple[int, int]]) -> Int[ndarray, "pairs 2"]:
    found = np.array(pairs, dtype=np.int64).reshape(len(pairs), 2)
    return found[:: max(1, -(-len(found) // _MOST_PAIRS))]


def _directions(
    mean: Float[ndarray, "chunks features"],
    same: Int[ndarray, "same 2"],
    other: Int[ndarray, "other 2"],
) -> tuple[Float[ndarray, "features axes"], Float[ndarray, " axes"]]:
    """The axes along which different individuals differ more than one does from itself."""
    D = mean.shape[1]
    nothing = np.zeros((D, 0)), np.zeros(0)
    if len(same) < 2 or not len(other):
        return nothing
    basis = _principal(mean)
    points = mean @ basis
    within, between = _trimmed(points, same), _covariance(points, other)
    spread = np.sqrt(np.diag(within)) + 1e-9 * np.sqrt(np.diag(between)) + 1e-12
    within, between = within / np.outer(spread, spread), between / np.outer(spread, spread)
    axes = len(spread)
    share = axes / (axes + len(same))
    within = (1 - share) * within + (share + 1e-3) * np.eye(axes)
    share = axes / (axes + len(other))
    between = (1 - share) * between + share * within
    ratio, vectors = eigh(between, within)
    kept = ratio > _LEAST_RATIO
    return basis @ (vectors[:, kept] / spread[:, None]), ratio[kept]


def _principal(points: Float[ndarray, "chunks features"]) -> Float[ndarray, "features axes"]:
    """The main axes of centred vectors, all of them where they are few."""
    if points.shape[1] <= _MOST_AXES:
        return np.eye(points.shape[1])
    axes = np.linalg.svd(points, full_matrices=False)[2]
    return axes[:_MOST_AXES].T


def _trimmed(
    points: Float[ndarray, "chunks axes"], pairs: Int[ndarray, "pairs 2"]
) -> Float[ndarray, "axes axes"]:
    """The covariance without pairs that are far off: where a tracklet changes its individual."""
    kept = pairs
    for _ in range(_TRIMMINGS):
        covariance = _covariance(points, kept)
        ridge = 0.1 * np.diag(covariance) + 1e-12
        apart = points[pairs[:, 0]] - points[pairs[:, 1]]
        off = (apart * np.linalg.solve(covariance + np.diag(ridge), apart.T).T).sum(axis=1)
        kept = pairs[off <= _FAR_OFF * np.median(off)]
    return _covariance(points, kept)


def _covariance(
    points: Float[ndarray, "chunks axes"], pairs: Int[ndarray, "pairs 2"]
) -> Float[ndarray, "axes axes"]:
    apart = points[pairs[:, 0]] - points[pairs[:, 1]]
    return apart.T @ apart / (2 * len(pairs))


def _trusted(same: Float[ndarray, " same"], other: Float[ndarray, " other"]) -> float:
    """The factor under which evidence predicts best, by the logarithmic score."""
    if not len(same) or not len(other):
        return 0.0
    loss = [
        np.logaddexp(0, -factor * same).mean() + np.logaddexp(0, factor * other).mean()
        for factor in _TRUST
    ]
    return float(_TRUST[int(np.argmin(loss))])
