"""Covariances of the keypoints of predictions, in ``<stem>_covariance.csv`` beside their table.

A row for each row of the table, and of each keypoint the columns ``<name>_xx``, ``<name>_xy`` and
``<name>_yy``, in px².
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from lp_core.atomic import atomic_text
from lp_core.errors import PoseError, unwritable_as
from lp_core.poses.csv_text import Row, csv_line, opened_csv_rows, place_in, quoted
from lp_core.poses.csv_writing import value_lines
from lp_io.predictions.streaming import RowsCsvWriter

ENTRIES = ("xx", "xy", "yy")

Covariance = Float[ndarray, "rows keypoints 2 2"]


def covariance_path(table: Path) -> Path:
    """Where the covariances of a table of predictions lie."""
    return table.with_name(f"{table.stem}_covariance.csv")


class CovarianceCsvWriter(RowsCsvWriter):
    """The covariances of predictions of a video, written as `RowsCsvWriter` does.

    Args:
        table: The table of predictions.
        keypoint_names: K names.
        identity: What the rows depend on.
        resume: Take over the rows of an interrupted writer.
    """

    def __init__(
        self,
        table: Path,
        keypoint_names: Sequence[str],
        *,
        identity: str = "",
        resume: bool = False,
    ) -> None:
        header, cells = _header(keypoint_names), len(ENTRIES) * len(keypoint_names)
        super().__init__(covariance_path(table), header, cells, identity=identity, resume=resume)

    def append(self, covariance: Covariance) -> None:
        """Write those of the next frames."""
        self.append_values(_flat(covariance))


def write_covariance(
    table: Path, keypoint_names: Sequence[str], index: Sequence[str], covariance: Covariance
) -> None:
    """Write the covariances of a table of N labelled images.

    Args:
        table: The table of predictions.
        keypoint_names: K names.
        index: The first cell of each row.
        covariance: (N, K, 2, 2) px².

    Raises:
        PoseError: The file cannot be written.
    """
    path = covariance_path(table)
    with unwritable_as(PoseError, "the covariances", path), atomic_text(path) as file:
        file.write(_header(keypoint_names))
        lines = value_lines(_flat(covariance))
        file.writelines(f"{quoted(c)},{line}\n" for c, line in zip(index, lines, strict=True))


def read_covariance(table: Path, size: int = 4096) -> Iterator[Covariance]:
    """The covariances of the rows of a table of predictions, at most ``size`` at a time.

    Raises:
        PoseError: There is no such file, it is not one, or it is damaged.
    """
    path = covariance_path(table)
    with opened_csv_rows(path, "table of covariances") as rows:
        header = next(rows, Row(0, [])).cells
        names = [name.rpartition("_")[2] for name in header[1:]]
        K = len(names) // len(ENTRIES)
        if not K or names != [*ENTRIES] * K:
            raise PoseError(
                "this is not a table of covariances", where=path, remedy="predict the video again"
            )
        yield from _parts(rows, path, len(names), size)


def _parts(rows: Iterator[Row], path: Path, cells: int, size: int) -> Iterator[Covariance]:
    while some := list(islice(rows, size)):
        values = np.array([_numbers(row, path, cells) for row in some])
        xx, xy, yy = np.moveaxis(values.reshape(len(values), -1, len(ENTRIES)), -1, 0)
        yield np.stack([xx, xy, xy, yy], axis=-1).reshape(*xx.shape, 2, 2)


def _numbers(row: Row, path: Path, cells: int) -> list[float]:
    """The values of one line."""
    where = place_in(path, row.line)
    if len(row.cells) != cells + 1:
        problem = f"the line has {len(row.cells)} cells, the header {cells + 1}"
        raise PoseError(problem, where=where)
    try:
        return [float(cell or "nan") for cell in row.cells[1:]]
    except ValueError as error:
        raise PoseError("a cell is not a number", where=where) from error


def _header(keypoint_names: Sequence[str]) -> str:
    return csv_line(["", *(f"{name}_{entry}" for name in keypoint_names for entry in ENTRIES)])


def _flat(covariance: Covariance) -> Float[ndarray, "rows cells"]:
    entries = [covariance[..., 0, 0], covariance[..., 0, 1], covariance[..., 1, 1]]
    return np.stack(entries, axis=-1).reshape(len(covariance), -1)
