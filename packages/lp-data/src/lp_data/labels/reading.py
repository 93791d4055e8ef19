"""Read label files of DeepLabCut and Lightning Pose."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from lp_data.errors import LabelFileError
from lp_data.labels.cells import UNLABELED, Label, read_label
from lp_data.labels.header import Header, parse_header
from lp_data.labels.paths import join_cells, relative_part
from lp_data.labels.table import LabelTable
from lp_data.labels.text import Row, place, read_rows

Note = Callable[[LabelFileError], None]
"""What to do about a row or a cell that is wrong: raise the error, or write it down."""


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
    table = _read(Path(path), _refuse)
    if require_labels and not table.visibility.any():
        raise LabelFileError(
            "not a single keypoint is labelled in this file",
            where=path,
            remedy="label frames, or check that this is the right file",
        )
    return table


def scan_labels(path: str | Path) -> tuple[LabelTable, list[LabelFileError]]:
    """Read a label file as far as it can be read, and list everything that is wrong with it.

    Args:
        path: The file.

    Returns:
        The rows that can be understood, with wrong cells left empty; and an error for each row and
        each keypoint that `read_labels` would refuse.

    Raises:
        LabelFileError: Nothing can be understood, such as without a header.
    """
    problems: list[LabelFileError] = []
    return _read(Path(path), problems.append), problems


def _refuse(error: LabelFileError) -> None:
    raise error


def _read(path: Path, note: Note) -> LabelTable:
    rows = read_rows(path)
    header = parse_header(path, rows)
    body = [row for row in rows[header.num_rows :] if _has_width(path, row, header, note)]
    if body and _is_index_names(body[0], header):
        body = body[1:]
    if not body:
        raise LabelFileError("the label file has a header, but no row", where=path)
    return _table(path, body, header, note)


def _has_width(path: Path, row: Row, header: Header, note: Note) -> bool:
    """Whether a row has a cell for every column that the header names, and for no other."""
    nameless = [
        column
        for column, cell in enumerate(row.cells)
        if cell and (column >= header.width or column in header.nameless)
    ]
    problem = f"the row has {len(row.cells)} cells, the header {header.width}"
    if nameless:
        remedy = "look for an extra comma; or name the columns in the header rows, or empty them"
        column, said = nameless[0], f"{problem}: {_columns(nameless)} no header"
        note(LabelFileError(said, where=place(path, row.line, column), remedy=remedy))
    elif len(row.cells) < header.width:
        remedy = "look for a missing comma"
        note(LabelFileError(problem, where=place(path, row.line), remedy=remedy))
    return not nameless and len(row.cells) >= header.width


def _columns(columns: Sequence[int]) -> str:
    """Words for one or several columns, counted from 1."""
    numbers = [str(column + 1) for column in columns]
    if len(numbers) == 1:
        return f"column {numbers[0]} has"
    return f"columns {', '.join(numbers[:-1])} and {numbers[-1]} have"


def _is_index_names(row: Row, header: Header) -> bool:
    """Whether the first row only names the index, as pandas writes it for a named index.

    Such a row has no number, and its path is a bare word instead of a file name.
    """
    words, numbers = row.cells[: header.path_columns], row.cells[header.path_columns :]
    bare = not any(set(word) & set("./\\") for word in words)
    return bare and not any(numbers)


def _table(path: Path, body: Sequence[Row], header: Header, note: Note) -> LabelTable:
    images = _images(path, body, header, note)
    labels = np.array(
        [_labels(path, row, header, note) for row in images.values()], dtype=np.float64
    ).reshape(len(images), len(header.columns), 3)
    return LabelTable(
        image_paths=tuple(images),
        keypoint_names=tuple(header.columns),
        keypoints=np.ascontiguousarray(labels[..., :2]),
        visibility=labels[..., 2].astype(np.int8),
        scorer=header.scorer,
        origins=tuple(place(path, row.line) for row in images.values()),
        states_visibility=any(each.visible is not None for each in header.columns.values()),
    )


def _images(path: Path, body: Sequence[Row], header: Header, note: Note) -> dict[str, Row]:
    """The row of each image."""
    images: dict[str, Row] = {}
    for row in body:
        cells = row.cells[: header.path_columns]
        try:
            image = join_cells(cells)
        except ValueError as error:
            example = relative_part(cells) or "labeled-data/video/img.png"
            remedy = f"write it relative to the project folder, as in {example}"
            note(LabelFileError(str(error), where=place(path, row.line), remedy=remedy))
            continue
        if image not in images:
            images[image] = row
            continue
        note(
            LabelFileError(
                f"the image '{image}' has two rows: lines {images[image].line} and {row.line}",
                where=place(path, row.line),
                remedy="keep one of them",
            )
        )
    return images


def _labels(path: Path, row: Row, header: Header, note: Note) -> list[Label]:
    """The labels of one row."""
    labels = []
    for name, columns in header.columns.items():
        try:
            labels.append(read_label(path, row, name, columns))
        except LabelFileError as error:
            note(error)
            labels.append(UNLABELED)
    return labels
