"""Read a prediction table from CSV."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import NamedTuple

import numpy as np

from lp_io.errors import PredictionFileError
from lp_io.predictions.layout import COORDS, SET_COLUMN
from lp_io.predictions.table import PredictionTable


class _Header(NamedTuple):
    scorer: str
    keypoint_names: tuple[str, ...]
    has_sets: bool

    @property
    def width(self) -> int:
        return 1 + len(COORDS) * len(self.keypoint_names) + self.has_sets


@dataclass(frozen=True)
class _Body:
    index: list[str]
    numbers: list[list[float]]
    sets: list[str]


def read_predictions_csv(path: str | Path) -> PredictionTable:
    """Read predictions in the layout of DeepLabCut and Lightning Pose.

    Args:
        path: The file.

    Returns:
        The table, in float64; casting it to float32 gives back what float32 predictions were.

    Raises:
        PredictionFileError: The file is missing or is not a prediction table. The message names the
            line and the column.
    """
    (table,) = _tables(Path(path), None)
    return table


def read_prediction_chunks(path: str | Path, rows: int = 1024) -> Iterator[PredictionTable]:
    """Read predictions as `read_predictions_csv` does, some rows at a time.

    Memory does not grow with the length of the file.

    Args:
        path: The file.
        rows: Rows of each table but the last.

    Yields:
        Tables of consecutive rows; one without rows where the file has none.

    Raises:
        PredictionFileError: The file is missing or is not a prediction table; of a wrong row it is
            raised when its turn has come.
        ValueError: ``rows`` is not positive.
    """
    if rows < 1:
        raise ValueError(f"{rows} rows at a time")
    return _tables(Path(path), rows)


def _tables(path: Path, size: int | None) -> Iterator[PredictionTable]:
    """The file as tables of at most ``size`` rows, of which there is at least one."""
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            lines = csv.reader(file, strict=True)
            header = _header(lines, path)
            numbered = ((number, row) for number, row in enumerate(lines, 4) if row)
            body = _body(islice(numbered, size), header, path)
            yield _table(body, header)
            while size is not None and len(body.index) == size:
                body = _body(islice(numbered, size), header, path)
                if body.index:
                    yield _table(body, header)
    except (csv.Error, UnicodeDecodeError) as error:
        raise PredictionFileError(
            f"this is not a CSV file in UTF-8: {error}", where=path
        ) from error
    except OSError as error:
        raise PredictionFileError(
            f"the predictions cannot be read: {error.strerror}", where=path
        ) from error


def _table(body: _Body, header: _Header) -> PredictionTable:
    keypoints = np.array(body.numbers, dtype=np.float64)
    keypoints = keypoints.reshape(len(body.index), len(header.keypoint_names), len(COORDS))
    return PredictionTable(
        keypoint_names=header.keypoint_names,
        keypoints=np.ascontiguousarray(keypoints[..., :2]),
        confidences=np.ascontiguousarray(keypoints[..., 2]),
        index=_index(body.index),
        sets=tuple(body.sets) if header.has_sets else None,
        scorer=header.scorer,
    )


def _header(rows: Iterator[list[str]], path: Path) -> _Header:
    """The three header rows."""
    scorer, names, coords = (next(rows, []) for _ in range(3))
    firsts = [row[0] if row else "" for row in (scorer, names, coords)]
    if firsts[:2] == ["scorer", "individuals"]:
        raise PredictionFileError(
            "these are predictions of several animals, which lp does not read yet", where=path
        )
    if firsts != ["scorer", "bodyparts", "coords"]:
        raise PredictionFileError(
            "its first three lines should begin with 'scorer', 'bodyparts' and 'coords'",
            where=path,
            remedy="give a prediction table as lp, Lightning Pose or DeepLabCut write it",
        )
    has_sets = scorer[-1] == SET_COLUMN and coords[-1] == ""
    end = -1 if has_sets else None
    names, coords = names[1:end], coords[1:end]
    keypoint_names = names[:: len(COORDS)]
    expected = [name for name in keypoint_names for _ in COORDS]
    if not names or names != expected or coords != [*COORDS] * len(keypoint_names):
        raise PredictionFileError(
            "each keypoint should have the columns x, y and likelihood, in that order",
            where=f"{path}, lines 2 and 3",
            remedy="a file with x and y only is a label file, not a prediction table",
        )
    if len(set(keypoint_names)) < len(keypoint_names):
        raise PredictionFileError("a keypoint is named twice", where=f"{path}, line 2")
    return _Header(scorer[1], tuple(keypoint_names), has_sets)


def _body(rows: Iterable[tuple[int, list[str]]], header: _Header, path: Path) -> _Body:
    """The cells of rows with their numbers in the file."""
    body = _Body([], [], [])
    end = header.width - header.has_sets
    for number, row in rows:
        where = f"{path}, row {number}"
        if len(row) != header.width:
            raise PredictionFileError(
                f"the row has {len(row)} cells, the header {header.width}",
                where=where,
                remedy="was the file cut short?",
            )
        body.index.append(row[0])
        body.numbers.append(_numbers(row[1:end], where))
        if header.has_sets:
            body.sets.append(row[-1])
    return body


def _numbers(cells: Sequence[str], where: str) -> list[float]:
    """The numbers in the cells, NaN where they are empty."""
    try:
        return [float(cell) if cell else np.nan for cell in cells]
    except ValueError:
        column = next(i for i, cell in enumerate(cells) if cell and not _is_number(cell))
        raise PredictionFileError(
            f"'{cells[column][:40]}' is not a number", where=f"{where}, column {column + 2}"
        ) from None


def _is_number(cell: str) -> bool:
    try:
        float(cell)
    except ValueError:
        return False
    return True


def _index(cells: Sequence[str]) -> tuple[str, ...] | tuple[int, ...]:
    """Frame numbers if all are, otherwise image paths."""
    if all(cell.isascii() and cell.isdigit() for cell in cells):
        return tuple(int(cell) for cell in cells)
    return tuple(cells)
