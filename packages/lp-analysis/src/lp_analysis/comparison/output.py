"""A comparison as a table for other programs, and as a picture."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from lp_analysis.comparison.intervals import Comparison, over_what
from lp_analysis.errors import EvaluationError
from lp_analysis.figures.theme import LIGHT, add_legend, new_figure, png, style_axes
from lp_analysis.metrics.bootstrap import LEVEL
from lp_analysis.metrics.summary import ALL_KEYPOINTS
from lp_core.atomic import atomic_write
from lp_core.errors import unwritable_as
from lp_core.poses.csv_text import write_csv
from lp_core.text import printable

_COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#7d8590", "#e69f00", "#56b4e9", "#a8518a")
_MARKERS = "oD^svP*X"
_WHAT = "the comparison"


def reading_notes(comparison: Comparison, groups: Mapping[str, Sequence[Path]]) -> list[str]:
    """How to read the table of a comparison, in a sentence each."""
    notes = []
    for name, folders in groups.items():
        if len(folders) > 1:
            notes.append(f"{name}: {', '.join(map(str, folders))}")
    single = [group.name for group in comparison.groups if group.models == 1]
    if single:
        notes.append(
            f"one model only, so the interval is over frames, not seeds: {', '.join(single)}"
        )
    if not comparison.same_frames:
        notes.append("the models are judged on different frames, so differences are not paired")
    notes.append(
        "intervals: percentile bootstrap that draws models and frames with replacement; frames "
        "count as independent"
    )
    return notes


def write_comparison_csv(comparison: Comparison, path: Path) -> None:
    """Write ``group, keypoint, mean, low, high, models, frames, points``, in frame px.

    Raises:
        EvaluationError: The file cannot be written.
    """
    write_csv(path, _rows(comparison), EvaluationError, _WHAT)


def _rows(comparison: Comparison) -> Iterator[list[str | int]]:
    yield ["group", "keypoint", "mean", "low", "high", "models", "frames", "points"]
    names = (*comparison.keypoint_names, ALL_KEYPOINTS)
    for group in comparison.groups:
        cells = (*group.per_keypoint, group.overall)
        points = (*group.points_per_keypoint, group.points)
        for name, cell, count in zip(names, cells, points, strict=True):
            numbers = [
                "" if math.isnan(value) else f"{value:.4f}"
                for value in (cell.mean, cell.low, cell.high)
            ]
            yield [group.name, name, *numbers, group.models, group.frames, count]


def write_comparison_plot(comparison: Comparison, path: Path) -> None:
    """Write `comparison_figure` as a PNG file.

    Raises:
        EvaluationError: The file cannot be written.
    """
    picture = png(comparison_figure(comparison))
    with unwritable_as(EvaluationError, _WHAT, path), atomic_write(path) as temporary:
        temporary.write_bytes(picture)


def comparison_figure(comparison: Comparison) -> Figure:
    """A row per keypoint, a mark and its interval per group."""
    rows = len(comparison.keypoint_names) + 1
    height = 1.4 + rows * max(0.32, 0.16 * len(comparison.groups))
    figure = new_figure(8.0, height, LIGHT)
    _draw(figure.add_subplot(), comparison)
    return figure


def _draw(axes: Axes, comparison: Comparison) -> None:
    names = [printable(name) for name in (*comparison.keypoint_names, ALL_KEYPOINTS)]
    places = np.arange(len(names))
    step = 0.7 / len(comparison.groups)
    entries: list[tuple[Artist, str]] = []
    for number, group in enumerate(comparison.groups):
        cells = (*group.per_keypoint, group.overall)
        colour = _COLOURS[number % len(_COLOURS)]
        y = places + (number - (len(comparison.groups) - 1) / 2) * step
        axes.hlines(y, [c.low for c in cells], [c.high for c in cells], color=colour, linewidth=2)
        (marks,) = axes.plot(
            [cell.mean for cell in cells],
            y,
            linestyle="none",
            marker=_MARKERS[number % len(_MARKERS)],
            markersize=5,
            color=colour,
        )
        entries.append((marks, group.name))
    title = f"Mean pixel error, {LEVEL} % intervals over {over_what(comparison)}"
    style_axes(axes, LIGHT, title=title, x="pixel error (frame px)")
    axes.set_yticks(places, names, parse_math=False)
    axes.set_ylim(len(names) - 0.5, -0.5)
    axes.axhline(len(names) - 1.5, color=LIGHT.muted, linewidth=0.8)
    axes.grid(visible=False, axis="y")
    axes.set_xlim(left=0)
    add_legend(axes, LIGHT, entries, loc="best")
