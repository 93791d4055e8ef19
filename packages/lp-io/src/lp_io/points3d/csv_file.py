"""CSV files of points in space."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import count, islice, product
from pathlib import Path
from typing import TextIO

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from lp_core.errors import PoseError
from lp_core.poses import PoseTable, Skeleton
from lp_core.poses.columns import LEVELS, LEVELS_OF_SEVERAL
from lp_core.poses.csv_text import EMPTY_CELLS, Row, opened_csv_rows, place_in, quoted
from lp_core.poses.csv_writing import header_lines, value_lines
from lp_core.poses.table import Frames, taken
from lp_io.points3d.content import (
    COVARIANCE,
    ENTRIES,
    LIKELIHOOD,
    SPACE,
    WORDS,
    Column,
    Points3D,
    columns_of,
    wide_of,
)


class CsvWriter:
    """Writes a CSV file of points in space part by part."""

    def __init__(self, file: TextIO, individuals: Sequence[str]) -> None:
        self._file = file
        self._individuals = tuple(individuals)
        self._columns: list[Column] = []

    def write(self, points: Points3D) -> None:
        """Add all rows of some frames, which no part before had.

        Raises:
            PoseError: A row is of no individual of the file, or two rows of a frame are of one.
        """
        if not self._columns:
            self._columns = columns_of(points, self._individuals)
            self._file.write(header_lines(self._columns))
        frames, values = wide_of(points, self._individuals)
        whole = [place for place, names in enumerate(self._columns) if names[-1] == "views"]
        for frame, line in zip(frames, value_lines(values, whole), strict=True):
            self._file.write(f"{quoted(str(frame))},{line}\n")


def read_points3d(path: Path) -> Points3D:
    """Read a CSV file of points in space.

    An individual has no row in the frames in which it has no point.

    Raises:
        PoseError: It is not such a file; the message names the line and the column.
    """
    (whole,) = read_points3d_chunks(path, None)
    return whole


def read_points3d_chunks(path: Path, frames: int | None = 1024) -> Iterator[Points3D]:
    """Read a CSV file of points in space some frames at a time, at least once.

    Args:
        path: The file.
        frames: How many rows of the file at most; None reads it whole.

    Raises:
        PoseError: As `read_points3d`.
    """
    with opened_csv_rows(path, WORDS) as rows:
        columns = _read_columns(path, rows)
        for place in count():
            some = list(islice(rows, frames))
            if not some and place:
                return
            values = [_numbers(r.cells[1:], len(columns), place_in(path, r.line)) for r in some]
            grid = np.array(values).reshape(len(some), len(columns))
            yield _points(path, columns, [row.cells[0] for row in some], grid)


def _read_columns(path: Path, rows: Iterator[Row]) -> list[tuple[str, ...]]:
    """The names of the columns, which the first rows tell."""
    header = list(islice(rows, len(LEVELS)))
    titles = [row.cells[0].strip() for row in header]
    if titles[1:2] == [LEVELS_OF_SEVERAL[1]]:
        header += list(islice(rows, 1))
        titles = [row.cells[0].strip() for row in header]
    if tuple(titles) not in (LEVELS, LEVELS_OF_SEVERAL):
        raise PoseError(
            f"this is not a {WORDS}: its first column begins with {', '.join(titles)}",
            where=path,
            remedy=f"it should begin with {', '.join(LEVELS)}",
        )
    return list(zip(*(row.cells[1:] for row in header), strict=False))


def _numbers(cells: Sequence[str], count: int, where: str) -> list[float]:
    if len(cells) != count:
        raise PoseError(f"a row has {len(cells)} values, the header {count}", where=where)
    try:
        return [np.nan if cell.strip().lower() in EMPTY_CELLS else float(cell) for cell in cells]
    except ValueError as error:
        raise PoseError(f"a cell is not a number: {error}", where=where) from error


def _points(
    path: Path,
    columns: Sequence[tuple[str, ...]],
    frames: Sequence[str],
    values: Float[ndarray, "frames columns"],
) -> Points3D:
    """The points of columns, which are those of every individual, keypoint and coordinate."""
    several = bool(columns) and len(columns[0]) > len(LEVELS)
    names = list(dict.fromkeys(column[1] for column in columns)) if several else []
    keypoints = list(dict.fromkeys(column[-2] for column in columns))
    coords = list(dict.fromkeys(column[-1] for column in columns))
    scorer = columns[0][0] if columns else "scorer"
    expected = list(product((scorer,), *((names,) if several else ()), keypoints, coords))
    if coords[:3] != list(SPACE) or expected != list(columns):
        raise PoseError(
            f"this is not a {WORDS}: every keypoint should have x, y and z",
            where=path,
        )
    if all(frame.isdecimal() for frame in frames):
        numbered: Frames = tuple(map(int, frames))
    else:
        numbered = tuple(frames)
    grid = values.reshape(len(frames), max(len(names), 1), len(keypoints), len(coords))
    present = (
        ~np.isnan(grid[..., :3]).all(axis=(2, 3)) if several else np.ones(grid.shape[:2], bool)
    )
    place, slot = present.nonzero()
    found = grid[place, slot]
    by_name = {coord: np.ascontiguousarray(found[..., n]) for n, coord in enumerate(coords)}
    covariance = None
    if set(COVARIANCE) <= set(coords):
        covariance = np.empty((*found.shape[:2], 3, 3))
        for name, (i, j) in zip(COVARIANCE, ENTRIES, strict=True):
            covariance[..., i, j] = covariance[..., j, i] = by_name[name]
    table = PoseTable(
        Skeleton(tuple(keypoints)),
        np.ascontiguousarray(found[..., :3]),
        taken(numbered, place),
        individual=tuple(names[number] for number in slot.tolist()) if several else None,
        covariance=covariance,
        confidence=by_name.get(LIKELIHOOD),
        scorer=scorer,
    )
    return Points3D(table, by_name.get("error"), by_name.get("views"))
