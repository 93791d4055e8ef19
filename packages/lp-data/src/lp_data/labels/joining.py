"""Join several label files into one table."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from lp_data.errors import LabelFileError
from lp_data.labels.reading import read_labels
from lp_data.labels.table import LabelTable


def read_label_files(paths: Sequence[str | Path], *, require_labels: bool = True) -> LabelTable:
    """Read label files and join them.

    Args:
        paths: One or more label files of one project.
        require_labels: Whether a file without a single labelled keypoint is an error.

    Returns:
        See `join_tables`.

    Raises:
        LabelFileError: No file is given, one cannot be read, or two contradict each other.
    """
    if not paths:
        raise LabelFileError("no label file is given", remedy="set data.csv_file")
    return join_tables([read_labels(path, require_labels=require_labels) for path in paths])


def join_tables(tables: Sequence[LabelTable]) -> LabelTable:
    """One table with all images and the union of the keypoints.

    Keypoints stand in the order in which the tables first name them. A keypoint that a table does
    not have is unlabelled in its images. An image may be in two tables, as long as they do not both
    label the same keypoint, or agree on it.

    Args:
        tables: One or more tables.

    Raises:
        LabelFileError: Two tables label the same keypoint of the same image differently.
    """
    if len(tables) == 1:
        return tables[0]
    images = _first_places([table.image_paths for table in tables])
    names = _first_places([table.keypoint_names for table in tables])
    joined = LabelTable(
        image_paths=tuple(images),
        keypoint_names=tuple(names),
        keypoints=np.full((len(images), len(names), 2), np.nan),
        visibility=np.zeros((len(images), len(names)), dtype=np.int8),
        scorer="+".join(dict.fromkeys(table.scorer for table in tables)),
    )
    origins: dict[str, str] = {}
    for table in tables:
        rows = np.array([images[image] for image in table.image_paths])
        columns = np.array([names[name] for name in table.keypoint_names])
        _refuse_contradiction(joined, table, rows, columns, origins)
        _enter(joined, table, rows, columns)
        for row, image in enumerate(table.image_paths):
            origins.setdefault(image, table.origin(row))
    return LabelTable(
        joined.image_paths,
        joined.keypoint_names,
        joined.keypoints,
        joined.visibility,
        joined.scorer,
        tuple(origins[image] for image in joined.image_paths),
    )


def _first_places(lists: Sequence[tuple[str, ...]]) -> dict[str, int]:
    """Every name that occurs, in the order of first occurrence, and its position."""
    every = dict.fromkeys(name for names in lists for name in names)
    return {name: position for position, name in enumerate(every)}


def _enter(joined: LabelTable, table: LabelTable, rows: np.ndarray, columns: np.ndarray) -> None:
    """Write the labels of ``table`` into ``joined``."""
    labelled = table.visibility > 0
    where = tuple(
        np.broadcast_arrays(rows[:, None], columns[None])[axis][labelled] for axis in (0, 1)
    )
    joined.keypoints[where] = table.keypoints[labelled]
    joined.visibility[where] = table.visibility[labelled]


def _refuse_contradiction(
    joined: LabelTable,
    table: LabelTable,
    rows: np.ndarray,
    columns: np.ndarray,
    origins: dict[str, str],
) -> None:
    grid = np.ix_(rows, columns)
    before, code = joined.keypoints[grid], joined.visibility[grid]
    twice = (code > 0) & (table.visibility > 0)
    same = (code == table.visibility) & np.isclose(
        before, table.keypoints, rtol=0, atol=1e-6, equal_nan=True
    ).all(axis=-1)
    clash = np.argwhere(twice & ~same)
    if not len(clash):
        return
    row, column = (int(position) for position in clash[0])
    image, name = table.image_paths[row], table.keypoint_names[column]
    raise LabelFileError(
        f"two label files disagree about the keypoint '{name}' of '{image}'",
        where=f"{origins[image]}; {table.origin(row)}",
        remedy="keep one of the two rows",
    )
