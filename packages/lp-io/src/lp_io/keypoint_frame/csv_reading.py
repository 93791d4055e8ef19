"""Read a table of DeepLabCut from CSV, with any number of scorers and animals."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np

from lp_io.keypoint_frame.frame import KeypointFrame
from lp_io.predictions.layout import LEVELS, LEVELS_OF_SEVERAL, header_cells, named_width
from lp_io.untrusted.content import ContentError

_EMPTY = frozenset({"", "nan", "na", "n/a", "null", "none", "<na>"})
_PATH_COLUMNS = (1, 3)


def read_csv(path: Path) -> KeypointFrame:
    """The table of a CSV file, with the path of an image in one column or in three.

    Raises:
        ContentError: The file is no such table; the message names the line.
    """
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.reader(file, strict=True)
            rows = [(reader.line_num, row) for row in reader if any(row)]
    except (csv.Error, UnicodeDecodeError) as error:
        raise ContentError(f"this is not a CSV file in UTF-8: {error}") from error
    titles = [row[0].lower() for _, row in rows[:4]]
    levels = LEVELS_OF_SEVERAL if titles[1:2] == ["individuals"] else LEVELS
    if titles[: len(levels)] != list(levels):
        raise ContentError(f"its first lines should begin with {', '.join(levels)}")
    header = [header_cells(row) for _, row in rows[: len(levels)]]
    width = max(map(named_width, header))
    paths = _path_columns(header)
    if any(named_width(row) != width for row in header) or width == paths:
        raise ContentError("the header rows differ in length, or name no column")
    named = [column for column in range(paths, width) if any(row[column] for row in header)]
    body = [(line, row) for line, row in rows[len(levels) :] if not _names_index(row, paths)]
    index, values = [], []
    for line, row in body:
        if len(row) < width:
            raise ContentError(f"line {line} has {len(row)} cells, the header {width}")
        _refuse_unnamed(row, paths, named, line)
        index.append("/".join(row[:paths]).replace("\\", "/"))
        values.append([_number(row[column], line) for column in named])
    return KeypointFrame(
        columns=tuple(zip(*([row[column] for column in named] for row in header), strict=True)),
        values=np.array(values, dtype=np.float64).reshape(len(index), len(named)),
        index=tuple(index),
    )


def _refuse_unnamed(row: list[str], paths: int, named: list[int], line: int) -> None:
    """Columns that no header row names, as spreadsheets leave them, are to be empty."""
    known = {*range(paths), *named}
    filled = [column + 1 for column, cell in enumerate(row) if cell and column not in known]
    if filled:
        raise ContentError(
            f"line {line}: column {filled[0]} holds '{row[filled[0] - 1][:40]}', but has no header",
            "name the column in the header rows, or empty it",
        )


def _path_columns(header: list[list[str]]) -> int:
    """How many columns come before the first keypoint."""
    count = 1
    while count < len(header[0]) and not any(row[count : count + 1] != [""] for row in header):
        count += 1
    if count not in _PATH_COLUMNS:
        raise ContentError(f"{count} columns come before the first keypoint, not one or three")
    return count


def _names_index(row: list[str], paths: int) -> bool:
    """Whether a row only names the index, as pandas writes it for a named index."""
    return not any(row[paths:]) and not any(set(cell) & set("./\\") for cell in row[:paths])


def _number(cell: str, line: int) -> float:
    cell = cell.strip()
    if cell.lower() in _EMPTY:
        return np.nan
    try:
        value = float(cell)
    except ValueError:
        value = np.inf
    if not np.isfinite(value):
        raise ContentError(f"line {line}: '{cell[:40]}' is not a number")
    return value
