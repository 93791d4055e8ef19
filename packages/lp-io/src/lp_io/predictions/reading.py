"""Read a prediction table from CSV."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import NamedTuple

import numpy as np

from lp_io.errors import PredictionFileError
from lp_io.predictions.layout import (
    COORDS,
    LEVELS,
    LEVELS_OF_SEVERAL,
    SET_COLUMN,
    header_cells,
    named_width,
)
from lp_io.predictions.table import PredictionTable
from lp_io.untrusted.content import reading
from lp_io.untrusted.individuals import columns_of_individual, refuse_wish


class _Header(NamedTuple):
    """What the header says.

    Attributes:
        scorer: Who predicted.
        keypoint_names: K names.
        columns: For each keypoint the columns of x, y and likelihood, one after the other.
        set_column: The column of the sets; None where there is none.
        width: The number of cells of every row, up to the last column with a name.
        num_rows: How many rows the header has.
    """

    scorer: str
    keypoint_names: tuple[str, ...]
    columns: tuple[int, ...]
    set_column: int | None
    width: int
    num_rows: int


@dataclass(frozen=True)
class _Body:
    index: list[str]
    numbers: list[list[float]]
    sets: list[str]


def read_predictions_csv(path: str | Path, individual: str | None = None) -> PredictionTable:
    """Read predictions in the layout of DeepLabCut and Lightning Pose.

    Columns without a name at the end, as spreadsheets leave them, are left out where they are
    empty.

    Args:
        path: The file.
        individual: Which animal to take, where the file names several; keypoints that exist once
            in the scene, DeepLabCut's animal ``single``, belong to whichever is taken.

    Returns:
        The table, in float64; casting it to float32 gives back what float32 predictions were.

    Raises:
        PredictionFileError: The file is missing or is not a prediction table. The message names the
            line and the column.
    """
    (table,) = _tables(Path(path), None, individual)
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
    return _tables(Path(path), rows, None)


def read_prediction_index(path: str | Path) -> Iterator[str]:
    """The first cell of each row of a table of predictions, without reading the numbers.

    Raises:
        PredictionFileError: The file is missing or is not a prediction table.
    """
    with _opened(Path(path), None) as (_, rows):
        for _, row in rows:
            yield row[0]


def _tables(path: Path, size: int | None, individual: str | None) -> Iterator[PredictionTable]:
    """The file as tables of at most ``size`` rows, of which there is at least one."""
    with _opened(path, individual) as (header, rows):
        body = _body(islice(rows, size), header, path)
        yield _table(body, header)
        while size is not None and len(body.index) == size:
            body = _body(islice(rows, size), header, path)
            if body.index:
                yield _table(body, header)


@contextmanager
def _opened(
    path: Path, individual: str | None
) -> Iterator[tuple[_Header, Iterator[tuple[int, list[str]]]]]:
    """The header of the file, and its rows with their numbers in the file."""
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            lines = csv.reader(file, strict=True)
            header = _header(lines, path, individual)
            first = header.num_rows + 1
            yield header, ((number, row) for number, row in enumerate(lines, first) if row)
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
        sets=None if header.set_column is None else tuple(body.sets),
        scorer=header.scorer,
    )


def _header(rows: Iterator[list[str]], path: Path, individual: str | None) -> _Header:
    """The three header rows, or four where there is one that names the animals."""
    levels = [header_cells(next(rows, [])) for _ in LEVELS]
    if [row[:1] for row in levels[:2]] == [["scorer"], ["individuals"]]:
        levels.append(header_cells(next(rows, [])))
    titles = [row[0] if row else "" for row in levels]
    if titles not in ([*LEVELS], [*LEVELS_OF_SEVERAL]):
        raise PredictionFileError(
            f"its first lines should begin with {', '.join(map(repr, LEVELS))}",
            where=path,
            remedy="give a prediction table as lp, Lightning Pose or DeepLabCut write it",
        )
    width = max(named_width(row) for row in levels)
    scorer, *between, names, coords = (_padded(row, width) for row in levels)
    has_sets = scorer[-1] == SET_COLUMN and coords[-1] == ""
    columns = list(range(1, width - has_sets))
    for individuals in between:
        with reading(path, PredictionFileError, "the table"):
            chosen = columns_of_individual([individuals[column] for column in columns], individual)
        columns = [columns[place] for place in chosen]
    if not between:
        with reading(path, PredictionFileError, "the table"):
            refuse_wish(individual)
    return _Header(
        scorer=scorer[columns[0]] if columns else "",
        keypoint_names=_keypoint_names(
            [names[column] for column in columns], [coords[column] for column in columns], path
        ),
        columns=tuple(columns),
        set_column=width - 1 if has_sets else None,
        width=width,
        num_rows=len(levels),
    )


def _padded(row: list[str], width: int) -> list[str]:
    return [*row[:width], *[""] * (width - len(row))]


def _keypoint_names(names: list[str], coords: list[str], path: Path) -> tuple[str, ...]:
    """The keypoints of columns in groups of x, y and likelihood."""
    keypoint_names = names[:: len(COORDS)]
    expected = [name for name in keypoint_names for _ in COORDS]
    if not names or names != expected or coords != [*COORDS] * len(keypoint_names):
        raise PredictionFileError(
            "each keypoint should have the columns x, y and likelihood, in that order",
            where=f"{path}, its header",
            remedy="a file with x and y only is a label file, not a prediction table",
        )
    if len(set(keypoint_names)) < len(keypoint_names):
        raise PredictionFileError("a keypoint is named twice", where=f"{path}, its header")
    return tuple(keypoint_names)


def _body(rows: Iterable[tuple[int, list[str]]], header: _Header, path: Path) -> _Body:
    """The cells of rows with their numbers in the file."""
    body = _Body([], [], [])
    for number, row in rows:
        where = f"{path}, row {number}"
        if len(row) < header.width or any(row[header.width :]):
            raise PredictionFileError(
                f"the row has {len(row)} cells, the header {header.width}",
                where=where,
                remedy="was the file cut short?"
                if len(row) < header.width
                else "name the further columns in the header, or empty them",
            )
        body.index.append(row[0])
        body.numbers.append(_numbers(row, header.columns, where))
        if header.set_column is not None:
            body.sets.append(row[header.set_column])
    return body


def _numbers(row: Sequence[str], columns: Sequence[int], where: str) -> list[float]:
    """The numbers in the columns, NaN where they are empty."""
    try:
        return [float(row[column]) if row[column] else np.nan for column in columns]
    except ValueError:
        column = next(column for column in columns if row[column] and not _is_number(row[column]))
        raise PredictionFileError(
            f"'{row[column][:40]}' is not a number", where=f"{where}, column {column + 1}"
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
