"""What tells individuals apart, learned without labels from tracklets.

Two tracklets that are seen at the same time are different individuals; one tracklet is the same
individual all along. The difference of two mean vectors is distributed around 0 in both cases, with
two covariances (as in probabilistic linear discriminant analysis: Prince and Elder 2007), and the
ratio of the densities is the evidence. The densities are Gaussian or, for vectors that are far off
now and then, Student's t along each axis. How far the evidence is trusted is decided on the half of
the video that it was not learned from.
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


class Learning(NamedTuple):
    """How it is learned what tells individuals apart.

    Attributes:
        chunk: Rows whose mean vector counts as one observation.
        nu: Degrees of freedom of the Student-t distributions of differences; infinite for Gaussian
            ones.
        impure: Share of the pairs that may be taken for something else than they are, as tracklets
            change their individual without anybody noticing.
        least_gain: Bits that the evidence must tell of a pair, on the half of the video that it was
            not learned from, to be trusted at all.
    """

    chunk: int = CHUNK
    nu: float = np.inf
    impure: float = 0.0
    least_gain: float = 0.0


PLAIN = Learning()
"""Gaussian differences, in which every bit counts."""


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
        how: It was learned.
    """

    centre: Float[ndarray, " features"]
    axes: Float[ndarray, "features axes"]
    ratio: Float[ndarray, " axes"]
    row_spread: Float[ndarray, " axes"]
    trust: float
    how: Learning = PLAIN

    @classmethod
    def fit(
        cls,
        features: Float[ndarray, "rows features"],
        tracklet: Int[ndarray, " rows"],
        frame: Int[ndarray, " rows"],
        how: Learning = PLAIN,
    ) -> AppearanceMetric:
        """Learn from rows that are already in tracklets.

        Args:
            features: A vector for each row; NaN where it is unknown.
            tracklet: (R,) numbers; rows of negative numbers are left out.
            frame: (R,) frame numbers.
            how: To learn.
        """
        chunks = _chunks(features, tracklet, frame, how.chunk)
        centre = np.nan_to_num(_known_mean(features))
        mean = np.where(np.isnan(chunks.mean), centre, chunks.mean) - centre
        same, other = _pairs(chunks)
        odds = _cross_validated(mean, chunks.first, same, other, how.nu)
        trust = _trusted(*odds, how)
        axes, ratio = _directions(mean, same, other)
        rows = np.where(np.isnan(features), centre, features) @ axes
        spread = np.ones(len(ratio))
        if len(chunks.rows):
            own = rows[chunks.rows]
            spread = np.sqrt(1 + own.var(axis=1).mean(axis=0))
        return cls(centre, axes, ratio, spread, trust, how)

    def transform(self, features: Float[ndarray, "rows features"]) -> Float[ndarray, "rows axes"]:
        """(R, A) vectors for `lp_analysis.tracks.OnlineTracker.step`: rows vary by 1 within."""
        return self.projected(features) / self.row_spread

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
        return self.trust * _log_ratio(apart, self.ratio, certain, self.how.nu)

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
        return -self.trust * _unlikely(squared, _NU).sum(axis=1)

    def _apart(
        self,
        first: Float[ndarray, "pairs features"],
        second: Float[ndarray, "pairs features"],
        rows: tuple[Int[ndarray, " pairs"], Int[ndarray, " pairs"]],
    ) -> tuple[Float[ndarray, "pairs axes"], Float[ndarray, " pairs"]]:
        """Differences along the axes, and how certain they are: 1 from a chunk of rows on."""
        counts = [np.clip(count, 1e-6, self.how.chunk) / self.how.chunk for count in rows]
        certain = 2 / (1 / counts[0] + 1 / counts[1])
        return self.projected(first) - self.projected(second), certain

    def projected(self, vectors: Float[ndarray, "some features"]) -> Float[ndarray, "some axes"]:
        """Vectors along the axes, 0 for the mean of all."""
        return (np.where(np.isnan(vectors), self.centre, vectors) - self.centre) @ self.axes


def _cross_validated(
    mean: Float[ndarray, "chunks features"],
    first: Int[ndarray, " chunks"],
    same: Int[ndarray, "same 2"],
    other: Int[ndarray, "other 2"],
    nu: float,
) -> tuple[Float[ndarray, " _same"], Float[ndarray, " _other"]]:
    """The evidence about pairs in each half of the video, as the other half tells it.

    Args:
        mean: Vectors of the chunks.
        first: Their first frames.
        same: Pairs of chunks of one individual.
        other: Pairs of chunks of two.
        nu: Degrees of freedom.
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
            found.append(_log_ratio(apart, ratio, np.ones(len(pairs)), nu))
    return np.concatenate(odds[0]), np.concatenate(odds[1])


def _log_ratio(
    apart: Float[ndarray, "pairs axes"],
    ratio: Float[ndarray, " axes"],
    certain: Float[ndarray, " pairs"],
    nu: float,
) -> Float[ndarray, " pairs"]:
    """Log ratio of two densities; fewer rows make the mean vectors less certain.

    It is limited, as a tracklet may change its individual without anybody noticing.
    """
    wide = 1 + (ratio - 1) * certain[:, None]
    squared = apart * apart / 2 * certain[:, None]
    off = _unlikely(squared, nu) - _unlikely(squared / wide, nu)
    odds = (0.5 * np.log(wide) - off).sum(axis=1)
    return np.clip(odds, -_MOST_EVIDENCE, _MOST_EVIDENCE)


def _unlikely(squared: ndarray, nu: float) -> ndarray:
    """-log density of Student's t, up to a constant; Gaussian where ``nu`` is infinite."""
    return squared / 2 if np.isinf(nu) else (nu + 1) / 2 * np.log1p(squared / nu)


def _chunks(features: ndarray, tracklet: ndarray, frame: ndarray, chunk: int) -> _Chunks:
    order = np.lexsort((frame, tracklet))
    order = order[tracklet[order] >= 0]
    ends = np.flatnonzero(np.diff(tracklet[order], prepend=-1, append=-1))
    parts = [
        order[start : start + chunk]
        for begin, end in zip(ends[:-1].tolist(), ends[1:].tolist(), strict=True)
        for start in range(begin, end - chunk + 1, chunk)
    ]
    means = [_known_mean(features[part]) for part in parts]
    return _Chunks(
        np.array(means).reshape(len(parts), features.shape[1]),
        np.array([tracklet[part[0]] for part in parts], dtype=np.int64),
        np.array([frame[part[0]] for part in parts], dtype=np.int64),
        np.array([frame[part[-1]] for part in parts], dtype=np.int64),
        np.array(parts, dtype=np.int64).reshape(len(parts), chunk),
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


def _trusted(
    same: Float[ndarray, " same"], other: Float[ndarray, " other"], how: Learning
) -> float:
    """The factor under which evidence predicts best, by the logarithmic score."""
    if not len(same) or not len(other):
        return 0.0
    loss = [
        _surprise(factor * same, how.impure).mean() + _surprise(-factor * other, how.impure).mean()
        for factor in _TRUST
    ]
    best = int(np.argmin(loss))
    gain = (loss[0] - loss[best]) / (2 * np.log(2))
    return float(_TRUST[best]) if gain > how.least_gain else 0.0


def _surprise(odds: Float[ndarray, " some"], impure: float) -> Float[ndarray, " some"]:
    """Nats of learning that something is true, if that may be wrong itself."""
    true = 1 / (1 + np.exp(-odds))
    return -np.log((1 - impure) * true + impure * (1 - true))
