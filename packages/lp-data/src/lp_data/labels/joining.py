"""Join several label files into one table."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from lp_data.errors import LabelFileError
from lp_data.labels.reading import read_labels
from lp_data.labels.table import LabelTable, Visibility

_SAME = 1e-6  # frame px


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


def join_tables(
    tables: Sequence[LabelTable], problems: list[LabelFileError] | None = None
) -> LabelTable:
    """One table with all images and the union of the keypoints.

    Keypoints stand in the order in which the tables first name them. A keypoint that a table does
    not have is unlabelled in its images. An image may be in two tables, as long as they do not both
    label the same keypoint, or agree on it.

    Args:
        tables: One or more tables.
        problems: Where contradictions are written down, while the first label stands; None makes
            them an error.

    Raises:
        LabelFileError: Two tables label the same keypoint of the same image differently.
    """
    if len(tables) == 1:
        return tables[0]
    images = _first_places([table.image_paths for table in tables])
    names = _first_places([table.keypoint_names for table in tables])
    keypoints = np.full((len(images), len(names), 2), np.nan)
    visibility = np.zeros((len(images), len(names)), dtype=np.int8)
    origins: dict[str, str] = {}
    for table in tables:
        rows = [images[image] for image in table.image_paths]
        columns = [names[name] for name in table.keypoint_names]
        grid = np.ix_(rows, columns)
        before = replace(table, keypoints=keypoints[grid], visibility=visibility[grid])
        for row, column in _contradictions(before, table):
            error = _contradiction(table, row, column, origins)
            if problems is None:
                raise error
            problems.append(error)
        new = before.visibility == Visibility.UNLABELED
        keypoints[grid] = np.where(new[..., None], table.keypoints, before.keypoints)
        visibility[grid] = np.where(new, table.visibility, before.visibility)
        for row, image in enumerate(table.image_paths):
            origins.setdefault(image, table.origin(row))
    return LabelTable(
        image_paths=tuple(images),
        keypoint_names=tuple(names),
        keypoints=keypoints,
        visibility=visibility,
        scorer="+".join(dict.fromkeys(table.scorer for table in tables)),
        origins=tuple(origins[image] for image in images),
        states_visibility=any(table.states_visibility for table in tables),
    )


def _first_places(lists: Sequence[tuple[str, ...]]) -> dict[str, int]:
    """Every name that occurs, in the order of first occurrence, and its position."""
    every = dict.fromkeys(name for names in lists for name in names)
    return {name: position for position, name in enumerate(every)}


def _contradictions(before: LabelTable, table: LabelTable) -> list[list[int]]:
    """Row and column of each keypoint that both tables label, but not alike."""
    labelled = (before.visibility > 0) & (table.visibility > 0)
    near = np.isclose(before.keypoints, table.keypoints, rtol=0, atol=_SAME, equal_nan=True)
    alike = (before.visibility == table.visibility) & near.all(axis=-1)
    return np.argwhere(labelled & ~alike).tolist()


def _contradiction(
    table: LabelTable, row: int, column: int, origins: dict[str, str]
) -> LabelFileError:
    image, name = table.image_paths[row], table.keypoint_names[column]
    return LabelFileError(
        f"two label files disagree about the keypoint '{name}' of '{image}'",
        where=f"{origins[image]}; {table.origin(row)}",
        remedy="keep one of the two rows",
    )
