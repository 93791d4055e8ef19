"""Pixel errors in a few numbers: per split, and per keypoint within it."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from lp_analysis.errors import EvaluationError
from lp_analysis.metrics.frame_metrics import PerKeypoint
from lp_core.poses.csv_text import write_csv

SPLITS = ("train", "validation", "test", "unused")
"""The names of the splits, in the order in which tables show them."""

UNSPLIT = "test"
"""What images count as that the training knew nothing of."""

ALL_KEYPOINTS = "all keypoints"


@dataclass(frozen=True)
class ErrorStatistics:
    """What many errors look like.

    Attributes:
        mean, median, percentile_90: Frame px; NaN where there is no error at all.
        count: How many errors there are: labelled and predicted keypoints.
    """

    mean: float
    median: float
    percentile_90: float
    count: int

    @classmethod
    def of(cls, errors: Float[ndarray, ...]) -> ErrorStatistics:
        """The statistics of all errors that are not NaN."""
        known = errors[np.isfinite(errors)]
        if known.size == 0:
            return cls(math.nan, math.nan, math.nan, 0)
        median, high = np.percentile(known, [50, 90])
        return cls(float(known.mean()), float(median), float(high), int(known.size))


@dataclass(frozen=True)
class PixelErrorSummary:
    """Statistics of the pixel error of a set of labelled frames.

    Attributes:
        keypoint_names: K names.
        frames: How many frames each split has; its keys are the splits, in order.
        overall: Per split, over all keypoints at once.
        per_keypoint: Per split, K statistics.
    """

    keypoint_names: tuple[str, ...]
    frames: Mapping[str, int]
    overall: Mapping[str, ErrorStatistics]
    per_keypoint: Mapping[str, tuple[ErrorStatistics, ...]]

    @property
    def splits(self) -> tuple[str, ...]:
        """The splits that have frames: train, validation, test, unused, then any others."""
        return tuple(self.frames)

    @classmethod
    def from_errors(
        cls, errors: PerKeypoint, keypoint_names: Sequence[str], sets: Sequence[str]
    ) -> PixelErrorSummary:
        """Summarise errors.

        Args:
            errors: (N, K) frame px, NaN where there is none.
            keypoint_names: K names.
            sets: N names of the split that each frame belongs to.

        Raises:
            EvaluationError: The sizes disagree.
        """
        check_sizes(errors, keypoint_names, sets)
        rows = rows_of_splits(sets)
        return cls(
            tuple(keypoint_names),
            frames={split: len(index) for split, index in rows.items()},
            overall={split: ErrorStatistics.of(errors[index]) for split, index in rows.items()},
            per_keypoint={
                split: tuple(ErrorStatistics.of(column) for column in errors[index].T)
                for split, index in rows.items()
            },
        )


def rows_of_splits(sets: Sequence[str]) -> dict[str, list[int]]:
    """The rows of each split that occurs, in the order in which tables show the splits.

    Args:
        sets: N names of the split that each row belongs to.
    """
    occurring = dict.fromkeys(sets)
    order = [split for split in SPLITS if split in occurring]
    order += [split for split in occurring if split not in SPLITS]
    rows: dict[str, list[int]] = {split: [] for split in order}
    for row, split in enumerate(sets):
        rows[split].append(row)
    return rows


def check_sizes(values: PerKeypoint, keypoint_names: Sequence[str], rows: Sequence[object]) -> None:
    """Check that ``values`` have one row for each of ``rows`` and one column for each name.

    Raises:
        EvaluationError: They have not.
    """
    if values.shape != (len(rows), len(keypoint_names)):
        raise EvaluationError(
            f"{len(rows)} rows and {len(keypoint_names)} keypoint names do not go with values of "
            f"shape {values.shape}"
        )


def write_pixel_error_summary(summary: PixelErrorSummary, path: str | Path) -> None:
    """Write the summary as CSV: ``set, keypoint, mean, median, percentile_90, count``, in frame px.

    Args:
        summary: The errors.
        path: The file, which appears whole or not at all; an existing one is replaced.

    Raises:
        EvaluationError: The file cannot be written.
    """
    write_csv(Path(path), _summary_rows(summary), EvaluationError, "the summary")


def _summary_rows(summary: PixelErrorSummary) -> Iterator[list[str | int]]:
    yield ["set", "keypoint", "mean", "median", "percentile_90", "count"]
    for split in summary.splits:
        named = zip(summary.keypoint_names, summary.per_keypoint[split], strict=True)
        for name, cell in [*named, (ALL_KEYPOINTS, summary.overall[split])]:
            numbers = (cell.mean, cell.median, cell.percentile_90)
            yield [split, name, *("" if math.isnan(v) else f"{v:.4f}" for v in numbers), cell.count]
