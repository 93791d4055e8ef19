"""The CSV layout of predictions: three header rows, and one row per image or frame.

The header rows name the scorer, the keypoint and the coordinate of each column. Predictions of a
label file end with a column ``set``.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from lp_io.predictions.numbers import number_rows

LEVELS = ("scorer", "bodyparts", "coords")
LEVELS_OF_SEVERAL = ("scorer", "individuals", "bodyparts", "coords")
COORDS = ("x", "y", "likelihood")
SET_COLUMN = "set"


_PLACEHOLDER = re.compile(r"Unnamed: \d+_level_\d+")


def header_cells(cells: Iterable[str]) -> list[str]:
    """The cells of a header; the placeholders that pandas writes for empty ones are empty again."""
    return ["" if _PLACEHOLDER.fullmatch(cell) else cell for cell in cells]


def named_width(row: Sequence[str]) -> int:
    """The number of cells of a header row up to the last one that is not empty.

    Spreadsheets fill up every row with empty cells where columns were deleted.
    """
    return max((place for place, cell in enumerate(row, 1) if cell), default=0)


def header_lines(keypoint_names: Sequence[str], scorer: str, *, with_sets: bool) -> str:
    """The three header rows, each with its line end."""
    columns = len(COORDS) * len(keypoint_names)
    names = [name for name in keypoint_names for _ in COORDS]
    rows = [
        ["scorer", *[scorer] * columns, *[SET_COLUMN] * with_sets],
        ["bodyparts", *names, *[""] * with_sets],
        ["coords", *COORDS * len(keypoint_names), *[""] * with_sets],
    ]
    return "".join(csv_line(row) for row in rows)


def csv_line(cells: Iterable[str]) -> str:
    """Cells as a line of CSV, quoted where they need it."""
    return ",".join(map(quoted, cells)) + "\n"


def body_lines(
    index: Iterable[str],
    keypoints: Float[ndarray, "rows keypoints 2"],
    confidences: Float[ndarray, "rows keypoints"],
) -> Iterator[str]:
    """The rows of predictions, without their line ends.

    Args:
        index: The first cell of each row, quoted where it needs it.
        keypoints: (N, K, 2) frame px.
        confidences: (N, K).
    """
    kind = np.promote_types(keypoints.dtype, confidences.dtype)
    values = np.concatenate([keypoints, confidences[..., None]], axis=-1, dtype=kind)
    rows = number_rows(values.reshape(len(values), len(COORDS) * values.shape[1]))
    for cell, row in zip(index, rows, strict=True):
        yield f"{cell},{row}"


def quoted(cell: str) -> str:
    """A cell as CSV has it; Python's own writer leaves a lone carriage return bare."""
    if not any(mark in cell for mark in ',"\r\n'):
        return cell
    return '"' + cell.replace('"', '""') + '"'
