"""The rows of a label file: paths of images, and positions that a person has given."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Sequence

import numpy as np
from jaxtyping import Bool, Float
from numpy import ndarray

from lp_core.errors import PoseError
from lp_core.poses.csv_header import CONTROL, CsvHeader, Note
from lp_core.poses.csv_text import EMPTY_CELLS, Row, place_in
from lp_core.poses.table import PoseTable, Visibility

_DRIVE = re.compile(r"^[A-Za-z]:")
_FOLDER = "labeled-data"  # of DeepLabCut and Lightning Pose
_NUMBER = frozenset("0123456789+-.eE")


def label_table(header: CsvHeader, rows: Iterable[Row], note: Note, *, lenient: bool) -> PoseTable:
    """The labels in the rows of a file; see `lp_core.poses.csv_reading.read_pose_csv`."""
    rows = [row for row in rows if header.has_width(row, note)]
    if rows and _is_index_names(rows[0], header):
        rows = rows[1:]
    if not rows and not lenient:
        raise PoseError("the label file has a header, but no row", where=header.path)
    if lenient:
        index = (row.cells[: header.index_columns] for row in rows)
        images = ["/".join(cells).replace("\\", "/") for cells in index]
    else:
        row_of = _images(rows, header, note)
        images, rows = list(row_of), list(row_of.values())
    lines = tuple(place_in(header.path, row.line) for row in rows)
    values = _values(rows, header, note, lenient=lenient)
    return header.layout.table(values, tuple(images), read_from=lines)


def _is_index_names(row: Row, header: CsvHeader) -> bool:
    """Whether the first row only names the index, as pandas writes it for a named index.

    Such a row has no number, and its path is a bare word instead of a file name.
    """
    words, numbers = row.cells[: header.index_columns], row.cells[header.index_columns :]
    bare = not any(set(word) & set("./\\") for word in words)
    return bare and not any(numbers)


def _images(rows: Sequence[Row], header: CsvHeader, note: Note) -> dict[str, Row]:
    """The row of each image."""
    images: dict[str, Row] = {}
    for row in rows:
        cells = row.cells[: header.index_columns]
        try:
            image = _image_path(cells)
        except ValueError as error:
            example = _relative_part(cells) or f"{_FOLDER}/video/img.png"
            remedy = f"write it relative to the project folder, as in {example}"
            note(PoseError(str(error), where=place_in(header.path, row.line), remedy=remedy))
            continue
        first = images.setdefault(image, row)
        if first is not row:
            problem = f"the image '{image}' has two rows: lines {first.line} and {row.line}"
            where = place_in(header.path, row.line)
            note(PoseError(problem, where=where, remedy="keep one of them"))
    return images


def _values(
    rows: Sequence[Row], header: CsvHeader, note: Note, *, lenient: bool
) -> Float[ndarray, "rows columns"]:
    """The numbers of labels, each keypoint with all of its own or with none."""
    numbers = [[_strict_number(row.cells[place]) for place in header.places] for row in rows]
    values = np.array(numbers, dtype=np.float64).reshape(len(rows), len(header.places))
    bad = np.isinf(values)
    values[bad] = np.nan
    columns = header.layout.columns.reshape(-1, header.layout.columns.shape[-1])
    for r, k in np.argwhere(_suspicious(values, bad, columns, lenient=lenient)).tolist():
        own = [column for column in columns[k].tolist() if column >= 0]
        note(_problem(rows[r], own, values[r], bad[r], header, lenient))
        values[r, own] = np.nan
    return values


def _suspicious(
    values: Float[ndarray, "R C"], bad: Bool[ndarray, "R C"], columns: ndarray, *, lenient: bool
) -> Bool[ndarray, "R keypoints"]:
    """The keypoints with a cell that is not a number, half a position or a wrong visibility."""
    x, y = values[:, columns[:, 0]], values[:, columns[:, 1]]
    wrong = (bad[:, columns] & (columns >= 0)).any(axis=-1)
    if not lenient:
        wrong |= np.isnan(x) != np.isnan(y)
    if columns.shape[1] > 2:
        codes = np.where(columns[:, 2] < 0, np.nan, values[:, columns[:, 2]])
        wrong |= ~(np.isnan(codes) | np.isin(codes, list(Visibility)))
        wrong |= (codes == Visibility.VISIBLE) & np.isnan(x)
    return np.asarray(wrong)


def _problem(
    row: Row,
    own: list[int],
    values: ndarray,
    bad: Bool[ndarray, " C"],
    header: CsvHeader,
    lenient: bool,
) -> PoseError:
    """What is wrong with one keypoint of a row."""
    for column in own:
        if bad[column]:
            return header.no_number(row.cells[header.places[column]], row.line, column)
    missing = [column for column in own[:2] if math.isnan(values[column])]
    if len(missing) == 1 and not lenient:
        coord = "xy"[own.index(missing[0])]
        _, keypoint, _ = np.argwhere(header.layout.columns == own[0])[0].tolist()
        return PoseError(
            f"the keypoint '{header.layout.skeleton.names[keypoint]}' has only one coordinate: "
            f"{coord} is missing",
            where=header.place(row.line, missing[0]),
            remedy="give both, or leave both empty",
        )
    code = values[own[2]]
    problem, remedy = f"'visible' is {code:g}", "use 0 (not labelled), 1 (occluded) or 2 (visible)"
    if code == Visibility.VISIBLE:
        problem = "the keypoint is marked visible (2), but has no position"
        remedy = "give x and y, or mark it 0 (not labelled) or 1 (occluded)"
    return PoseError(problem, where=header.place(row.line, own[2]), remedy=remedy)


def _strict_number(cell: str) -> float:
    """The number in a cell, NaN where it is empty; infinite where it is not a finite number."""
    if cell.lower() in EMPTY_CELLS:
        return math.nan
    try:
        # float() alone would also take 1_000, digits of other scripts, and inf.
        return float(cell) if _NUMBER.issuperset(cell) else math.inf
    except ValueError:
        return math.inf


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
    if CONTROL.search(path):
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
