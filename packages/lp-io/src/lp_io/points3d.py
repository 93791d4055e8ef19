"""Files of points in space: DeepLabCut's wide layout with more coordinates.

Every keypoint has the coordinates ``x``, ``y`` and ``z`` in world units, and those that the table
has of ``error`` (frame px), ``views``, and the entries ``xx``, ``xy``, ``xz``, ``yy``, ``yz`` and
``zz`` of the covariance in squared world units.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice, product
from pathlib import Path
from typing import TextIO

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from lp_core.atomic import atomic_text
from lp_core.errors import PoseError, unwritable_as
from lp_core.poses import PoseTable, Skeleton
from lp_core.poses.columns import LEVELS, LEVELS_OF_SEVERAL
from lp_core.poses.csv_text import EMPTY_CELLS, opened_csv_rows, place_in, quoted
from lp_core.poses.csv_writing import header_lines, value_lines
from lp_core.poses.table import Frames, taken

_SPACE = ("x", "y", "z")
_QUALITY = ("error", "views")
_COVARIANCE = ("xx", "xy", "xz", "yy", "yz", "zz")
_ENTRIES = tuple((_SPACE.index(name[0]), _SPACE.index(name[1])) for name in _COVARIANCE)
_WORDS = "file of points in space"


@dataclass(frozen=True, eq=False)
class Points3D:
    """Poses in space, and how well the cameras agree on them.

    Attributes:
        table: R rows of K keypoints, points (R, K, 3) in world units, perhaps with covariances.
        error: (R, K) mean distance in frame px between what the cameras saw and the point that is
            projected back; NaN where there is no point.
        views: (R, K) number of cameras that saw the point.
        unit: What world units are, such as ``mm``; empty where it is not known.
    """

    table: PoseTable
    error: Float[ndarray, "rows keypoints"] | None = None
    views: Float[ndarray, "rows keypoints"] | None = None
    unit: str = ""

    @property
    def coords(self) -> tuple[str, ...]:
        """Names of the coordinates that its file has."""
        quality = [name for name in _QUALITY if getattr(self, name) is not None]
        covariance = () if self.table.covariance is None else _COVARIANCE
        return (*_SPACE, *quality, *covariance)

    def values(self) -> Float[ndarray, "rows keypoints coords"]:
        """All coordinates, in the order of `coords`."""
        parts = [self.table.points]
        parts += [each[..., None] for each in (self.error, self.views) if each is not None]
        if self.table.covariance is not None:
            first, second = zip(*_ENTRIES, strict=True)
            parts.append(self.table.covariance[..., list(first), list(second)])
        return np.concatenate(parts, axis=-1)


class Points3DWriter:
    """Writes a CSV file of points in space part by part; `points3d_writer` makes one."""

    def __init__(self, file: TextIO, individuals: Sequence[str]) -> None:
        self._file = file
        self._individuals = tuple(individuals)
        self._columns: list[tuple[str, ...]] = []

    def write(self, points: Points3D) -> None:
        """Add all rows of some frames, which no part before had.

        Raises:
            PoseError: A row is of no individual of the file, or two rows of a frame are of one.
        """
        if not self._columns:
            self._columns = _columns(points, self._individuals)
            self._file.write(header_lines(self._columns))
        frames, values = _wide(points, self._individuals)
        whole = [place for place, names in enumerate(self._columns) if names[-1] == "views"]
        for frame, line in zip(frames, value_lines(values, whole), strict=True):
            self._file.write(f"{quoted(str(frame))},{line}\n")


def _columns(points: Points3D, individuals: Sequence[str]) -> list[tuple[str, ...]]:
    table = points.table
    several = (individuals,) if individuals else ()
    return list(product((table.scorer,), *several, table.keypoint_names, points.coords))


def _wide(
    points: Points3D, individuals: Sequence[str]
) -> tuple[Frames, Float[ndarray, "frames columns"]]:
    """One row for each frame, with the values of all individuals."""
    table, values = points.table, points.values()
    if not individuals:
        if len(set(table.frame)) < len(table):
            raise PoseError("a frame has several rows, which name no individuals")
        return table.frame, values.reshape(len(values), -1)
    places = {name: place for place, name in enumerate(individuals)}
    rows_of = list(table.by_frame())
    grid = np.full((len(rows_of), len(individuals), *values.shape[1:]), np.nan)
    for place, (frame, rows) in enumerate(rows_of):
        for row in rows.tolist():
            name = (table.individual or ())[row]
            if name not in places:
                raise PoseError(f"frame {frame}: '{name}' is not one of the individuals")
            if not np.isnan(grid[place, places[name]]).all():
                raise PoseError(f"frame {frame}: '{name}' has two rows")
            grid[place, places[name]] = values[row]
    frames = tuple(frame for frame, _ in rows_of)
    return frames, grid.reshape(len(grid), -1)  # type: ignore[return-value]


@contextmanager
def points3d_writer(path: Path, individuals: Sequence[str] = ()) -> Iterator[Points3DWriter]:
    """A CSV file of points in space, which takes its name when it is complete.

    Args:
        path: The file; an existing one is replaced.
        individuals: Names of the animals; empty where rows name none.

    Raises:
        PoseError: It cannot be written.
    """
    with unwritable_as(PoseError, f"the {_WORDS}", path), atomic_text(path) as file:
        yield Points3DWriter(file, individuals)


def write_points3d(points: Points3D, path: Path) -> None:
    """Write a CSV file of points in space, which `read_points3d` reads back exactly.

    Raises:
        PoseError: It cannot be written, or two rows of a frame are of the same individual.
    """
    names = dict.fromkeys(name for name in points.table.individual or () if name is not None)
    with points3d_writer(path, tuple(names)) as writer:
        writer.write(points)


def read_points3d(path: Path) -> Points3D:
    """Read a CSV file of points in space.

    An individual has no row in the frames in which it has no point.

    Raises:
        PoseError: It is not such a file; the message names the line and the column.
    """
    with opened_csv_rows(path, _WORDS) as rows:
        header = list(islice(rows, len(LEVELS)))
        titles = [row.cells[0].strip() for row in header]
        if titles[1:2] == [LEVELS_OF_SEVERAL[1]]:
            header += list(islice(rows, 1))
            titles = [row.cells[0].strip() for row in header]
        if tuple(titles) not in (LEVELS, LEVELS_OF_SEVERAL):
            raise PoseError(
                f"this is not a {_WORDS}: its first column begins with {', '.join(titles)}",
                where=path,
                remedy=f"it should begin with {', '.join(LEVELS)}",
            )
        columns = list(zip(*(row.cells[1:] for row in header), strict=False))
        frames, values = [], []
        for row in rows:
            frames.append(row.cells[0])
            values.append(_numbers(row.cells[1:], len(columns), place_in(path, row.line)))
    return _points(path, columns, frames, np.array(values).reshape(len(frames), len(columns)))


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
    if coords[:3] != list(_SPACE) or expected != list(columns):
        raise PoseError(
            f"this is not a {_WORDS}: every keypoint should have x, y and z",
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
    if set(_COVARIANCE) <= set(coords):
        covariance = np.empty((*found.shape[:2], 3, 3))
        for name, (i, j) in zip(_COVARIANCE, _ENTRIES, strict=True):
            covariance[..., i, j] = covariance[..., j, i] = by_name[name]
    table = PoseTable(
        Skeleton(tuple(keypoints)),
        np.ascontiguousarray(found[..., :3]),
        taken(numbered, place),
        individual=tuple(names[number] for number in slot.tolist()) if several else None,
        covariance=covariance,
        scorer=scorer,
    )
    return Points3D(table, by_name.get("error"), by_name.get("views"))
