"""The header that DeepLabCut and Lightning Pose share.

Three rows, ``scorer``, ``bodyparts`` and ``coords``, each with one cell for every column of
numbers. DeepLabCut's projects of several animals have a fourth, ``individuals``, after the first.
In front are one column for the image's path, or three for the folder, the video and the image.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from lp_data.errors import LabelFileError
from lp_data.labels.text import Row, place

_REQUIRED = ("scorer", "bodyparts", "coords")
_LAYOUT = "a label file begins with the three rows scorer, bodyparts and coords"
_PATH_COLUMNS = (1, 3)
_PLACEHOLDER = re.compile(r"Unnamed: \d+_level_\d+")  # what pandas writes for an empty cell
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_SINGLE = "single"  # DeepLabCut's animal for keypoints that exist once in the scene
COORDS = ("x", "y", "visible")


@dataclass(frozen=True)
class KeypointColumns:
    """Where a keypoint's numbers are in a row, counted from 0."""

    x: int
    y: int
    visible: int | None = None


@dataclass(frozen=True)
class Header:
    """What the header says.

    Attributes:
        scorer: Who labelled.
        path_columns: How many columns make the path, 1 or 3.
        columns: For each keypoint, where its numbers are.
        width: How many cells every row has at least; further ones are empty.
        nameless: The columns that no header row names, as spreadsheets leave them, counted from 0;
            they are to be empty.
        num_rows: How many rows the header has.
    """

    scorer: str
    path_columns: int
    columns: dict[str, KeypointColumns]
    width: int
    nameless: frozenset[int]
    num_rows: int


def parse_header(path: Path, rows: Sequence[Row]) -> Header:
    """Read the header of a label file.

    Args:
        path: The file, for messages.
        rows: All its rows, of which the first three or four are the header.

    Raises:
        LabelFileError: A row is missing, rows disagree in length, a name is missing or occurs
            twice, a coordinate is unknown, or there are several animals or scorers.
    """
    named = _header_rows(path, rows)
    width = _common_width(path, named)
    path_columns = _path_columns(path, named)
    if width == path_columns:
        raise LabelFileError("the header names no keypoint", where=path, remedy=_LAYOUT)
    columns = [
        column
        for column in range(path_columns, width)
        if any(row.cells[column] for row in named.values())
    ]
    if "individuals" in named:
        _refuse_animals(path, named["individuals"], columns)
    _refuse_scorers(path, named["scorer"], columns)
    return Header(
        scorer=named["scorer"].cells[columns[0]],
        path_columns=path_columns,
        columns=_keypoint_columns(path, named["bodyparts"], named["coords"], columns),
        width=width,
        nameless=frozenset(range(path_columns, width)) - {*columns},
        num_rows=len(named),
    )


def _header_rows(path: Path, rows: Sequence[Row]) -> dict[str, Row]:
    """The rows of the header by their first cell."""
    _refuse_other_delimiter(path, rows[0])
    several = len(rows) > 1 and _title(rows[1]) == "individuals"
    titles = ("scorer", "individuals", "bodyparts", "coords") if several else _REQUIRED
    named: dict[str, Row] = {}
    for title, row in zip(titles, rows, strict=False):
        if _title(row) != title:
            raise LabelFileError(
                f"the header row '{title}' is missing: this line begins with '{row.cells[0]}'",
                where=place(path, row.line),
                remedy=_LAYOUT,
            )
        cells = ["" if _PLACEHOLDER.fullmatch(cell) else cell for cell in row.cells]
        named[title] = Row(row.line, cells)
    if len(named) < len(titles):
        missing = ", ".join(titles[len(named) :])
        raise LabelFileError(f"the header lacks: {missing}", where=path, remedy=_LAYOUT)
    for row in named.values():
        _refuse_control(path, row)
    return _without_end(named)


def _refuse_control(path: Path, row: Row) -> None:
    """Names with line breaks or tabs, which tables and drawings of other programs cannot keep."""
    for column, cell in enumerate(row.cells):
        if _CONTROL.search(cell):
            raise LabelFileError(
                f"the name {cell!r} holds a control character, such as a line break",
                where=place(path, row.line, column),
                remedy="write the name in one line",
            )


def _without_end(named: dict[str, Row]) -> dict[str, Row]:
    """The header without the columns at the end that none of its rows names."""
    width = max(place for row in named.values() for place, cell in enumerate(row.cells, 1) if cell)
    return {title: Row(row.line, row.cells[:width]) for title, row in named.items()}


def _title(row: Row) -> str:
    return row.cells[0].lower()


def _refuse_other_delimiter(path: Path, row: Row) -> None:
    for delimiter, word in ((";", "semicolons"), ("\t", "tabs")):
        if len(row.cells) == 1 and row.cells[0].lower().startswith(f"scorer{delimiter}"):
            raise LabelFileError(
                f"the cells are separated by {word}, not by commas",
                where=place(path, row.line),
                remedy="save it as a comma-separated CSV file",
            )


def _common_width(path: Path, named: dict[str, Row]) -> int:
    """The number of cells in every row of the header."""
    widths = {title: len(row.cells) for title, row in named.items()}
    if len(set(widths.values())) > 1:
        listing = ", ".join(f"{title} has {width}" for title, width in widths.items())
        raise LabelFileError(f"the header rows differ in length: {listing} cells", where=path)
    return widths["coords"]


def _path_columns(path: Path, named: dict[str, Row]) -> int:
    """How many columns come before the first keypoint."""
    cells = [row.cells for row in named.values()]
    count = 1
    while count < len(cells[0]) and not any(row[count] for row in cells):
        count += 1
    if count == len(cells[0]):
        return 1
    if count not in _PATH_COLUMNS:
        raise LabelFileError(
            f"{count} columns come before the first keypoint",
            where=path,
            remedy="the path takes one column, or three: labeled-data, video, image",
        )
    return count


def _refuse_animals(path: Path, individuals: Row, columns: Sequence[int]) -> None:
    """Several animals; DeepLabCut's animal for what exists once in the scene is none of them."""
    names = list(dict.fromkeys(individuals.cells[column] for column in columns))
    animals = [name for name in names if name != _SINGLE]
    if len(animals) > 1:
        raise LabelFileError(
            f"the file holds {len(animals)} animals: {', '.join(map(_named, animals))}",
            where=place(path, individuals.line),
            remedy="keep the columns of one; of a DeepLabCut project, litpose convert takes the "
            "animal that --individual names",
        )


def _refuse_scorers(path: Path, scorers: Row, columns: Sequence[int]) -> None:
    names = list(dict.fromkeys(scorers.cells[column] for column in columns))
    if len(names) > 1:
        raise LabelFileError(
            f"the file holds {len(names)} scorers: {', '.join(map(_named, names))}",
            where=place(path, scorers.line),
            remedy="keep the columns of one, or write one file for each of the scorers",
        )


def _named(name: str) -> str:
    return name or "(none)"


def _keypoint_columns(
    path: Path, bodyparts: Row, coords: Row, columns: Sequence[int]
) -> dict[str, KeypointColumns]:
    """Where each keypoint's x, y and visible are."""
    found: dict[str, dict[str, int]] = {}
    for column in columns:
        name, coord = bodyparts.cells[column], coords.cells[column].lower()
        if not name:
            raise LabelFileError(
                "a column has no keypoint name", where=place(path, bodyparts.line, column)
            )
        if coord not in COORDS:
            raise _unknown_coord(path, coords.line, column, name, coord)
        earlier = found.setdefault(name, {}).setdefault(coord, column)
        if earlier != column:
            raise LabelFileError(
                f"the keypoint '{name}' has two columns '{coord}': {earlier + 1} and {column + 1}",
                where=place(path, bodyparts.line, column, name),
                remedy="give every keypoint a name of its own",
            )
    return {name: _complete(path, coords.line, name, places) for name, places in found.items()}


def _unknown_coord(path: Path, line: int, column: int, name: str, coord: str) -> LabelFileError:
    if coord == "likelihood":
        return LabelFileError(
            "the file holds predictions (a likelihood), not labels",
            where=place(path, line, column, name),
            remedy="give a file of labels, with x and y of every keypoint",
        )
    return LabelFileError(
        f"unknown coordinate '{coord}'",
        where=place(path, line, column, name),
        remedy=f"known: {', '.join(COORDS)}",
    )


def _complete(path: Path, line: int, name: str, places: dict[str, int]) -> KeypointColumns:
    for coord in ("x", "y"):
        if coord not in places:
            raise LabelFileError(
                f"the keypoint '{name}' has no column '{coord}'", where=place(path, line)
            )
    return KeypointColumns(places["x"], places["y"], places.get("visible"))
