"""One position of each keypoint, and how far off it may be, from what several trackers say.

The position is the mean of the members, weighted by their confidences. Its covariance begins with
that of the members around it. Few members agree now and then without being right, so it is drawn to
the usual one of the keypoint, and it is larger where they are less confident. Members that learnt
from the same labels share most of their error; so a factor and a floor, fitted on labels that none
was trained on, make it that of the error.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Bool, Float
from numpy import ndarray

from lp_analysis.errors import EvaluationError
from lp_analysis.smoothing.noise import by_confidence, shrunk_covariance

LEAST = 0.1
"""Standard deviation in px that a position has at least."""

LEVEL = 0.9
"""Of the region whose size is fitted."""

QUANTILE = -2 * np.log(1 - LEVEL)
"""Squared distance in standard deviations within which `LEVEL` of normal errors in x and y lie."""

_FORMAT = 1
_TAIL = 4.0  # degrees of freedom of the errors that floors are compared by
_FLOORS = (0.0, *np.geomspace(0.01, 100, 33))  # relative to the usual spread

Covariance = Float[ndarray, "rows keypoints 2 2"]


class Combined(NamedTuple):
    """What all members say.

    Attributes:
        points: (N, K, 2) frame px; NaN where no member has a position.
        confidences: (N, K) the mean of those members that have one; 0 where none has.
        spread: (N, K, 2, 2) unbiased weighted covariance of the members in px²; NaN of fewer than
            two.
        members: (N, K) how many members there are, those of little weight counting less.
    """

    points: Float[ndarray, "rows keypoints 2"]
    confidences: Float[ndarray, "rows keypoints"]
    spread: Covariance
    members: Float[ndarray, "rows keypoints"]


def combined(
    points: Float[ndarray, "members rows keypoints 2"],
    confidences: Float[ndarray, "members rows keypoints"],
) -> Combined:
    """The weighted mean of members, and their spread around it.

    Args:
        points: (M, N, K, 2) frame px; NaN where a member has no position, which then says nothing.
        confidences: (M, N, K) from 0 to 1.
    """
    known = np.isfinite(points).all(axis=-1)
    number = known.sum(axis=0)
    weight = np.where(known, 1 / by_confidence(confidences), 0.0)
    share = weight / np.where(number > 0, weight.sum(axis=0), 1.0)
    mean = (share[..., None] * np.where(known[..., None], points, 0.0)).sum(axis=0)
    off = np.where(known[..., None], points - mean, 0.0)
    squares = np.einsum("mnk,mnki,mnkj->nkij", share, off, off)
    concentration = np.where(number > 0, (share**2).sum(axis=0), 1.0)
    unbiased = squares / np.where(number > 1, 1 - concentration, 1.0)[..., None, None]
    sure = np.where(known, confidences, 0.0).sum(axis=0) / np.maximum(number, 1)
    return Combined(
        np.where((number > 0)[..., None], mean, np.nan),
        sure,
        np.where((number > 1)[..., None, None], unbiased, np.nan),
        np.where(number > 0, 1 / concentration, 0.0),
    )


@dataclass(frozen=True, eq=False)
class Uncertainty:
    """From what members say to the covariance of their mean, and how sure it is.

    Attributes:
        usual: (K, 2, 2) the usual spread of the members of each keypoint in px².
        factor: What the spread is multiplied by.
        floor: px², the variance in x and in y that is added.
        radius: Frame px that confidences are about.
        points: How many labelled keypoints it was fitted on.
    """

    usual: Float[ndarray, "keypoints 2 2"]
    factor: float
    floor: float
    radius: float
    points: int

    @classmethod
    def fitted(
        cls,
        found: Combined,
        truth: Float[ndarray, "rows keypoints 2"],
        radius: float,
        usual: Float[ndarray, "keypoints 2 2"],
    ) -> Uncertainty:
        """What makes the stated regions hold as many labels as they should.

        The factor is such that 90 % of the labels lie in the regions that should hold so many, and
        of few images some more: (n + 1) / n times 90 %, since the errors of n images tell the size
        of those of the next one no better (split conformal prediction, Vovk et al. 2005). The
        floor, relative to the spread, is the one under which the errors are most likely, with the
        tails of a t-distribution.

        Args:
            found: Of labelled images that no member was trained on.
            truth: Their labels in frame px; NaN for those that do not count.
            radius: See the attribute.
            usual: See `usual_spread`.

        Raises:
            EvaluationError: There is no label to fit on.
        """
        drawn = _drawn(found, usual)
        known = np.isfinite(truth - found.points).all(axis=-1)
        if not known.any():
            raise EvaluationError("there is no label that no member was trained on")
        off, drawn = (truth - found.points)[known], drawn[known]
        images = int(np.isfinite(truth - found.points).all(axis=-1).any(axis=1).sum())
        level = min(LEVEL * (1 + 1 / images), 1.0)
        middle = float(np.median(np.trace(drawn, axis1=-2, axis2=-1))) / 2
        likely = []
        for floor in np.array(_FLOORS) * middle:
            wide = drawn + max(floor, 1e-12) * np.eye(2)
            square = squared_distance(off, wide)
            factor = max(float(np.quantile(square, level)) / QUANTILE, 1e-12)
            size = np.log(factor) + np.log(np.linalg.det(wide)) / 2
            tails = (_TAIL + 2) / 2 * np.log1p(square / factor / _TAIL)
            likely.append((float((size + tails).mean()), factor, float(floor)))
        _, factor, floor = min(likely)
        return cls(usual, factor, factor * floor, radius, int(known.sum()))

    def covariance(self, found: Combined) -> Covariance:
        """That of combined positions in px²; NaN where there is none."""
        wide = self.factor * _drawn(found, self.usual)
        wide = wide + max(self.floor, LEAST**2) * np.eye(2)
        return np.where(_placed(found)[..., None, None], wide, np.nan)

    def confidence(self, covariance: Covariance) -> Float[ndarray, "rows keypoints"]:
        """How many errors of a covariance lie within the radius; 0 without position.

        The normal distribution is taken to be as wide in all directions.
        """
        variance = np.trace(covariance, axis1=-2, axis2=-1)
        return np.nan_to_num(-np.expm1(-(self.radius**2) / variance))

    def to_dict(self) -> dict[str, Any]:
        """It as numbers and lists, for JSON."""
        return {
            "format": _FORMAT,
            "usual": self.usual.tolist(),
            "factor": self.factor,
            "floor": self.floor,
            "radius": self.radius,
            "points": self.points,
        }

    @classmethod
    def from_dict(cls, content: Mapping[str, Any]) -> Uncertainty:
        """What `to_dict` gave.

        Raises:
            EvaluationError: It is damaged, or of another format.
        """
        if content.get("format") != _FORMAT:
            raise EvaluationError(
                f"the combination of members is of format {content.get('format')!r}, not {_FORMAT}",
                remedy="make the ensemble again, or use the version of lp that wrote it",
            )
        try:
            usual = np.array(content["usual"], dtype=np.float64).reshape(-1, 2, 2)
            factor, floor, radius = (float(content[n]) for n in ("factor", "floor", "radius"))
            found = cls(usual, factor, floor, radius, int(content["points"]))
        except (KeyError, TypeError, ValueError) as error:
            raise EvaluationError(f"the combination of members is damaged: {error}") from error
        known = np.isfinite([factor, floor, radius, *usual.flat]).all()
        if not known or min(factor, floor, radius) < 0:
            raise EvaluationError("the combination of members is damaged: a number is impossible")
        return found


def plain_covariance(found: Combined) -> Covariance:
    """The spread of the members by itself, where no label tells more; NaN of fewer than two."""
    return found.spread + LEAST**2 * np.eye(2)


def usual_spread(found: Combined) -> Float[ndarray, "keypoints 2 2"]:
    """The usual spread of each keypoint: of the more agreeing half, as large as the median one.

    The mean of the others stands for that of a keypoint that no two members have placed; 1 px²
    without any.
    """
    size = np.trace(found.spread, axis1=-2, axis2=-1)
    usual = np.full((size.shape[1], 2, 2), np.nan)
    for keypoint, own in enumerate(size.T):
        if not np.isfinite(own).any():
            continue
        median = np.nanmedian(own)
        low = found.spread[own <= median, keypoint].mean(axis=0) + 1e-12 * np.eye(2)
        usual[keypoint] = low * max(median, 1e-12) / np.trace(low)
    known = np.isfinite(usual).all(axis=(-2, -1))
    usual[~known] = usual[known].mean(axis=0) if known.any() else np.eye(2)
    return usual


def squared_distance(
    off: Float[ndarray, "*any 2"], covariance: Float[ndarray, "*any 2 2"]
) -> Float[ndarray, "*any"]:
    """Squared lengths of errors in their standard deviations (Mahalanobis distance)."""
    solved = np.linalg.solve(covariance, off[..., None])[..., 0]
    return (off * solved).sum(axis=-1)


def _drawn(found: Combined, usual: Float[ndarray, "keypoints 2 2"]) -> Covariance:
    """The spread drawn to the usual one, larger where members are less confident."""
    drawn = shrunk_covariance(found.spread, found.members, usual)
    return drawn * by_confidence(found.confidences)[..., None, None]


def _placed(found: Combined) -> Bool[ndarray, "rows keypoints"]:
    return np.isfinite(found.points).all(axis=-1)
