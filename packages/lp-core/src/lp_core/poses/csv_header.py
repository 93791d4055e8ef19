"""The header of a CSV file of poses: which columns hold which numbers."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import numpy as np

from lp_core.errors import PoseError
from lp_core.poses.columns import (
    LEVELS,
    LEVELS_OF_SEVERAL,
    Animals,
    Content,
    WideLayout,
    parse_columns,
)
from lp_core.poses.csv_text import Row, place_in

SPLIT_COLUMN = "set"
CONTROL = re.compile(r"[\x00-\x1f\x7f]")

Note = Callable[[PoseError], None]
"""What to do about a row or a cell that is wrong: raise the error, or write it down."""

_PATH_COLUMNS = (1, 3)
_PLACEHOLDER = re.compile(r"Unnamed: \d+_level_\d+")  # what pandas writes for an empty cell


@dataclass(frozen=True, eq=False)
class CsvHeader:
    """What the header of a file says.

    Attributes:
        layout: The columns of numbers.
        width: How many columns there are.
        index_columns: How many come before the first keypoint.
        places: The columns of numbers, of those of the file.
        split: The column of the splits.
        nameless: Columns without a name, which must be empty.
    """

    path: Path
    layout: WideLayout
    width: int
    index_columns: int
    places: list[int]
    split: int | None
    nameless: frozenset[int]

    def no_number(self, cell: str, line: int, column: int) -> PoseError:
        """The error that a cell of a column of numbers holds something else."""
        return PoseError(
            f"'{cell[:40]}' is not a number",
            where=self.place(line, column),
            remedy="write a finite number with a decimal point, or leave the cell empty",
        )

    def place(self, line: int, column: int) -> str:
        """Words for the place of a cell of a column of numbers."""
        found = np.argwhere(self.layout.columns == column)
        if not len(found):  # of what stands beside positions
            return place_in(self.path, line, self.places[column])
        animal, keypoint, coord = found[0].tolist()
        third = self.layout.content.value
        name = f"{self.layout.skeleton.names[keypoint]} {('x', 'y', third)[coord]}"
        if self.layout.individual is not None:
            name = f"{self.layout.individual[animal]} {name}"
        return place_in(self.path, line, self.places[column], name)

    def has_width(self, row: Row, note: Note) -> bool:
        """Whether a row has a cell for every column that the header names, and for no other."""
        line, cells = row
        if len(cells) == self.width and not self.nameless:
            return True
        problem = f"the row has {len(cells)} cells, the header {self.width}"
        nameless = [
            column
            for column, cell in enumerate(cells)
            if cell and (column >= self.width or column in self.nameless)
        ]
        if nameless:
            remedy = "look for an extra comma; or name the columns in the header, or empty them"
            where = place_in(self.path, line, nameless[0])
            problem = f"{problem}: {_columns(nameless)} no header"
            note(PoseError(problem, where=where, remedy=remedy))
        elif len(cells) < self.width:
            remedy = "look for a missing comma; or was the file cut short?"
            note(PoseError(problem, where=place_in(self.path, line), remedy=remedy))
        return not nameless and len(cells) >= self.width


def _columns(columns: Sequence[int]) -> str:
    """Words for one or several columns, counted from 1."""
    numbers = [str(column + 1) for column in columns]
    if len(numbers) == 1:
        return f"column {numbers[0]} has"
    return f"columns {', '.join(numbers[:-1])} and {numbers[-1]} have"


def read_header(rows: Iterator[Row], path: Path, content: Content, animals: Animals) -> CsvHeader:
    """Take the header from the rows of a file.

    Raises:
        PoseError: It is not one of poses.
    """
    named = _header_rows(rows, path, content)
    width = len(named["coords"].cells)
    index_columns = _count_index_columns(named, width, path)
    others = range(index_columns, width)
    with_name = [n for n in others if any(row.cells[n] for row in named.values())]
    split = _split_column(named, width) if content is Content.PREDICTIONS else None
    places = [column for column in with_name if column != split]
    if not places:
        raise PoseError("the header names no keypoint", where=path, remedy=_remedy(content))
    columns = [tuple(row.cells[place] for row in named.values()) for place in places]

    def place(level: str, column: int) -> str:
        name = named["bodyparts"].cells[places[column]] if level == "coords" else ""
        return place_in(path, named[level].line, places[column], name)

    layout = parse_columns(columns, content, animals, place, [number + 1 for number in places])
    nameless = frozenset(others) - {*with_name}
    return CsvHeader(path, layout, width, index_columns, places, split, nameless)


def _remedy(content: Content) -> str:
    return f"a {content.words} begins with the rows scorer, bodyparts and coords"


def _header_rows(rows: Iterator[Row], path: Path, content: Content) -> dict[str, Row]:
    """The rows of the header by their first cell, without columns at the end without a name."""
    titles: Sequence[str] = LEVELS
    named: dict[str, Row] = {}
    for row in islice(rows, len(LEVELS_OF_SEVERAL)):
        title = row.cells[0].strip().lower()
        if len(named) == 1 and title == "individuals":
            titles = LEVELS_OF_SEVERAL
        expected = titles[len(named)]
        if not named:
            _refuse_other_delimiter(row, path)
        if title != expected:
            raise PoseError(
                f"the header row '{expected}' is missing: this line begins with "
                f"'{row.cells[0][:40]}'",
                where=place_in(path, row.line),
                remedy=_remedy(content),
            )
        cells = ["" if _PLACEHOLDER.fullmatch(cell) else cell for cell in row.cells]
        named[title] = Row(row.line, cells)
        if len(named) == len(titles):
            break
    if not named:
        raise PoseError(f"the {content.words} is empty", where=path)
    if len(named) < len(titles):
        missing = ", ".join(titles[len(named) :])
        raise PoseError(f"the header lacks: {missing}", where=path, remedy=_remedy(content))
    if content is Content.LABELS:
        _refuse_control(named, path)
    return _of_one_width(named, path)


def _refuse_other_delimiter(row: Row, path: Path) -> None:
    for delimiter, word in ((";", "semicolons"), ("\t", "tabs")):
        if len(row.cells) == 1 and row.cells[0].lower().startswith(f"scorer{delimiter}"):
            raise PoseError(
                f"the cells are separated by {word}, not by commas",
                where=place_in(path, row.line),
                remedy="save it as a comma-separated CSV file",
            )


def _refuse_control(named: dict[str, Row], path: Path) -> None:
    """Names with line breaks or tabs, which tables and drawings elsewhere cannot keep."""
    for line, cells in named.values():
        for column, cell in enumerate(cells):
            if CONTROL.search(cell):
                raise PoseError(
                    f"the name {cell!r} holds a control character, such as a line break",
                    where=place_in(path, line, column),
                    remedy="write the name in one line",
                )


def _of_one_width(named: dict[str, Row], path: Path) -> dict[str, Row]:
    """The header up to its last column with a name; spreadsheets leave empty ones after it."""
    width = max(p for row in named.values() for p, cell in enumerate(row.cells, 1) if cell)
    named = {title: Row(row.line, row.cells[:width]) for title, row in named.items()}
    widths = {title: len(row.cells) for title, row in named.items()}
    if len(set(widths.values())) > 1:
        listing = ", ".join(f"{title} has {width}" for title, width in widths.items())
        problem = f"the header rows differ in length: {listing} cells"
        raise PoseError(problem, where=path)
    return named


def _count_index_columns(named: dict[str, Row], width: int, path: Path) -> int:
    """How many columns come before the first keypoint."""
    count = 1
    while count < width and not any(row.cells[count] for row in named.values()):
        count += 1
    if count == width:
        return 1
    if count not in _PATH_COLUMNS:
        raise PoseError(
            f"{count} columns come before the first keypoint",
            where=path,
            remedy="the path takes one column, or three: labeled-data, video, image",
        )
    return count


def _split_column(named: dict[str, Row], width: int) -> int | None:
    """The last column of predictions where it is the one of the splits."""
    scorer, *others = (row.cells[-1] for row in named.values())
    return width - 1 if scorer == SPLIT_COLUMN and not any(others) and width > 1 else None
