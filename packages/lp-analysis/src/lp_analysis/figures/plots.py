"""The error plot: how large errors are, per keypoint and split, and how training went."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from jaxtyping import Float
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import (
    FuncFormatter,
    LogLocator,
    MaxNLocator,
    NullFormatter,
    PercentFormatter,
)
from numpy import ndarray

from lp_analysis.errors import EvaluationError
from lp_analysis.figures.theme import (
    LARGE,
    LIGHT,
    SMALL,
    Theme,
    add_legend,
    marker,
    new_figure,
    png,
    style_axes,
)
from lp_analysis.metrics.curves import TrainingCurves
from lp_analysis.metrics.frame_metrics import PerKeypoint
from lp_analysis.metrics.summary import ErrorStatistics, check_sizes, rows_of_splits
from lp_core.atomic import atomic_write
from lp_core.errors import unwritable_as
from lp_core.text import printable

PIXELS = "px"
ERROR_LABEL = "pixel error (frame px)"
_SMALLEST = 1e-3  # frame px; an error of 0 has no place on a logarithmic axis
_LONGEST_NAME = 30  # characters; longer names would leave no room for the errors
_STRIP_SPREAD = 0.76  # of the height of a keypoint's row, shared by its splits


def error_figure(
    errors: PerKeypoint,
    keypoint_names: Sequence[str],
    sets: Sequence[str],
    *,
    curves: TrainingCurves | None = None,
    title: str | None = None,
    theme: Theme = LIGHT,
    unit: str = PIXELS,
) -> Figure:
    """Every error by keypoint and split, the cumulative curves, and the training loss.

    Args:
        errors: (N, K) frame px, NaN where there is none.
        keypoint_names: K names.
        sets: N names of the split that each frame belongs to.
        curves: What training logged, to show the loss.
        title: A heading.
        theme: The colours.
        unit: Of the errors, where they are not pixel errors.

    Raises:
        EvaluationError: The sizes disagree.
    """
    check_sizes(errors, keypoint_names, sets)
    panels = 1 if curves is None or not curves.group("supervised_loss") else 2
    figure = new_figure(11.0, max(3.2 * panels, 1.7 + 0.3 * len(keypoint_names)), theme)
    grid = figure.add_gridspec(panels, 2, width_ratios=[1.35, 1.0])
    draw_error_strips(figure.add_subplot(grid[:, 0]), errors, keypoint_names, sets, theme, unit)
    draw_cumulative_errors(figure.add_subplot(grid[0, 1]), errors, sets, theme, unit)
    if panels == 2 and curves is not None:
        draw_training_curve(figure.add_subplot(grid[1, 1]), curves, "supervised_loss", theme)
    if title:
        heading = figure.suptitle(
            printable(title), color=theme.foreground, fontsize=LARGE, x=0.01, ha="left"
        )
        heading.set_parse_math(False)
    return figure


def write_error_plot(
    path: str | Path,
    errors: PerKeypoint,
    keypoint_names: Sequence[str],
    sets: Sequence[str],
    *,
    curves: TrainingCurves | None = None,
    title: str | None = None,
) -> None:
    """Write `error_figure` as a PNG file, which appears whole or not at all.

    Raises:
        EvaluationError: The sizes disagree, or the file cannot be written.
    """
    path = Path(path)
    picture = png(error_figure(errors, keypoint_names, sets, curves=curves, title=title))
    with unwritable_as(EvaluationError, "the plot", path), atomic_write(path) as temporary:
        temporary.write_bytes(picture)


def draw_error_strips(
    axes: Axes,
    errors: PerKeypoint,
    keypoint_names: Sequence[str],
    sets: Sequence[str],
    theme: Theme = LIGHT,
    unit: str = PIXELS,
) -> None:
    """Each error as a point, in a row per keypoint; a bar marks each split's median."""
    rows = rows_of_splits(sets)
    height = _STRIP_SPREAD / max(len(rows), 1)
    for place, (split, index) in enumerate(rows.items()):
        offset = (place - (len(rows) - 1) / 2) * height
        _draw_points(axes, errors[index], offset, height, split, theme)
        _draw_medians(axes, errors[index], offset, height, theme)
    for row in range(1, len(keypoint_names), 2):
        axes.axhspan(row - 0.5, row + 0.5, color=theme.grid, alpha=0.4, linewidth=0, zorder=0)
    style_axes(axes, theme, title="Error per keypoint", x=_error_label(unit))
    names = [_shortened(printable(name)) for name in keypoint_names]
    axes.set_yticks(range(len(names)), names, parse_math=False)
    axes.set_ylim(len(keypoint_names) - 0.5, -0.5)
    axes.grid(visible=False, axis="y")
    _pixel_axis(axes, errors)
    axes.set_title("│ median", loc="right", color=theme.muted, fontsize=SMALL)


def _error_label(unit: str) -> str:
    return ERROR_LABEL if unit == PIXELS else f"error in space ({unit or 'world units'})"


def _draw_points(
    axes: Axes, errors: PerKeypoint, offset: float, height: float, split: str, theme: Theme
) -> None:
    """One split's errors, scattered over ``height`` so that equal ones do not hide each other."""
    known = np.isfinite(errors)
    count = max(int(known.sum()), 1)
    jitter = np.random.default_rng(0).uniform(-0.36, 0.36, errors.shape) * height
    axes.scatter(
        errors[known].clip(_SMALLEST),
        (np.arange(errors.shape[1]) + offset + jitter)[known],
        s=float(np.clip(6000 / count, 5, 16)),
        marker=marker(split),
        color=theme.colour(split),
        alpha=float(np.clip(700 / count, 0.25, 0.75)),
        linewidths=0,
    )


def _draw_medians(
    axes: Axes, errors: PerKeypoint, offset: float, height: float, theme: Theme
) -> None:
    """A bar at the median of each keypoint that has errors."""
    medians = [ErrorStatistics.of(column).median for column in errors.T]
    centres = np.arange(len(medians)) + offset
    low, high = centres - height / 2, centres + height / 2
    places = np.clip(medians, _SMALLEST, None)
    axes.vlines(places, low, high, color=theme.foreground, linewidth=1.8)


def draw_cumulative_errors(
    axes: Axes,
    errors: PerKeypoint,
    sets: Sequence[str],
    theme: Theme = LIGHT,
    unit: str = PIXELS,
) -> None:
    """The share of keypoints whose error is at most x, a curve per split."""
    entries: list[tuple[Artist, str]] = []
    for split, index in rows_of_splits(sets).items():
        values = np.sort(errors[index][np.isfinite(errors[index])]).clip(_SMALLEST)
        if values.size == 0:
            continue
        (curve,) = axes.step(
            [values[0], *values, 2 * np.nanmax(errors).clip(_SMALLEST)],
            [*(np.arange(values.size + 1) / values.size), 1.0],
            where="post",
            color=theme.colour(split),
            linewidth=1.8,
            marker=marker(split),
            markersize=4.5,
            markevery=(max(values.size // 6, 1), max(values.size // 3, 1)),
        )
        entries.append((curve, f"{split}, {np.median(values):.1f} {unit}".rstrip()))
    label, share = _error_label(unit), "keypoints at most that far"
    style_axes(axes, theme, title="Cumulative error", x=label, y=share)
    axes.yaxis.set_major_formatter(PercentFormatter(1.0))
    axes.set_ylim(0, 1.02)
    _pixel_axis(axes, errors)
    add_legend(axes, theme, entries, loc="best", handlelength=1.6, title="median of")


def draw_training_curve(
    axes: Axes, curves: TrainingCurves, quantity: str, theme: Theme = LIGHT
) -> None:
    """One quantity that training logged, such as ``supervised_loss``: a curve per stage."""
    group = {stage: curve.per_epoch() for stage, curve in curves.group(quantity).items()}
    by_epoch = any(len(np.unique(curve.epochs)) > 1 for curve in group.values())
    entries: list[tuple[Artist, str]] = []
    for stage, curve in group.items():
        (line,) = axes.plot(
            curve.epochs if by_epoch else curve.steps,
            curve.values,
            color=theme.colour(stage),
            marker=marker({"val": "validation"}.get(stage, stage)),
            markersize=3.5 if len(curve.values) < 40 else 0,
            linewidth=1.6,
        )
        entries.append((line, {"train": "training", "val": "validation"}.get(stage, stage)))
    values = np.concatenate([curve.values for curve in group.values()] or [np.zeros(0)])
    if values.size and values.min() > 0 and values.max() > 10 * values.min():
        axes.set_yscale("log")
        axes.yaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0), numticks=20))
        axes.yaxis.set_major_formatter(_plain_numbers())
        axes.yaxis.set_minor_formatter(NullFormatter())
    name = quantity.replace("_", " ")
    title = name[:1].upper() + name[1:]
    unit = f"{name} (frame px)" if name.endswith("rmse") else name
    style_axes(axes, theme, title=title, x="epoch" if by_epoch else "step", y=unit)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    add_legend(axes, theme, entries, loc="upper right")


def _pixel_axis(axes: Axes, errors: Float[ndarray, ...]) -> None:
    """A logarithmic axis of pixels, ticked at 1, 2, 5, 10, 20 … in plain numbers."""
    known = errors[np.isfinite(errors)].clip(_SMALLEST)
    low, high = (np.percentile(known, 0.5), known.max()) if known.size else (0.1, 10.0)
    axes.set_xscale("log")
    axes.set_xlim(max(low / 1.3, _SMALLEST), max(high, 2 * low) * 1.15)
    axes.xaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0), numticks=20))
    axes.xaxis.set_major_formatter(_plain_numbers())
    axes.xaxis.set_minor_formatter(NullFormatter())


def _shortened(name: str) -> str:
    return name if len(name) <= _LONGEST_NAME else f"{name[: _LONGEST_NAME - 1]}…"


def _plain_numbers() -> FuncFormatter:
    return FuncFormatter(lambda value, _: f"{value:g}")
