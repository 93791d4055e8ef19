"""Pictures within a report: embedded, and figures in a light and a dark form."""

from __future__ import annotations

import base64
from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction

import cv2
import numpy as np
from jaxtyping import Float
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy import ndarray

from lp_analysis.errors import RenderingError
from lp_analysis.figures.plots import PIXELS, draw_training_curve, error_figure
from lp_analysis.figures.reliability import draw_reliability
from lp_analysis.figures.theme import DARK, LIGHT, Theme, new_figure, png, style_axes
from lp_analysis.metrics.curves import TrainingCurves
from lp_analysis.metrics.frame_metrics import PerKeypoint
from lp_analysis.metrics.metric_files import MetricTable
from lp_analysis.metrics.outliers import Outlier
from lp_analysis.rendering.text import Picture
from lp_analysis.report.parts import ReportedConfidence

_DPI = 130
_JPEG_QUALITY = 85
_WIDEST = 900  # px of an embedded picture
_TRACE_POINTS = 1500
_PANEL = (3.7, 2.5)  # inches of one training curve


@dataclass(frozen=True)
class Figures:
    """One figure as two ``data:`` addresses, and what it shows for those who do not see it."""

    light: str
    dark: str
    description: str


def embedded(picture: Picture) -> str:
    """A picture as the ``data:`` address of a JPEG, shrunk where it is very wide."""
    height, width = picture.shape[:2]
    if width > _WIDEST:
        size = (_WIDEST, max(round(height * _WIDEST / width), 1))
        picture = cv2.resize(picture, size, interpolation=cv2.INTER_AREA)
    bgr = cv2.cvtColor(picture, cv2.COLOR_RGB2BGR)
    done, content = cv2.imencode(".jpg", bgr, [cv2.IMWRITE_JPEG_QUALITY, _JPEG_QUALITY])
    if not done:
        raise RenderingError(f"a picture of {width}×{height} px cannot be encoded")
    return _address("image/jpeg", content.tobytes())


def _address(kind: str, content: bytes) -> str:
    return f"data:{kind};base64,{base64.b64encode(content).decode('ascii')}"


def in_both_themes(make: Callable[[Theme], Figure], description: str) -> Figures:
    """A figure drawn for light and for dark surroundings."""
    light, dark = (_address("image/png", png(make(theme), dpi=_DPI)) for theme in (LIGHT, DARK))
    return Figures(light, dark, description)


def error_figures(errors: MetricTable, unit: str = PIXELS) -> Figures:
    """Errors per keypoint and split, and their cumulative curves."""
    kind = "pixel error" if unit == PIXELS else "error in space"
    return in_both_themes(
        lambda theme: error_figure(
            errors.values, errors.keypoint_names, errors.sets or (), theme=theme, unit=unit
        ),
        f"Every {kind} by keypoint and split on a logarithmic axis, and the share of keypoints "
        "with at most that error. The table below holds the numbers.",
    )


def training_figures(curves: TrainingCurves) -> Figures | None:
    """A panel for each quantity that was logged by stage; None where there is none."""
    quantities = [name for name in curves.quantities if not name.endswith("_weighted")]
    if not quantities:
        return None
    columns = min(3, len(quantities))
    rows = -(-len(quantities) // columns)

    def draw(theme: Theme) -> Figure:
        figure = new_figure(_PANEL[0] * columns, _PANEL[1] * rows, theme)
        for number, quantity in enumerate(quantities, 1):
            axes = figure.add_subplot(rows, columns, number)
            draw_training_curve(axes, curves, quantity, theme)
        return figure

    return in_both_themes(draw, f"Training curves: {', '.join(quantities)}.")


def reliability_figures(confidence: ReportedConfidence) -> Figures:
    """Observed against promised probability: of all confidences, and of each split."""
    titles = ("Likelihood and calibrated confidence", "Calibrated confidence by split")
    panels = [(confidence.curves, titles[0]), (confidence.splits, titles[1])]
    panels = [panel for panel in panels if panel[0]]

    def draw(theme: Theme) -> Figure:
        figure = new_figure(5.0 * len(panels), 4.2, theme)
        for place, (curves, title) in enumerate(panels, 1):
            axes = figure.add_subplot(1, len(panels), place)
            draw_reliability(axes, curves, confidence.within, theme, title)
        return figure

    return in_both_themes(
        draw, "Share of keypoints within the radius against their confidence, in bins."
    )


def trace_figures(
    metric: str, values: PerKeypoint, fps: Fraction, outliers: list[Outlier]
) -> Figures:
    """The largest value of any keypoint over a video, its outliers marked and numbered by frame."""

    def draw(theme: Theme) -> Figure:
        figure = new_figure(10.0, 2.1, theme)
        _draw_trace(figure.add_subplot(), metric, values, fps, outliers, theme)
        return figure

    return in_both_themes(draw, f"{metric}: largest value of any keypoint over time.")


def _draw_trace(
    axes: Axes,
    metric: str,
    values: PerKeypoint,
    fps: Fraction,
    outliers: list[Outlier],
    theme: Theme,
) -> None:
    """Draw the largest value, (N, K) frame px, of any keypoint; of long videos, the peaks."""
    known = np.where(np.isfinite(values), values, -np.inf)
    peaks = known.max(axis=1, initial=-np.inf)
    frames, peaks = _thinned(np.where(np.isfinite(peaks), peaks, np.nan))
    axes.plot(frames / float(fps), peaks, color=theme.colour("test"), linewidth=0.9)
    for outlier in outliers:
        place = (outlier.frame / float(fps), outlier.value)
        axes.plot(*place, marker="v", markersize=5, color=theme.colour("validation"))
        axes.annotate(
            str(outlier.frame),
            place,
            xytext=(0, 5),
            textcoords="offset points",
            ha="center",
            fontsize=7,
            color=theme.foreground,
        )
    style_axes(axes, theme, title=metric[:1].upper() + metric[1:], x="time (s)", y="frame px")
    axes.margins(x=0.01, y=0.18)
    axes.set_ylim(bottom=0)


def _thinned(
    peaks: Float[ndarray, " frames"],
) -> tuple[Float[ndarray, " points"], Float[ndarray, " points"]]:
    """Frame and value of the largest of each stretch, so that no peak is lost."""
    step = max(1, -(-len(peaks) // _TRACE_POINTS))
    padded = np.pad(peaks, (0, -len(peaks) % step), constant_values=np.nan)
    stretches = np.where(np.isfinite(padded), padded, -np.inf).reshape(-1, step)
    within = stretches.argmax(axis=1) if len(stretches) else np.zeros(0, int)
    frames = np.arange(len(stretches)) * step + within
    return frames.astype(np.float64), padded[frames]
