"""The CSV layout of predictions: three header rows, and one row per image or frame.

The header rows name the scorer, the keypoint and the coordinate of each column. Predictions of a
label file end with a column ``set``.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from lp_io.predictions.numbers import number_rows

COORDS = ("x", "y", "likelihood")
SET_COLUMN = "set"


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
