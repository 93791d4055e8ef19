"""The numbers of a label file's rows."""

from __future__ import annotations

import math
from pathlib import Path
from typing import NamedTuple

from lp_data.errors import LabelFileError
from lp_data.labels.header import KeypointColumns
from lp_data.labels.table import Visibility
from lp_data.labels.text import Row, place

_EMPTY = frozenset({"", "nan", "na", "n/a", "null", "none", "<na>"})
_NUMBER = frozenset("0123456789+-.eE")


class Label(NamedTuple):
    """One keypoint in one image.

    Attributes:
        x: In frame px, NaN where missing.
        y: In frame px, NaN where missing.
        visibility: A code of `Visibility`.
    """

    x: float
    y: float
    visibility: int


UNLABELED = Label(math.nan, math.nan, Visibility.UNLABELED)


def read_label(path: Path, row: Row, name: str, columns: KeypointColumns) -> Label:
    """The position and the visibility of one keypoint in one row.

    Args:
        path: The label file, for messages.
        row: The row.
        name: The keypoint.
        columns: Where the keypoint's numbers are.

    Raises:
        LabelFileError: A cell holds no number, or the cells contradict each other.
    """
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
        return Label(x, y, given)
    code = _number(path, row, columns.visible, f"{name} visible")
    if math.isnan(code):
        return Label(x, y, given)
    return _with_code(x, y, code, place(path, row.line, columns.visible, f"{name} visible"))


def _with_code(x: float, y: float, code: float, where: str) -> Label:
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
        return UNLABELED
    return Label(x, y, int(code))


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
