"""Read label files of DeepLabCut and Lightning Pose."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from lp_data.errors import LabelFileError
from lp_data.labels.header import Header, KeypointColumns, parse_header
from lp_data.labels.paths import join_cells
from lp_data.labels.table import LabelTable, Visibility
from lp_data.labels.text import Row, place, read_rows

_EMPTY = frozenset({"", "nan", "na", "n/a", "null", "none", "<na>"})
_NUMBER = frozenset("0123456789+-.eE")


class _Label(NamedTuple):
    x: float
    y: float
    visibility: int


def read_labels(path: str | Path, *, require_labels: bool = True) -> LabelTable:
    """Read one label file in the CSV layout of DeepLabCut and Lightning Pose.

    Both index styles of DeepLabCut are understood (one column with the path, or three), with the
    backslashes of Windows, the column ``visible`` where it is present, and the header row
    ``individuals`` where it names one animal. An empty cell is a missing number. A row without any
    number is an image without labels, wherever it stands.

    Args:
        path: The file.
        require_labels: Whether a file without a single labelled keypoint is an error.

    Returns:
        The table, in the order of the file.

    Raises:
        LabelFileError: The file cannot be read without guessing what it means. The message names
            the line and the column.
    """
    path = Path(path)
    rows = read_rows(path)
    header = parse_header(path, rows)
    body = [_checked_width(path, row, header) for row in rows[header.num_rows :]]
    if body and _is_index_names(body[0], header):
        body = body[1:]
    if not body:
        raise LabelFileError("the label file has a header, but no row", where=path)
    table = _table(path, body, header)
    if require_labels and not table.visibility.any():
        raise LabelFileError(
            "not a single keypoint is labelled in this file",
            where=path,
            remedy="label frames, or check that this is the right file",
        )
    return table


def _checked_width(path: Path, row: Row, header: Header) -> Row:
    if len(row.cells) != header.width:
        raise LabelFileError(
            f"the row has {len(row.cells)} cells, the header {header.width}",
            where=place(path, row.line),
            remedy="look for a missing or an extra comma",
        )
    return row


def _is_index_names(row: Row, header: Header) -> bool:
    """Whether the first row only names the index, as pandas writes it for a named index.

    Such a row has no number, and its path is a bare word instead of a file name.
    """
    words, numbers = row.cells[: header.path_columns], row.cells[header.path_columns :]
    bare = not any(set(word) & set("./\\") for word in words)
    return bare and not any(numbers)


def _table(path: Path, body: Sequence[Row], header: Header) -> LabelTable:
    lines: dict[str, int] = {}
    for row in body:
        image = _image_path(path, row, header)
        if image in lines:
            raise LabelFileError(
                f"the image '{image}' has two rows: lines {lines[image]} and {row.line}",
                where=place(path, row.line),
                remedy="keep one of them",
            )
        lines[image] = row.line
    labels = np.array(
        [
            [_label(path, row, name, columns) for name, columns in header.columns.items()]
            for row in body
        ],
        dtype=np.float64,
    )
    return LabelTable(
        image_paths=tuple(lines),
        keypoint_names=tuple(header.columns),
        keypoints=np.ascontiguousarray(labels[..., :2]),
        visibility=labels[..., 2].astype(np.int8),
        scorer=header.scorer,
        origins=tuple(place(path, line) for line in lines.values()),
    )


def _image_path(path: Path, row: Row, header: Header) -> str:
    try:
        return join_cells(row.cells[: header.path_columns])
    except ValueError as error:
        raise LabelFileError(
            str(error),
            where=place(path, row.line),
            remedy="write it relative to the project folder, as in labeled-data/video/img.png",
        ) from error


def _label(path: Path, row: Row, name: str, columns: KeypointColumns) -> _Label:
    """The position and the visibility of one keypoint in one row."""
    x = _number(path, row, columns.x, f"{name} x")
    y = _number(path, row, columns.y, f"{name} y")
    if math.isnan(x) != math.isnan(y):
        missing = "y" if math.isnan(y) else "x"
        raise LabelFileError(
            f"the keypoint '{name}' has only one coordinate: {missing} is missing",
            where=place(path, row.line, getattr(columns, missing), f"{name} {missing}"),
            remedy="give both, or leave both empty",
        )
    given = Visibility.UNLABELED if math.isnan(x) else Visibility.VISIBLE
    if columns.visible is None:
        return _Label(x, y, given)
    code = _number(path, row, columns.visible, f"{name} visible")
    if math.isnan(code):
        return _Label(x, y, given)
    return _with_code(x, y, code, place(path, row.line, columns.visible, f"{name} visible"))


def _with_code(x: float, y: float, code: float, where: str) -> _Label:
    """A label that carries its own visibility."""
    if code not in (0, 1, 2):
        raise LabelFileError(
            f"'visible' is {code:g}",
            where=where,
            remedy="use 0 (not labelled), 1 (occluded) or 2 (visible)",
        )
    if code == Visibility.VISIBLE and math.isnan(x):
        raise LabelFileError(
            "the keypoint is marked visible (2), but has no position",
            where=where,
            remedy="give x and y, or mark it 0 (not labelled) or 1 (occluded)",
        )
    if code == Visibility.UNLABELED:  # COCO writes x = y = 0 there
        return _Label(math.nan, math.nan, Visibility.UNLABELED)
    return _Label(x, y, int(code))


def _number(path: Path, row: Row, column: int, name: str) -> float:
    """The number in a cell, NaN where it is empty."""
    cell = row.cells[column]
    if cell.lower() in _EMPTY:
        return math.nan
    try:
        # float() alone would also take 1_000, digits of other scripts, and inf.
        value = float(cell) if _NUMBER.issuperset(cell) else math.inf
    except ValueError:
        value = math.inf
    if math.isinf(value):
        raise LabelFileError(
            f"'{cell[:40]}' is not a number",
            where=place(path, row.line, column, name),
            remedy="write a finite number with a decimal point, or leave the cell empty",
        )
    return value
