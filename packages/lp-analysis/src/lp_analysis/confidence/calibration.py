"""Turn ``likelihood`` into a probability: that the keypoint lies within a radius of its own.

``likelihood`` ranks keypoints well but means nothing by itself: 0.9 of one tracker may be right
half of the time. On labelled frames that were not trained on, one can count how often a keypoint of
a given likelihood was within the radius, and fit a curve that never falls.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from lp_analysis.confidence.monotone import fit_logistic, fit_steps, from_log_odds, log_odds
from lp_analysis.errors import EvaluationError
from lp_analysis.metrics.frame_metrics import Keypoints, PerKeypoint
from lp_core.poses import Skeleton

ISOTONIC_POINTS, ISOTONIC_OF_EACH = 500, 50
"""Points, and points of each outcome, from which isotonic regression is trusted."""

_LARGEST_FRACTION, _LEAST_FRACTION = 0.05, 0.01
"""The radii that confidences may be about, as fractions of `pose_size`."""

_DEVIATIONS = 3.0
_FROM_MEDIAN = 1 / math.sqrt(2 * math.log(2))
"""From the median distance of normal errors in x and y to their standard deviation."""

_DRAWN = 10.0
"""Labels that the usual noise counts for in that of each keypoint."""

_CERTAIN = 1e-6  # likelihoods are kept this far from 0 and 1
_ONE_RADIUS, _RADII = 1, 2
"""The formats of calibrations with one radius, as earlier versions wrote them, and with several."""

_FOLDS = 5
_OF_A_GROUP, _MOST_GROUPS = 30, 12
_WITHIN_90 = math.sqrt(2 * math.log(10))
"""Standard deviations that 90 % of normal errors in x and y stay within."""

_BELIEVED = (1e-3, 1 - 1e-4)


@dataclass(frozen=True)
class ConfidenceCalibration:
    """A rising curve from likelihood to probability, fitted by `fit_calibration`.

    The curve is piecewise linear between log-odds of the likelihood and log-odds of the
    probability, and constant beyond its ends.

    Attributes:
        radius: Frame px that the probability is about; where keypoints differ, the median.
        points: How many labelled keypoints it was fitted on.
        scores: M log-odds of likelihoods, rising.
        log_odds: M log-odds of probabilities, not falling.
        radii: Frame px of each of the K keypoints; empty where all have the same.
        reach: By log-odds of likelihoods, rising, the logarithm of the distance that 90 % of the
            errors stay within, in radii, not rising; empty in calibrations of earlier versions.
    """

    radius: float
    points: int
    scores: tuple[float, ...]
    log_odds: tuple[float, ...]
    radii: tuple[float, ...] = ()
    reach: tuple[tuple[float, float], ...] = ()

    def radii_of(self, keypoints: int) -> Float[ndarray, " keypoints"]:
        """The radius of each of so many keypoints in frame px.

        A table with other keypoints than the model's has the usual radius for all.
        """
        known = len(self.radii) == keypoints
        return np.array(self.radii) if known else np.full(keypoints, self.radius)

    def deviation(
        self, likelihood: Float[ndarray, "*any keypoints"]
    ) -> Float[ndarray, "*any keypoints"]:
        """Standard deviations, in x and in y, of the errors that go with likelihoods, in frame px.

        They are those of normal errors of which as many lie within the distance that 90 % of the
        labelled ones do. Where that is not known, within the radius.

        Args:
            likelihood: From 0 to 1; the lowest that is known where it is missing.
        """
        radii = self.radii_of(likelihood.shape[-1])
        known = np.nan_to_num(likelihood, nan=0.0)
        if not self.reach:
            probability = np.clip(self.probability(known), *_BELIEVED)
            return radii / np.sqrt(-2 * np.log1p(-probability))
        scores, reach = zip(*self.reach, strict=True)
        return radii * np.exp(np.interp(_score(known), scores, reach)) / _WITHIN_90

    @property
    def surest(self) -> float:
        """The highest probability that a keypoint can get."""
        return float(from_log_odds(np.array(max(self.log_odds))))

    def probability(self, likelihood: Float[ndarray, ...]) -> Float[ndarray, ...]:
        """Probability that a keypoint of that likelihood lies within the radius of the truth.

        Args:
            likelihood: From 0 to 1, of any shape; NaN where missing.

        Returns:
            From 0 to 1, of the same shape; NaN where missing.
        """
        score = _score(likelihood)
        return from_log_odds(np.interp(score, self.scores, self.log_odds))

    @property
    def noise(self) -> float:
        """Frame px: the standard deviation, in x and in y, of the surest keypoints.

        It is that of a normal distribution of which so many lie within the radius.
        """
        return self.radius / math.sqrt(-2 * math.log1p(-self.surest))

    def to_dict(self) -> dict[str, Any]:
        """The calibration as numbers and lists, for JSON."""
        content = {
            "format": _RADII if self.radii or self.reach else _ONE_RADIUS,
            "radius": self.radius,
            "points": self.points,
            "scores": list(self.scores),
            "log_odds": list(self.log_odds),
        }
        if self.radii:
            content["radii"] = list(self.radii)
        return content | ({"reach": [list(knot) for knot in self.reach]} if self.reach else {})

    @classmethod
    def from_dict(cls, content: Mapping[str, Any]) -> ConfidenceCalibration:
        """A calibration from what `to_dict` gave.

        Raises:
            EvaluationError: It is not such, or is of another format.
        """
        if content.get("format") not in (_ONE_RADIUS, _RADII):
            raise EvaluationError(
                f"the confidence calibration is of the unknown format {content.get('format')!r}",
                remedy="train again, or use the version of lp that wrote it",
            )
        try:
            calibration = cls(
                radius=_finite(content["radius"]),
                points=int(content["points"]),
                scores=tuple(_finite(value) for value in content["scores"]),
                log_odds=tuple(_finite(value) for value in content["log_odds"]),
                radii=tuple(_finite(value) for value in content.get("radii", ())),
                reach=tuple((_finite(x), _finite(y)) for x, y in content.get("reach", ())),
            )
        except (KeyError, TypeError, ValueError) as error:
            raise EvaluationError(f"the confidence calibration is damaged: {error}") from error
        calibration._check()
        return calibration

    def _check(self) -> None:
        rising = all(np.diff(self.scores) > 0) and all(np.diff(self.log_odds) >= 0)
        falling = bool(np.all(np.diff(np.reshape(self.reach, (-1, 2)), axis=0) * [1, -1] >= 0))
        if min(self.radii, default=1.0) <= 0 or not falling:
            raise EvaluationError("the confidence calibration is damaged: its radii make no sense")
        if not self.scores or len(self.scores) != len(self.log_odds) or not rising:
            raise EvaluationError("the confidence calibration is damaged: it is not a rising curve")


Radius = float | int | Float[ndarray, " keypoints"]


def fit_calibration(
    likelihood: Float[ndarray, ...], errors: Float[ndarray, ...], radius: Radius
) -> ConfidenceCalibration:
    """Fit the probability that a keypoint lies within ``radius`` of the truth.

    The curve is a line between log-odds, or isotonic where there are enough points.

    Args:
        likelihood: From 0 to 1, of labelled frames that were not trained on, of any shape.
        errors: Their pixel errors in frame px, of the same shape; NaN where unlabelled.
        radius: Frame px, of all keypoints or, along the last axis, of each; see `label_radii`.

    Raises:
        EvaluationError: There is no point to fit, or the radius is not positive.
    """
    if not (np.isfinite(radius) & (np.asarray(radius) > 0)).all():
        raise EvaluationError(f"a radius of {radius} px", remedy="choose one above 0")
    known = np.isfinite(likelihood) & np.isfinite(errors)
    scores = _score(likelihood[known].astype(np.float64))
    outcomes = (errors <= radius)[known]
    if scores.size == 0:
        raise EvaluationError(
            "there is no labelled keypoint to calibrate the confidence on",
            remedy="keep some labelled frames for validation (training.val_prob)",
        )
    rarer = min(outcomes.sum(), (~outcomes).sum())
    if len(scores) >= ISOTONIC_POINTS and rarer >= ISOTONIC_OF_EACH:
        knots, values = fit_steps(scores, outcomes)
        bound = _boldest(len(scores))
        curve = tuple(knots.tolist()), tuple(np.clip(log_odds(values), -bound, bound).tolist())
    else:
        curve = _line(*fit_logistic(scores, outcomes), len(scores))
    radii = tuple(radius.tolist()) if isinstance(radius, ndarray) else ()
    reach = _reach(scores, (errors / radius)[known])
    return ConfidenceCalibration(float(np.median(radius)), len(scores), *curve, radii, reach)


def _reach(
    scores: Float[ndarray, " points"], errors: Float[ndarray, " points"]
) -> tuple[tuple[float, float], ...]:
    """How far 90 % of the errors reach by score: of groups of points, a curve that never rises.

    That of a group is its error of rank 0.9·(P + 1), which a new point stays within with that
    probability (Vovk et al., 2005, "Algorithmic learning in a random world"), as far as P tells.
    """
    order = np.argsort(scores, kind="stable")
    count = np.clip(len(scores) // _OF_A_GROUP, 1, _MOST_GROUPS)
    firsts = scores[order][len(order) * np.arange(count) // count]
    # points of one score, such as that of certainty, stay together
    groups = np.split(order, np.searchsorted(scores[order], np.unique(firsts)[1:]))
    ranks = [min(math.ceil(0.9 * (len(group) + 1)), len(group)) - 1 for group in groups]
    far = [np.sort(errors[group])[rank] for group, rank in zip(groups, ranks, strict=True)]
    logarithms = np.log(np.maximum(far, _CERTAIN))
    reach = np.maximum.accumulate(logarithms[::-1])[::-1]  # never more sure than the surer ones are
    knots = np.array([scores[group].max() for group in groups])
    return tuple(zip(knots.tolist(), reach.tolist(), strict=True))


def _boldest(points: int) -> float:
    """The largest log-odds, of either sign, that so many points can justify.

    By Laplace's rule, P points that all agree make the next one likely by (P + 1) / (P + 2).
    """
    return math.log(points + 1)


def _line(
    slope: float, intercept: float, points: int
) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Knots of a line between log-odds, cut where it would be too bold."""
    end, bound = float(_score(np.array(1.0))), _boldest(points)
    cuts = [(value - intercept) / slope for value in (-bound, bound)] if slope > 0 else []
    knots = np.unique(np.clip([-end, *cuts, end], -end, end))
    values = np.clip(slope * knots + intercept, -bound, bound)
    return tuple(knots.tolist()), tuple(values.tolist())


def cross_calibrated(likelihood: PerKeypoint, errors: PerKeypoint, radius: Radius) -> PerKeypoint:
    """Probabilities of frames from calibrations that did not see them, to judge calibration by.

    Frames are dealt to five parts, and the calibration of each part is fitted on the others. The
    rest is as for `fit_calibration`.

    Raises:
        EvaluationError: There are not two frames with labels.
    """
    fold = np.arange(len(errors)) % max(2, min(_FOLDS, len(errors)))
    probability = np.full(errors.shape, np.nan)
    for part in np.unique(fold):
        others = fold != part
        calibration = fit_calibration(likelihood[others], errors[others], radius)
        probability[~others] = calibration.probability(likelihood[~others])
    return probability


def pose_size(keypoints: Keypoints) -> float:
    """How large the animal is: the median diagonal of the box around a frame's keypoints.

    Args:
        keypoints: (N, K, 2) labels in frame px, NaN where missing.

    Returns:
        Frame px, so that a radius may be stated as a fraction of it.

    Raises:
        EvaluationError: No frame has two labelled keypoints.
    """
    known = np.isfinite(keypoints).all(axis=-1)
    usable = known.sum(axis=1) >= 2
    if not usable.any():
        raise EvaluationError("no frame has two labelled keypoints to tell the animal's size from")
    poses, known = keypoints[usable], known[usable][..., None]
    high = np.where(known, poses, -np.inf).max(axis=1)
    low = np.where(known, poses, np.inf).min(axis=1)
    return float(np.median(np.hypot(*(high - low).T)))


def usual_radius(keypoints: Keypoints) -> float | None:
    """5 % of the animal's size in frame px, by `pose_size`; None where labels do not tell it."""
    try:
        return _LARGEST_FRACTION * pose_size(keypoints) or None
    except EvaluationError:
        return None


def label_radii(
    keypoints: Keypoints, errors: Float[ndarray, "held_out keypoints"], skeleton: Skeleton
) -> Float[ndarray, " keypoints"] | None:
    """What counts as right for each keypoint: as near to the label as a second label would be.

    That is three standard deviations of label noise, which 99 % of normal errors stay within, but
    at least 1 % and at most 5 % of the animal's size as one view shows it: where mirrored views
    share a frame, each has a size of its own. Labels that are made once do not tell their noise
    apart from the tracker's, so it is estimated, from above, by the median error, to which large
    mistakes do not count. That of few labels is drawn to the other keypoints'.

    Args:
        keypoints: (N, K, 2) all labels in frame px, NaN where missing.
        errors: (M, K) pixel errors of frames that were not trained on; NaN where unlabelled.
        skeleton: The K keypoints, with their mirrored groups.

    Returns:
        (K,) frame px; None where labels do not tell the animal's size.
    """
    sizes = _sizes_in_views(keypoints, skeleton)
    if sizes is None:
        return None
    usual = _FROM_MEDIAN * (np.nanmedian(errors) if np.isfinite(errors).any() else np.inf)
    noise = np.full(len(sizes), usual)
    for place, own in enumerate(errors.T):
        known = own[np.isfinite(own)]
        if known.size and np.isfinite(usual):
            weight = known.size / (known.size + _DRAWN)
            noise[place] = usual + weight * (_FROM_MEDIAN * np.median(known) - usual)
    largest = _LARGEST_FRACTION * sizes
    return np.clip(_DEVIATIONS * noise, np.minimum(_LEAST_FRACTION * sizes, largest), largest)


def _sizes_in_views(
    keypoints: Keypoints, skeleton: Skeleton
) -> Float[ndarray, " keypoints"] | None:
    """(K,) how large the animal is in the view that shows a keypoint, in frame px."""
    try:
        whole = pose_size(keypoints)
    except EvaluationError:
        return None
    sizes = np.full(len(skeleton), np.nan)
    for names in zip(*skeleton.mirrored, strict=False):
        places = skeleton.places(dict.fromkeys(names))
        try:
            sizes[places] = pose_size(keypoints[:, places])
        except EvaluationError:
            continue
    usual = np.nanmedian(sizes) if np.isfinite(sizes).any() else whole
    sizes = np.where(np.isfinite(sizes) & (sizes > 0), sizes, usual)
    return sizes if (sizes > 0).all() else None


def _score(likelihood: Float[ndarray, ...]) -> Float[ndarray, ...]:
    """Log-odds of likelihoods, bounded."""
    return log_odds(np.clip(likelihood.astype(np.float64), _CERTAIN, 1 - _CERTAIN))


def _finite(value: object) -> float:
    """The value as a finite number."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise ValueError(f"{value!r} is not a number")
    return float(value)
