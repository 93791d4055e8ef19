"""Read CSV files of labels and predictions, in DeepLabCut's and Lightning Pose's layout.

Three header rows, ``scorer``, ``bodyparts`` and ``coords``, have one cell for every column of
numbers; files of several animals have a fourth, ``individuals``, after the first. In front are one
column for the image's path or the frame's number, or three for the folder, the video and the image.
Predictions of labelled frames end with a column ``set``. Every problem is reported with its line
and column.
"""

from __future__ import annotations

import math
from array import array
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import islice
from pathlib import Path

import numpy as np

from lp_core.errors import PoseError
from lp_core.poses.columns import ONE_ANIMAL, Animals, Content
from lp_core.poses.csv_header import Note, read_header
from lp_core.poses.csv_labels import label_table
from lp_core.poses.csv_text import EMPTY_CELLS, Row, opened_csv_rows
from lp_core.poses.table import Frames, PoseTable


def read_pose_csv(
    path: str | Path,
    content: Content,
    animals: Animals = ONE_ANIMAL,
    *,
    lenient: bool = False,
    note: Note | None = None,
) -> PoseTable:
    """Read a CSV file of poses.

    Args:
        path: The file.
        content: What it should hold.
        animals: Which animals to take.
        lenient: Take the paths of images as they are, even absolute ones, and a label with one
            coordinate as missing.
        note: What to do about rows and cells of labels that are wrong; by default the first is
            raised. Such rows are left out, and such cells left empty.

    Returns:
        The table, in the order of the file, in float64.

    Raises:
        PoseError: The file cannot be read without guessing what it means.
    """
    with opened_pose_csv(path, content, animals, lenient=lenient) as file:
        (table,) = file.tables(note=note or _refuse)
        return table


def read_pose_csv_chunks(
    path: str | Path, content: Content, rows: int = 1024, animals: Animals = ONE_ANIMAL
) -> Iterator[PoseTable]:
    """Read a CSV file of poses as `read_pose_csv` does, some rows at a time.

    Memory does not grow with the length of the file.

    Yields:
        Tables of consecutive rows of the file; one without rows where it has none.

    Raises:
        PoseError: Of a wrong row it is raised when its turn has come.
    """
    with opened_pose_csv(path, content, animals) as file:
        yield from file.tables(rows)


@contextmanager
def opened_pose_csv(
    path: str | Path,
    content: Content,
    animals: Animals = ONE_ANIMAL,
    *,
    lenient: bool = False,
) -> Iterator[PoseCsv]:
    """A CSV file of poses whose header has been read.

    Raises:
        PoseError: There is no such file, it is not text, or its header is not one of poses.
    """
    path = Path(path)
    if content is Content.LABELS and not path.exists():
        remedy = "check data_dir and csv_file"
        raise PoseError("there is no such label file", where=path, remedy=remedy)
    with opened_csv_rows(path, content.words) as rows:
        yield PoseCsv(path, rows, content, animals, lenient=lenient)


def _refuse(error: PoseError) -> None:
    raise error


class PoseCsv:
    """A file whose header has been read, and whose rows come next; see `opened_pose_csv`.

    Attributes:
        header: Where everything is.
        layout: The columns of numbers.
    """

    def __init__(
        self, path: Path, rows: Iterator[Row], content: Content, animals: Animals, *, lenient: bool
    ) -> None:
        self._content, self._lenient = content, lenient
        self._rows = _stripped(rows) if content is Content.LABELS else rows
        self.header = read_header(self._rows, path, content, animals)
        self.layout = self.header.layout

    def index(self) -> Iterator[str]:
        """The first cell of each row, without reading the numbers."""
        return (row.cells[0] for row in self._rows)

    def tables(self, size: int | None = None, note: Note = _refuse) -> Iterator[PoseTable]:
        """The rows as tables of at most ``size`` rows of the file, of which there is at least one.

        Raises:
            PoseError: A row is wrong, or a label file has none.
        """
        if self._content is Content.LABELS:
            yield label_table(self.header, self._rows, note, lenient=self._lenient)
            return
        table, read = self._predictions(size)
        yield table
        while read == size:
            table, read = self._predictions(size)
            if read:
                yield table

    def _predictions(self, size: int | None) -> tuple[PoseTable, int]:
        """The next rows of predictions, at most ``size``, and how many of the file they are."""
        header, cells, split, numbers = self.header, [], [], array("d")
        first, last = header.places[0], header.places[-1] + 1
        whole = last - first == len(header.places)
        for row in islice(self._rows, size):
            header.has_width(row, _refuse)
            line, found = row
            cells.append(self._path(found))
            if header.split is not None:
                split.append(found[header.split])
            chosen = found[first:last] if whole else [found[place] for place in header.places]
            done = len(numbers)
            try:
                numbers.extend(map(float, chosen))
            except ValueError:
                del numbers[done:]
                numbers.extend(self._number(cell, line, n) for n, cell in enumerate(chosen))
        numbered = all(cell.isascii() and cell.isdigit() for cell in cells)
        frame: Frames = tuple(map(int, cells)) if numbered else tuple(cells)
        values = np.array(numbers).reshape(len(cells), len(header.places))
        splits = None if header.split is None else tuple(split)
        return self.layout.table(values, frame, splits), len(cells)

    def _path(self, cells: list[str]) -> str:
        """The frame of a row: a number, or a path in one cell or several."""
        count = self.header.index_columns
        return cells[0] if count == 1 else "/".join(cells[:count]).replace("\\", "/")

    def _number(self, cell: str, line: int, column: int) -> float:
        try:
            return float(cell) if cell and cell.lower() not in EMPTY_CELLS else math.nan
        except ValueError:
            raise self.header.no_number(cell, line, column) from None


def _stripped(rows: Iterator[Row]) -> Iterator[Row]:
    """Rows without the white space around their cells."""
    for line, cells in rows:
        stripped = [cell.strip() for cell in cells]
        if any(stripped):
            yield Row(line, stripped)
