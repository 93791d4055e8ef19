"""Whether probabilities keep what they promise: reliability curves and their plot."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.ticker import PercentFormatter
from numpy import ndarray

from lp_analysis.errors import EvaluationError
from lp_analysis.figures.theme import LIGHT, Theme, add_legend, style_axes

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


def draw_reliability(
    axes: Axes, curves: Mapping[str, ReliabilityCurve], radius: float, theme: Theme = LIGHT
) -> None:
    """Observed against promised probability; on the diagonal, promises are kept.

    There may be up to four curves, and ``radius`` is the frame px that they are about.
    """
    axes.plot([0, 1], [0, 1], color=theme.muted, linewidth=1, linestyle=(0, (4, 4)))
    looks = zip(("train", "test", "validation", "unused"), "s^oD", strict=True)
    entries: list[tuple[Artist, str]] = []
    for (name, curve), (split, shape) in zip(curves.items(), looks, strict=False):
        colour = theme.colour(split)
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
        title="Reliability of the confidence",
        x="confidence",
        y=f"keypoints within {radius:.3g} px",
    )
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_formatter(PercentFormatter(1.0))
    axes.set_xlim(-0.02, 1.02)
    axes.set_ylim(-0.02, 1.02)
    add_legend(axes, theme, entries, loc="upper left")
