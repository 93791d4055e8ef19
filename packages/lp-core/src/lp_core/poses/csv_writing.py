"""Write CSV files of labels and predictions, in DeepLabCut's and Lightning Pose's layout."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from lp_core.atomic import atomic_text
from lp_core.errors import PoseError, unwritable_as
from lp_core.poses.columns import LEVELS, LEVELS_OF_SEVERAL, Content, wide_of
from lp_core.poses.csv_header import SPLIT_COLUMN
from lp_core.poses.csv_text import csv_line, quoted
from lp_core.poses.table import PoseTable

_MOST_DECIMALS = 10


def write_pose_csv(table: PoseTable, path: str | Path, *, path_columns: int = 1) -> None:
    """Write a file that `lp_core.poses.csv_reading.read_pose_csv` reads back exactly.

    Labels have a column ``visible`` where the table states the visibility; the splits of
    predictions become a last column. Numbers keep their full precision. The file appears whole or
    not at all.

    Args:
        table: Labels or predictions, of one camera.
        path: The file; an existing one is replaced.
        path_columns: How many columns the path of an image takes, 1, or 3 for ``labeled-data``, the
            video and the image.

    Raises:
        PoseError: The file cannot be written, or two rows are of the same individual in the same
            frame.
    """
    path = Path(path)
    wide = wide_of(table)
    split = None if table.confidence is None else wide.split
    header = header_lines(wide.columns, with_split=split is not None, path_columns=path_columns)
    index: Iterable[str] = map(quoted, map(str, wide.frame))
    if path_columns > 1:
        index = (",".join(map(quoted, str(item).split("/"))) for item in wide.frame)
    lines = body_lines(index, wide.columns, wide.values)
    if split is not None:
        lines = (f"{line},{quoted(name)}" for line, name in zip(lines, split, strict=True))
    words = "the label file" if table.confidence is None else "the predictions"
    with unwritable_as(PoseError, words, path), atomic_text(path) as file:
        file.write(header)
        file.writelines(f"{line}\n" for line in lines)


def header_lines(
    columns: Sequence[tuple[str, ...]], *, with_split: bool = False, path_columns: int = 1
) -> str:
    """The three or four header rows for columns named as in `WideTable`, each with its line end."""
    titles = LEVELS if len(columns[0]) == len(LEVELS) else LEVELS_OF_SEVERAL
    before, after = [""] * (path_columns - 1), [SPLIT_COLUMN] * with_split
    rows = []
    for level, title in enumerate(titles):
        rows.append([title, *before, *(names[level] for names in columns), *after])
        after = [""] * with_split
    return "".join(csv_line(row) for row in rows)


def prediction_columns(keypoint_names: Sequence[str], scorer: str) -> list[tuple[str, ...]]:
    """The columns of predictions of one animal."""
    coords = ("x", "y", Content.PREDICTIONS.value)
    return [(scorer, name, coord) for name in keypoint_names for coord in coords]


def body_lines(
    index: Iterable[str],
    columns: Sequence[tuple[str, ...]],
    values: Float[ndarray, "rows columns"],
) -> Iterator[str]:
    """The rows, without their line ends.

    Args:
        index: The first cell of each row, quoted where it needs it.
        columns: C names.
        values: (N, C); NaN is an empty cell.
    """
    visible = Content.LABELS.value
    codes = [place for place, names in enumerate(columns) if names[-1] == visible]
    for cell, row in zip(index, value_lines(values, codes), strict=True):
        yield f"{cell},{row}"


def value_lines(values: Float[ndarray, "rows columns"], codes: Sequence[int] = ()) -> Iterator[str]:
    """Each row as comma-separated texts, the columns of ``codes`` as whole numbers.

    A number of float32 gets as many digits as float32 needs, one of float64 as many as that needs.
    """
    shortest = _shortest_decimals(values) if values.dtype == np.float32 else values
    rows = shortest.tolist()
    for row in rows if codes else ():
        for place in codes:
            row[place] = row[place] if row[place] != row[place] else int(row[place])
    if np.isnan(shortest).any():
        for row in rows:
            yield ",".join("" if value != value else repr(value) for value in row)
    else:
        for row in rows:
            yield ",".join(map(repr, row))


def _shortest_decimals(values: Float[ndarray, "rows columns"]) -> Float[ndarray, "rows columns"]:
    """For each float32, the float64 with the fewest decimals that rounds to it.

    Python writes a float64 with as few digits as it needs, but only in float64. Rounding to ever
    more decimals until the float32 is met takes a few passes over the array instead of a slow
    conversion of each number.
    """
    flat = values.ravel()
    exact = flat.astype(np.float64)
    result = exact.copy()
    pending = np.flatnonzero(np.isfinite(flat))
    for decimals in range(_MOST_DECIMALS):
        scale = 10.0**decimals
        rounded = np.rint(exact[pending] * scale) / scale
        met = rounded.astype(np.float32) == flat[pending]
        result[pending[met]] = rounded[met]
        pending = pending[~met]
        if not len(pending):
            break
    for position in pending.tolist():  # tiny numbers; nine digits always tell a float32
        result[position] = float(f"{exact[position]:.9g}")
    return result.reshape(values.shape)
