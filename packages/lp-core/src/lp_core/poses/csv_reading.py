"""Read CSV files of labels and predictions, in DeepLabCut's and Lightning Pose's layout.

Three header rows, ``scorer``, ``bodyparts`` and ``coords``, have one cell for every column of
numbers; files of several animals have a fourth, ``individuals``, after the first. In front are one
column for the image's path or the frame's number, or three for the folder, the video and the image.
Predictions of labelled frames end with a column ``set``. Every problem is told with its line and
column.
"""

from __future__ import annotations

import math
import re
from array import array
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import NamedTuple, TextIO

import numpy as np
from jaxtyping import Bool, Float
from numpy import ndarray

from lp_core.errors import PoseError
from lp_core.poses.columns import (
    LEVELS,
    LEVELS_OF_SEVERAL,
    ONE_ANIMAL,
    Animals,
    Content,
    Places,
    WideLayout,
    parse_columns,
)
from lp_core.poses.csv_text import Row, csv_rows, opened_csv, place_in
from lp_core.poses.table import Frames, PoseTable, Visibility

SPLIT_COLUMN = "set"
EMPTY_CELLS = frozenset({"", "nan", "na", "n/a", "null", "none", "<na>"})

Note = Callable[[PoseError], None]
"""What to do about a row or a cell that is wrong: raise the error, or write it down."""

_ROWS = 512  # few enough to stay in the cache of the processor
_PATH_COLUMNS = (1, 3)
_PLACEHOLDER = re.compile(r"Unnamed: \d+_level_\d+")  # what pandas writes for an empty cell
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_DRIVE = re.compile(r"^[A-Za-z]:")
_FOLDER = "labeled-data"  # of DeepLabCut and Lightning Pose
_NUMBER = frozenset("0123456789+-.eE")


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
        ValueError: ``rows`` is not positive.
    """
    if rows < 1:
        raise ValueError(f"{rows} rows at a time")
    return _chunks(path, content, rows, animals)


def _chunks(path: str | Path, content: Content, rows: int, animals: Animals) -> Iterator[PoseTable]:
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
    with opened_csv(path, content.words) as file:
        yield PoseCsv(path, file, content, animals, lenient=lenient)


def _refuse(error: PoseError) -> None:
    raise error


class _Block(NamedTuple):
    """Some rows of predictions: their first cells, their numbers and the names of their splits."""

    cells: list[str]
    values: Float[ndarray, "rows columns"]
    split: list[str]


class _HeaderPlaces(Places):
    """Where the columns of numbers are in the header rows of a file."""

    def __init__(self, path: Path, named: dict[str, Row], places: Sequence[int]) -> None:
        self._path, self._named, self._places = path, named, places

    def number(self, column: int) -> int:
        return self._places[column] + 1

    def words(self, level: str, column: int) -> str:
        place = self._places[column]
        name = self._named["bodyparts"].cells[place] if level == "coords" else ""
        return place_in(self._path, self._named[level].line, place, name)


class PoseCsv:
    """A file whose header has been read, and whose rows come next; see `opened_pose_csv`.

    Attributes:
        layout: What the header says.
    """

    def __init__(
        self, path: Path, file: TextIO, content: Content, animals: Animals, *, lenient: bool
    ) -> None:
        self.path = path
        self._content, self._lenient = content, lenient
        self._rows = csv_rows(file, path)
        if content is Content.LABELS:
            self._rows = _stripped(self._rows)
        named = self._header_rows()
        self._width = len(named["coords"].cells)
        self._index_columns = self._count_index_columns(named)
        places = [
            column
            for column in range(self._index_columns, self._width)
            if any(row.cells[column] for row in named.values())
        ]
        self._split = self._split_column(named)
        self._nameless = set(range(self._index_columns, self._width)) - {*places}
        self._places = [place for place in places if place != self._split]
        if not self._places:
            raise PoseError("the header names no keypoint", where=path, remedy=self._remedy)
        columns = [tuple(row.cells[place] for row in named.values()) for place in self._places]
        where = _HeaderPlaces(path, named, self._places)
        self.layout: WideLayout = parse_columns(columns, content, animals, where)

    @property
    def _remedy(self) -> str:
        return f"a {self._content.words} begins with the rows scorer, bodyparts and coords"

    def _header_rows(self) -> dict[str, Row]:
        """The rows of the header by their first cell, without columns at the end without a name."""
        titles: Sequence[str] = LEVELS
        named: dict[str, Row] = {}
        for row in islice(self._rows, len(LEVELS_OF_SEVERAL)):
            title = row.cells[0].strip().lower()
            if len(named) == 1 and title == "individuals":
                titles = LEVELS_OF_SEVERAL
            expected = titles[len(named)]
            if not named:
                self._refuse_other_delimiter(row)
            if title != expected:
                raise PoseError(
                    f"the header row '{expected}' is missing: this line begins with "
                    f"'{row.cells[0][:40]}'",
                    where=place_in(self.path, row.line),
                    remedy=self._remedy,
                )
            cells = ["" if _PLACEHOLDER.fullmatch(cell) else cell for cell in row.cells]
            named[title] = Row(row.line, cells)
            if len(named) == len(titles):
                break
        if not named:
            raise PoseError(f"the {self._content.words} is empty", where=self.path)
        if len(named) < len(titles):
            missing = ", ".join(titles[len(named) :])
            raise PoseError(f"the header lacks: {missing}", where=self.path, remedy=self._remedy)
        if self._content is Content.LABELS:
            self._refuse_control(named)
        return self._of_one_width(named)

    def _refuse_other_delimiter(self, row: Row) -> None:
        for delimiter, word in ((";", "semicolons"), ("\t", "tabs")):
            if len(row.cells) == 1 and row.cells[0].lower().startswith(f"scorer{delimiter}"):
                raise PoseError(
                    f"the cells are separated by {word}, not by commas",
                    where=place_in(self.path, row.line),
                    remedy="save it as a comma-separated CSV file",
                )

    def _refuse_control(self, named: dict[str, Row]) -> None:
        """Names with line breaks or tabs, which tables and drawings elsewhere cannot keep."""
        for line, cells in named.values():
            for column, cell in enumerate(cells):
                if _CONTROL.search(cell):
                    raise PoseError(
                        f"the name {cell!r} holds a control character, such as a line break",
                        where=place_in(self.path, line, column),
                        remedy="write the name in one line",
                    )

    def _of_one_width(self, named: dict[str, Row]) -> dict[str, Row]:
        """The header up to its last column with a name; spreadsheets leave empty ones after it."""
        width = max(p for row in named.values() for p, cell in enumerate(row.cells, 1) if cell)
        named = {title: Row(row.line, row.cells[:width]) for title, row in named.items()}
        widths = {title: len(row.cells) for title, row in named.items()}
        if len(set(widths.values())) > 1:
            listing = ", ".join(f"{title} has {width}" for title, width in widths.items())
            problem = f"the header rows differ in length: {listing} cells"
            raise PoseError(problem, where=self.path)
        return named

    def _count_index_columns(self, named: dict[str, Row]) -> int:
        """How many columns come before the first keypoint."""
        count = 1
        while count < self._width and not any(row.cells[count] for row in named.values()):
            count += 1
        if count == self._width:
            return 1
        if count not in _PATH_COLUMNS:
            raise PoseError(
                f"{count} columns come before the first keypoint",
                where=self.path,
                remedy="the path takes one column, or three: labeled-data, video, image",
            )
        return count

    def _split_column(self, named: dict[str, Row]) -> int | None:
        """The last column of predictions where it is the one of the splits."""
        scorer, *others = (row.cells[-1] for row in named.values())
        is_split = self._content is Content.PREDICTIONS and scorer == SPLIT_COLUMN
        return self._width - 1 if is_split and not any(others) and self._width > 1 else None

    def index(self) -> Iterator[str]:
        """The first cell of each row, without reading the numbers."""
        return (row.cells[0] for row in self._rows)

    def tables(self, size: int | None = None, note: Note = _refuse) -> Iterator[PoseTable]:
        """The rows as tables of at most ``size`` rows of the file, of which there is at least one.

        Raises:
            PoseError: A row is wrong, or a label file has none.
        """
        if self._content is Content.LABELS:
            yield self._label_table(note)
            return
        block = self._block(size or _ROWS)
        first = block
        if size is None:
            blocks = [block]
            while len(blocks[-1].cells) == _ROWS:
                blocks.append(self._block(_ROWS))
            first = _Block(
                [cell for block in blocks for cell in block.cells],
                np.concatenate([block.values for block in blocks]),
                [name for block in blocks for name in block.split],
            )
        yield self._table(first)
        while size is not None and len(block.cells) == size:
            block = self._block(size)
            if block.cells:
                yield self._table(block)

    def _block(self, size: int) -> _Block:
        """The next rows of predictions, at most ``size``."""
        rows = [row for row in islice(self._rows, size) if self._has_width(row, _refuse)]
        count, split = self._index_columns, self._split
        cells = ["/".join(row.cells[:count]).replace("\\", "/") for row in rows] if count > 1 else [
            row.cells[0] for row in rows
        ]  # fmt: skip
        names = [] if split is None else [row.cells[split] for row in rows]
        return _Block(cells, self._values(rows), names)

    def _table(self, block: _Block) -> PoseTable:
        """Predictions of frames by number if all have one, otherwise by path."""
        numbered = all(cell.isascii() and cell.isdigit() for cell in block.cells)
        frame: Frames = tuple(map(int, block.cells)) if numbered else tuple(block.cells)
        split = None if self._split is None else tuple(block.split)
        return self.layout.table(block.values, frame, split)

    def _label_table(self, note: Note) -> PoseTable:
        rows = [row for row in self._rows if self._has_width(row, note)]
        if rows and self._is_index_names(rows[0]):
            rows = rows[1:]
        if not rows and not self._lenient:
            raise PoseError("the label file has a header, but no row", where=self.path)
        if self._lenient:
            index = (row.cells[: self._index_columns] for row in rows)
            images = ["/".join(cells).replace("\\", "/") for cells in index]
        else:
            row_of = self._images(rows, note)
            images, rows = list(row_of), list(row_of.values())
        lines = tuple(place_in(self.path, row.line) for row in rows)
        return self.layout.table(self._label_values(rows, note), tuple(images), read_from=lines)

    def _has_width(self, row: Row, note: Note) -> bool:
        """Whether a row has a cell for every column that the header names, and for no other."""
        line, cells = row
        if len(cells) == self._width and not self._nameless:
            return True
        problem = f"the row has {len(cells)} cells, the header {self._width}"
        nameless = [
            column
            for column, cell in enumerate(cells)
            if cell and (column >= self._width or column in self._nameless)
        ]
        if nameless:
            remedy = "look for an extra comma; or name the columns in the header, or empty them"
            where = place_in(self.path, line, nameless[0])
            note(
                PoseError(f"{problem}: {_columns(nameless)} no header", where=where, remedy=remedy)
            )
        elif len(cells) < self._width:
            remedy = "look for a missing comma; or was the file cut short?"
            note(PoseError(problem, where=place_in(self.path, line), remedy=remedy))
        return not nameless and len(cells) >= self._width

    def _is_index_names(self, row: Row) -> bool:
        """Whether the first row only names the index, as pandas writes it for a named index.

        Such a row has no number, and its path is a bare word instead of a file name.
        """
        words, numbers = row.cells[: self._index_columns], row.cells[self._index_columns :]
        bare = not any(set(word) & set("./\\") for word in words)
        return bare and not any(numbers)

    def _images(self, rows: Sequence[Row], note: Note) -> dict[str, Row]:
        """The row of each image."""
        images: dict[str, Row] = {}
        for row in rows:
            cells = row.cells[: self._index_columns]
            try:
                image = _image_path(cells)
            except ValueError as error:
                example = _relative_part(cells) or f"{_FOLDER}/video/img.png"
                remedy = f"write it relative to the project folder, as in {example}"
                note(PoseError(str(error), where=place_in(self.path, row.line), remedy=remedy))
                continue
            if image not in images:
                images[image] = row
                continue
            note(
                PoseError(
                    f"the image '{image}' has two rows: lines {images[image].line} and {row.line}",
                    where=place_in(self.path, row.line),
                    remedy="keep one of them",
                )
            )
        return images

    def _values(self, rows: Sequence[Row]) -> Float[ndarray, "rows columns"]:
        """The numbers of predictions."""
        first, last, numbers = self._places[0], self._places[-1] + 1, array("d")
        whole = last - first == len(self._places)
        for line, cells in rows:
            chosen = cells[first:last] if whole else [cells[place] for place in self._places]
            done = len(numbers)
            try:
                numbers.extend(map(float, chosen))
            except ValueError:
                del numbers[done:]
                numbers.extend(self._number(cell, line, n) for n, cell in enumerate(chosen))
        return np.array(numbers).reshape(len(rows), len(self._places))

    def _number(self, cell: str, line: int, column: int) -> float:
        try:
            return float(cell) if cell and cell.lower() not in EMPTY_CELLS else math.nan
        except ValueError:
            raise self._no_number(cell, line, column) from None

    def _no_number(self, cell: str, line: int, column: int) -> PoseError:
        return PoseError(
            f"'{cell[:40]}' is not a number",
            where=self._cell(line, column),
            remedy="write a finite number with a decimal point, or leave the cell empty",
        )

    def _cell(self, line: int, column: int) -> str:
        animal, keypoint, coord = np.argwhere(self.layout.columns == column)[0].tolist()
        name = f"{self.layout.skeleton.names[keypoint]} {('x', 'y', self._content.value)[coord]}"
        if self.layout.individual is not None:
            name = f"{self.layout.individual[animal]} {name}"
        return place_in(self.path, line, self._places[column], name)

    def _label_values(self, rows: Sequence[Row], note: Note) -> Float[ndarray, "rows columns"]:
        """The numbers of labels, each keypoint with all of its own or with none."""
        values = np.full((len(rows), len(self._places)), np.nan)
        bad = np.zeros(values.shape, dtype=bool)
        for r, (_, cells) in enumerate(rows):
            for column, place in enumerate(self._places):
                number = _strict_number(cells[place])
                values[r, column], bad[r, column] = (
                    (math.nan, True) if number is None else (number, False)
                )
        columns = self.layout.columns.reshape(-1, self.layout.columns.shape[-1])
        for r, k in np.argwhere(self._suspicious(values, bad, columns)).tolist():
            own = [column for column in columns[k].tolist() if column >= 0]
            note(self._label_problem(rows[r], own, values[r], bad[r]))
            values[r, own] = np.nan
        return values

    def _suspicious(
        self, values: Float[ndarray, "R C"], bad: Bool[ndarray, "R C"], columns: ndarray
    ) -> Bool[ndarray, "R keypoints"]:
        """The keypoints with a cell that is not a number, half a position or a wrong visibility."""
        x, y = values[:, columns[:, 0]], values[:, columns[:, 1]]
        wrong = (bad[:, columns] & (columns >= 0)).any(axis=-1)
        if not self._lenient:
            wrong |= np.isnan(x) != np.isnan(y)
        if columns.shape[1] > 2:
            codes = np.where(columns[:, 2] < 0, np.nan, values[:, columns[:, 2]])
            wrong |= ~(np.isnan(codes) | np.isin(codes, list(Visibility)))
            wrong |= (codes == Visibility.VISIBLE) & np.isnan(x)
        return np.asarray(wrong)

    def _label_problem(
        self, row: Row, own: list[int], values: ndarray, bad: Bool[ndarray, " C"]
    ) -> PoseError:
        """What is wrong with one keypoint of a row."""
        for column in own:
            if bad[column]:
                return self._no_number(row.cells[self._places[column]], row.line, column)
        missing = [column for column in own[:2] if math.isnan(values[column])]
        if len(missing) == 1 and not self._lenient:
            coord = "xy"[own.index(missing[0])]
            _, keypoint, _ = np.argwhere(self.layout.columns == own[0])[0].tolist()
            return PoseError(
                f"the keypoint '{self.layout.skeleton.names[keypoint]}' has only one coordinate: "
                f"{coord} is missing",
                where=self._cell(row.line, missing[0]),
                remedy="give both, or leave both empty",
            )
        code, where = values[own[2]], self._cell(row.line, own[2])
        if code == Visibility.VISIBLE:
            return PoseError(
                "the keypoint is marked visible (2), but has no position",
                where=where,
                remedy="give x and y, or mark it 0 (not labelled) or 1 (occluded)",
            )
        return PoseError(
            f"'visible' is {code:g}",
            where=where,
            remedy="use 0 (not labelled), 1 (occluded) or 2 (visible)",
        )


def _stripped(rows: Iterator[Row]) -> Iterator[Row]:
    """Rows without the white space around their cells."""
    for line, cells in rows:
        stripped = [cell.strip() for cell in cells]
        if any(stripped):
            yield Row(line, stripped)


def _columns(columns: Sequence[int]) -> str:
    """Words for one or several columns, counted from 1."""
    numbers = [str(column + 1) for column in columns]
    if len(numbers) == 1:
        return f"column {numbers[0]} has"
    return f"columns {', '.join(numbers[:-1])} and {numbers[-1]} have"


def _strict_number(cell: str) -> float | None:
    """The number in a cell, NaN where it is empty; None where it is not a finite number."""
    if cell.lower() in EMPTY_CELLS:
        return math.nan
    try:
        # float() alone would also take 1_000, digits of other scripts, and inf.
        value = float(cell) if _NUMBER.issuperset(cell) else math.inf
    except ValueError:
        return None
    return None if math.isinf(value) else value


def _image_path(cells: list[str]) -> str:
    """One path with forward slashes from one cell, or from folder, video and image.

    Windows writes backslashes; they are turned round. A leading ``./`` and doubled slashes go.

    Raises:
        ValueError: The path is empty, absolute, leads out of the project, or cannot be a file name.
    """
    if not all(cells):
        raise ValueError("the image path is empty" if len(cells) == 1 else "part of it is empty")
    path = "/".join(cells).replace("\\", "/")
    if _DRIVE.match(path):
        raise ValueError(f"the image path is an absolute one of Windows: '{'/'.join(cells)}'")
    if path.startswith("/"):
        raise ValueError(f"the image path is absolute: '{path}'")
    if _CONTROL.search(path):
        raise ValueError(f"the image path holds a control character: {path!r}")
    parts = [part for part in path.split("/") if part not in ("", ".")]
    if ".." in parts:
        raise ValueError(f"the image path leads out of its folder: '{path}'")
    if not parts:
        raise ValueError(f"the image path names no file: '{path}'")
    return "/".join(parts)


def _relative_part(cells: list[str]) -> str | None:
    """The part of an absolute path from ``labeled-data`` on; None where it has no such part."""
    parts = "/".join(cells).replace("\\", "/").split("/")
    if _FOLDER not in parts or ".." in parts:
        return None
    return "/".join(parts[parts.index(_FOLDER) :])
