"""Pixel errors and comparisons as tables for the terminal."""

from __future__ import annotations

import math

from rich import box
from rich.table import Table
from rich.text import Text

from lp_analysis.comparison.intervals import Comparison, GroupErrors, over_what
from lp_analysis.metrics.animals import AnimalMetrics
from lp_analysis.metrics.bootstrap import LEVEL, Interval
from lp_analysis.metrics.summary import ALL_KEYPOINTS, ErrorStatistics, PixelErrorSummary
from lp_core.text import printable

_SHORT = {"validation": "valid."}  # three splits fit into 80 columns


def literal(text: str, style: str = "") -> Text:
    """Text that rich shows as it is, without markup, emoji names and control characters."""
    return Text(printable(text, keep="\n\t"), style=style)


def pixel_error_table(summary: PixelErrorSummary) -> Table:
    """A row per keypoint; mean, median and 90th percentile per split, in frame px."""
    table = Table(title="Pixel error (frame px)", box=box.SIMPLE_HEAD, padding=0)
    table.add_column("\nkeypoint", overflow="fold")  # names give way, numbers are never cut
    for split in summary.splits:
        for heading, statistic in (
            (_SHORT.get(split, split), "mean"),
            ("", "median"),
            ("", "90 %"),
        ):
            table.add_column(
                literal(f"{heading}\n{statistic}"), justify="right", no_wrap=True, min_width=6
            )
    for row, name in enumerate(summary.keypoint_names):
        cells = [summary.per_keypoint[split][row] for split in summary.splits]
        table.add_row(literal(name), *_numbers(cells))
    table.add_section()
    overall = [summary.overall[split] for split in summary.splits]
    table.add_row(literal(ALL_KEYPOINTS), *_numbers(overall), style="bold")
    table.add_row("labelled points", *_counts([cell.count for cell in overall]), style="dim")
    table.add_row("frames", *_counts(list(summary.frames.values())), style="dim")
    return table


def _numbers(cells: list[ErrorStatistics]) -> list[str]:
    values = [value for cell in cells for value in (cell.mean, cell.median, cell.percentile_90)]
    return ["–" if math.isnan(value) else _short(value) for value in values]


def _short(value: float) -> str:
    """A number in five characters, so that no terminal cuts it."""
    return f"{value:.{2 if value < 99.995 else 1 if value < 999.95 else 0}f}"


def _counts(counts: list[int]) -> list[str]:
    return [text for count in counts for text in (str(count), "", "")]


def animal_metrics_table(metrics: AnimalMetrics) -> Table:
    """A row per metric, a column per contact level; intervals of all levels together."""
    table = Table(title="Animals, by distance to the nearest other", box=box.SIMPLE_HEAD)
    table.add_column("metric")
    pooled, *levels = metrics.values
    total = metrics.values[pooled]["animals"].mean
    levels = [level for level in levels if 0 < metrics.values[level]["animals"].mean < total]
    for level in (pooled, *levels):
        table.add_column(level, justify="right")
    for name, cell in metrics.values[pooled].items():
        values = [metrics.values[level].get(name) for level in levels]
        table.add_row(name, _with_interval(cell), *(_four(v.mean) if v else "" for v in values))
    return table


def _with_interval(cell: Interval) -> str:
    around = "" if math.isnan(cell.low) else f" [{_four(cell.low)}, {_four(cell.high)}]"
    return _four(cell.mean) + around


def _four(value: float) -> str:
    """Four digits, or all those of a larger number."""
    return "–" if math.isnan(value) else f"{value:.4g}" if abs(value) < 1e4 else f"{value:.0f}"


def comparison_table(comparison: Comparison) -> Table:
    """A row per keypoint, a column per group: mean and interval, in frame px."""
    title = f"Mean pixel error (frame px) with {LEVEL} % intervals over {over_what(comparison)}"
    table = Table(title=literal(title), box=box.SIMPLE_HEAD, padding=(0, 1))
    table.add_column("keypoint")
    for group in comparison.groups:
        table.add_column(literal(group.name), justify="right")
    for row, name in enumerate(comparison.keypoint_names):
        cells = [_words(group.per_keypoint[row]) for group in comparison.groups]
        table.add_row(literal(name), *cells)
    table.add_section()
    overall = [_words(group.overall) for group in comparison.groups]
    table.add_row(literal(ALL_KEYPOINTS), *overall, style="bold")
    if len(comparison.groups) > 1:
        first = literal(f"less that of {comparison.groups[0].name}")
        table.add_row(first, *map(_difference, comparison.groups))
    for what in ("models", "frames", "points"):
        table.add_row(what, *(str(getattr(g, what)) for g in comparison.groups), style="dim")
    return table


def _words(interval: Interval) -> str:
    if math.isnan(interval.mean):
        return "–"
    return f"{interval.mean:.2f} [{interval.low:.2f}, {interval.high:.2f}]"


def _difference(group: GroupErrors) -> str:
    gap = group.difference
    if gap is None or math.isnan(gap.mean):
        return "–"
    return f"{gap.mean:+.2f} [{gap.low:+.2f}, {gap.high:+.2f}]"
