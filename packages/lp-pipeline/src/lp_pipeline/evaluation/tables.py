"""Pixel errors as a table for the terminal and as a table for other programs."""

from __future__ import annotations

import csv
import math
from collections.abc import Iterator
from pathlib import Path

from rich import box
from rich.table import Table

from lp_core.atomic import written_beside
from lp_core.errors import unwritable
from lp_pipeline.display import literal
from lp_pipeline.errors import EvaluationError
from lp_pipeline.evaluation.summary import ErrorStatistics, PixelErrorSummary

ALL_KEYPOINTS = "all keypoints"

_SHORT = {"validation": "valid."}  # three splits fit into 80 columns


def pixel_error_table(summary: PixelErrorSummary, *, title: str | None = None) -> Table:
    """A table for the terminal: a row per keypoint; mean, median and 90th percentile per split.

    Args:
        summary: The errors, in frame px.
        title: What the table is about; None names the quantity and its unit.
    """
    table = Table(title=literal(title or "Pixel error (frame px)"), box=box.SIMPLE_HEAD, padding=0)
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


def write_pixel_error_summary(summary: PixelErrorSummary, path: str | Path) -> None:
    """Write the summary as CSV: ``set, keypoint, mean, median, percentile_90, count``, in frame px.

    Args:
        summary: The errors.
        path: The file, which appears whole or not at all; an existing one is replaced.

    Raises:
        EvaluationError: The file cannot be written.
    """
    path = Path(path)
    try:
        with written_beside(path) as beside, beside.open("w", encoding="utf-8", newline="") as file:
            writer = csv.writer(file, lineterminator="\n")
            writer.writerow(["set", "keypoint", "mean", "median", "percentile_90", "count"])
            writer.writerows(_summary_rows(summary))
    except OSError as error:
        raise unwritable(EvaluationError, "the summary", path, error) from error


def _summary_rows(summary: PixelErrorSummary) -> Iterator[list[str | int]]:
    for split in summary.splits:
        named = zip(summary.keypoint_names, summary.per_keypoint[split], strict=True)
        for name, cell in [*named, (ALL_KEYPOINTS, summary.overall[split])]:
            numbers = (cell.mean, cell.median, cell.percentile_90)
            yield [split, name, *("" if math.isnan(v) else f"{v:.4f}" for v in numbers), cell.count]
