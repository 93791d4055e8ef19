"""The metric files that lie beside predictions: a row per frame, a column per keypoint.

Their names and layout are those of Lightning Pose: ``predictions_pixel_error.csv``, whose index is
the image path and whose last column is ``set``; and ``<video>_temporal_norm.csv``,
``<video>_pca_singleview_error.csv`` and ``<video>_pca_multiview_error.csv``, whose index is the
frame's number. Values are in frame px, but for calibrated confidences, which are probabilities; an
empty cell is a missing value.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from itertools import chain, islice
from pathlib import Path
from typing import TextIO

import numpy as np

from lp_analysis.errors import EvaluationError
from lp_analysis.metrics.frame_metrics import FrameMetric, PerKeypoint
from lp_analysis.metrics.summary import check_sizes
from lp_core.atomic import atomic_text
from lp_core.errors import unwritable_as
from lp_core.poses.csv_header import SPLIT_COLUMN
from lp_core.poses.csv_text import Row, csv_line, opened_csv_rows, place_in, quoted
from lp_core.poses.csv_writing import value_lines
from lp_io.checkpoint.loading import stored_weights_digest
from lp_io.predictions import VideoPredictions, holds_several
from lp_io.predictions.source import is_of_other_weights

_DECIMALS = 6
_ROWS = 4096


@dataclass(frozen=True, eq=False)
class MetricTable:
    """One metric of N frames.

    Attributes:
        keypoint_names: K names.
        index: N image paths, or N frame numbers as text.
        values: (N, K) frame px, NaN where missing.
        sets: N names of splits; None where the file has no ``set`` column.

    Raises:
        EvaluationError: The sizes disagree.
    """

    keypoint_names: tuple[str, ...]
    index: tuple[str, ...]
    values: PerKeypoint
    sets: tuple[str, ...] | None = None

    def __post_init__(self) -> None:
        for rows in (self.index, self.index if self.sets is None else self.sets):
            check_sizes(self.values, self.keypoint_names, rows)

    def rows(self, rows: Sequence[int]) -> MetricTable:
        """Some rows, in that order."""
        index = tuple(self.index[row] for row in rows)
        sets = None if self.sets is None else tuple(self.sets[row] for row in rows)
        return MetricTable(self.keypoint_names, index, self.values[list(rows)], sets)

    def select_keypoints(self, names: Sequence[str]) -> MetricTable:
        """Some columns, in that order."""
        columns = [self.keypoint_names.index(name) for name in names]
        return MetricTable(tuple(names), self.index, self.values[:, columns], self.sets)


def metric_path(predictions: str | Path, metric: str) -> Path:
    """Where a metric of a prediction file lies: beside it, as ``<stem>_<metric>.csv``."""
    predictions = Path(predictions)
    return predictions.with_name(f"{predictions.stem}_{metric}.csv")


class MetricRows:
    """An open metric file that takes rows; made by `metric_file`."""

    def __init__(
        self, file: TextIO, keypoint_names: Sequence[str], *, with_set: bool, corner: str = ""
    ) -> None:
        self._file = file
        self._names = tuple(keypoint_names)
        self._with_set = with_set
        self._count = 0
        file.write(csv_line([corner, *self._names, *[SPLIT_COLUMN] * with_set]))

    def append(
        self,
        values: PerKeypoint,
        *,
        index: Sequence[str] | None = None,
        sets: Sequence[str] | None = None,
    ) -> None:
        """Write the next frames.

        Args:
            values: (n, K) frame px.
            index: n image paths; None numbers the frames on from those already written.
            sets: n names of splits, where the file has a ``set`` column.

        Raises:
            EvaluationError: The sizes disagree.
        """
        numbers = range(self._count, self._count + len(values))
        labels: Sequence[object] = numbers if index is None else index
        check_sizes(values, self._names, labels)
        if (sets is not None) != self._with_set or len(sets or labels) != len(labels):
            raise EvaluationError("a split is needed for each row exactly where the file has them")
        lines = value_lines(np.round(values.astype(np.float64), _DECIMALS))
        tails = [""] * len(labels) if sets is None else [f",{quoted(name)}" for name in sets]
        self._file.writelines(
            f"{quoted(str(label))},{line}{tail}\n"
            for label, line, tail in zip(labels, lines, tails, strict=True)
        )
        self._count += len(values)


@contextmanager
def metric_file(
    path: str | Path, keypoint_names: Sequence[str], *, with_set: bool = False, corner: str = ""
) -> Iterator[MetricRows]:
    """A metric file to write chunk by chunk; memory does not grow with its length.

    Args:
        path: The file. It takes this name when the block ends well; otherwise what was there stays.
        keypoint_names: K names.
        with_set: Whether each row tells its split in a last column.
        corner: What to say in the first cell, which heads the index.

    Yields:
        The file, to append rows to.

    Raises:
        EvaluationError: The file cannot be written.
    """
    path = Path(path)
    with unwritable_as(EvaluationError, "the metric file", path), atomic_text(path) as file:
        yield MetricRows(file, keypoint_names, with_set=with_set, corner=corner)


def write_metric_file(table: MetricTable, path: str | Path) -> None:
    """Write a whole metric file that `read_metric_file` reads back, to 10⁻⁶ px.

    Raises:
        EvaluationError: The file cannot be written, or the table's sizes disagree.
    """
    with metric_file(path, table.keypoint_names, with_set=table.sets is not None) as rows:
        rows.append(table.values, index=table.index, sets=table.sets)


def write_metric_tables(predictions: Path, metrics: Mapping[str, FrameMetric]) -> list[Path]:
    """Write ``<stem>_<metric>.csv`` beside a table of predictions for each metric.

    They have the rows of the table, in the order of their frames. Memory does not grow with the
    length of the table. The files appear together, when all of them are complete.

    Args:
        predictions: The table, as ``litpose predict`` writes it.
        metrics: By name, such as ``pca_singleview_error``; called once per chunk, in order. Where
            frames have no row, a pose of NaN stands for them.

    Returns:
        The files written; none of a table of several animals, whose movements are not metrics yet.

    Raises:
        PoseError: The table cannot be read, or its frame numbers repeat.
        EvaluationError: A file cannot be written.
    """
    if not metrics or holds_several(predictions):
        return []
    table = VideoPredictions(predictions)
    paths = {name: metric_path(predictions, name) for name in metrics}
    last = -1
    with ExitStack() as stack:
        files = {
            name: stack.enter_context(metric_file(path, table.keypoint_names))
            for name, path in paths.items()
        }
        for chunk in table.rows():
            numbers = np.array(chunk.frame, dtype=np.int64)
            gaps = np.flatnonzero(np.diff(numbers, prepend=last) > 1)
            poses = np.insert(chunk.points, gaps, np.nan, axis=0)
            known = np.insert(np.ones(len(numbers), bool), gaps, False)
            index = tuple(str(number) for number in chunk.frame)
            for name, metric in metrics.items():
                files[name].append(metric(poses)[known], index=index)
            last = int(numbers[-1]) if len(numbers) else last
    return list(paths.values())


def read_metric_file(path: str | Path) -> MetricTable:
    """Read a metric file, ours or Lightning Pose's.

    Raises:
        PoseError: The file cannot be read.
        EvaluationError: It is not a metric file; the message names the line.
    """
    path = Path(path)
    with opened_csv_rows(path, "metric file") as rows:
        header = next(rows, Row(0, [])).cells
        if len(header) < 2:
            raise EvaluationError("the file is empty or has no keypoints", where=path)
        first = list(islice(rows, 1))
        # the last keypoint may have that name, too
        with_set = header[-1] == SPLIT_COLUMN and not any(_is_value(r.cells[-1]) for r in first)
        names = tuple(header[1:-1] if with_set else header[1:])
        parts, index, sets = [np.zeros((0, len(names)))], [], []
        rows = chain(first, rows)
        while some := list(islice(rows, _ROWS)):  # arrays take less memory than lists
            parts.append(np.array([_numbers(row, header, len(names), path) for row in some]))
            index += [row.cells[0] for row in some]
            sets += [row.cells[-1] for row in some if with_set]
    split = tuple(sets) if with_set else None
    return MetricTable(names, tuple(index), np.concatenate(parts), split)


def _is_value(cell: str) -> bool:
    """Whether a cell holds a number, or nothing, and so no name of a split."""
    try:
        float(cell or "nan")
    except ValueError:
        return False
    return True


def _numbers(row: Row, header: list[str], count: int, path: Path) -> list[float]:
    """The values of one line."""
    if len(row.cells) != len(header):
        problem = f"the line has {len(row.cells)} cells, the header {len(header)}"
        raise EvaluationError(problem, where=place_in(path, row.line))
    try:
        return [float(cell or "nan") for cell in row.cells[1 : count + 1]]
    except ValueError as error:
        column = next(n for n, cell in enumerate(row.cells[1:], 1) if not _is_value(cell))
        where = place_in(path, row.line, column, header[column])
        raise EvaluationError(f"'{row.cells[column]}' is not a number", where=where) from error


def outdated_tables(model_dir: Path, tables: Sequence[Path]) -> list[Path]:
    """Those tables of a model directory that other weights have predicted than it has now."""
    now = stored_weights_digest(model_dir) if tables else None
    return [table for table in tables if is_of_other_weights(table, now)]


def refuse_outdated(model_dir: Path, table: Path, remedy: str, also: str = "") -> None:
    """Refuse a table that other weights have predicted than the model directory has now.

    Args:
        model_dir: The model directory.
        table: The predictions.
        remedy: What to do about it.
        also: What else is wrong, at the end of the sentence.

    Raises:
        EvaluationError: It is such a table.
    """
    if outdated_tables(model_dir, [table]):
        problem = f"other weights have predicted this table than the model has now{also}"
        raise EvaluationError(problem, where=table, remedy=remedy)
