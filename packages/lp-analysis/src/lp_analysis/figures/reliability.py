"""Whether probabilities keep what they promise: reliability curves and their plot."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.ticker import PercentFormatter
from numpy import ndarray

from lp_analysis.errors import EvaluationError
from lp_analysis.figures.theme import LIGHT, Theme, add_legend, marker, style_axes

FEWEST_JUDGED = 10
"""Labels below which nothing is said of a promise."""

_TENTH, _CHANCE = 0.1, 3.0
_Z = 1.96  # of a 95 % interval


@dataclass(frozen=True, eq=False)
class ReliabilityCurve:
    """How often things happened that were given similar probabilities.

    Attributes:
        predicted: M mean probabilities.
        observed: M shares of what happened.
        low, high: M bounds of the 95 % interval of ``observed`` (Wilson, 1927).
        counts: M numbers of points.
        calibration_error: Mean distance between promise and observation, weighted by points
            (expected calibration error).
        brier_score: Mean squared distance between probability and outcome.
    """

    predicted: Float[ndarray, " bins"]
    observed: Float[ndarray, " bins"]
    low: Float[ndarray, " bins"]
    high: Float[ndarray, " bins"]
    counts: Int[ndarray, " bins"]
    calibration_error: float
    brier_score: float


def reliability_curve(
    probability: Float[ndarray, ...], happened: Bool[ndarray, ...], *, bins: int = 10
) -> ReliabilityCurve:
    """Compare probabilities with outcomes, in bins that hold about equally many points.

    Args:
        probability: From 0 to 1; NaN leaves a point out.
        happened: The outcome of each.
        bins: At most so many bins; points with equal probability share one.

    Raises:
        EvaluationError: There is no point.
    """
    known = np.isfinite(probability)
    order = np.argsort(probability[known], kind="stable")
    promised = probability[known][order].astype(np.float64)
    outcome = happened[known][order].astype(np.float64)
    if promised.size == 0:
        raise EvaluationError("there is no probability whose reliability could be told")
    starts = np.searchsorted(promised, np.unique(promised[len(promised) * np.arange(bins) // bins]))
    counts = np.diff(np.append(starts, promised.size))
    predicted = np.add.reduceat(promised, starts) / counts
    observed = np.add.reduceat(outcome, starts) / counts
    low, high = _wilson(observed, counts)
    return ReliabilityCurve(
        predicted,
        observed,
        low,
        high,
        counts,
        calibration_error=float(np.average(np.abs(predicted - observed), weights=counts)),
        brier_score=float(np.mean((promised - outcome) ** 2)),
    )


def _wilson(
    share: Float[ndarray, " bins"], counts: Int[ndarray, " bins"]
) -> tuple[Float[ndarray, " bins"], Float[ndarray, " bins"]]:
    """Bounds of Wilson's score interval of a share."""
    stretch = 1 + _Z**2 / counts
    centre = (share + _Z**2 / (2 * counts)) / stretch
    half = _Z * np.sqrt(share * (1 - share) / counts + _Z**2 / (4 * counts**2)) / stretch
    return np.clip(centre - half, 0.0, 1.0), np.clip(centre + half, 0.0, 1.0)


@dataclass(frozen=True)
class KeptPromise:
    """What the confidence of a keypoint promises, and what happened.

    Attributes:
        keypoint: Its name, or `lp_analysis.metrics.summary.ALL_KEYPOINTS`.
        where: The split, or the label file.
        radius: Frame px from the label within which it is right.
        points: How many were labelled.
        promised: The mean probability; NaN without points.
        observed: The share that was right; NaN without points.
        doubt: The standard deviation of that share if the promise holds.
    """

    keypoint: str
    where: str
    radius: float
    points: int
    promised: float
    observed: float
    doubt: float

    @classmethod
    def of(
        cls,
        keypoint: str,
        where: str,
        radius: float,
        probability: Float[ndarray, " points"],
        right: Bool[ndarray, " points"],
    ) -> KeptPromise:
        """Compare the probabilities of some points with what happened."""
        points = len(right)
        if points == 0:
            return cls(keypoint, where, radius, 0, math.nan, math.nan, math.nan)
        doubt = math.sqrt(float((probability * (1 - probability)).sum())) / points
        means = float(probability.mean()), float(right.mean())
        return cls(keypoint, where, radius, points, *means, doubt)

    @property
    def gap(self) -> float:
        """The observed share minus the promised one."""
        return self.observed - self.promised

    @property
    def verdict(self) -> str:
        """``too sure`` or ``too cautious``; empty where it may be right.

        The share is off by more than a tenth, and by more than chance explains (three standard
        deviations), of 10 labels or more.
        """
        far = self.points >= FEWEST_JUDGED and abs(self.gap) > max(_TENTH, _CHANCE * self.doubt)
        return ("too cautious" if self.gap > 0 else "too sure") if far else ""

    @property
    def fails(self) -> bool:
        """Whether to warn: frames that were learned from may well be better than promised."""
        return bool(self.verdict) and not (self.where == "train" and self.gap > 0)


LOOKS = {"likelihood": "train", "calibrated": "test"}
"""Curves that look like those of a split."""


def draw_reliability(
    axes: Axes,
    curves: Mapping[str, ReliabilityCurve],
    within: str,
    theme: Theme = LIGHT,
    title: str = "Reliability of the confidence",
) -> None:
    """Observed against promised probability; on the diagonal, promises are kept.

    Curves are named by `LOOKS`, by a split, or otherwise, and are about what lies ``within``, such
    as ``within 5 px``.
    """
    axes.plot([0, 1], [0, 1], color=theme.muted, linewidth=1, linestyle=(0, (4, 4)))
    entries: list[tuple[Artist, str]] = []
    for name, curve in curves.items():
        split = LOOKS.get(name, name)
        colour, shape = theme.colour(split), marker(split)
        axes.vlines(curve.predicted, curve.low, curve.high, color=colour, alpha=0.5, linewidth=1.5)
        (line,) = axes.plot(
            curve.predicted,
            curve.observed,
            color=colour,
            marker=shape,
            markersize=5,
            clip_on=False,
            linewidth=1.6,
        )
        entries.append((line, f"{name}, off by {100 * curve.calibration_error:.1f} %"))
    style_axes(
        axes,
        theme,
        title=title,
        x="confidence",
        y=f"keypoints {within}",
    )
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_formatter(PercentFormatter(1.0))
    axes.set_xlim(-0.02, 1.02)
    axes.set_ylim(-0.02, 1.02)
    add_legend(axes, theme, entries, loc="upper left")
