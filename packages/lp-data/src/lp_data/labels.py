"""Label files: hand-labelled keypoints of images, one animal in each."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from lp_core.errors import PoseError
from lp_core.poses import Content, MissingPolicy, PoseTable, Skeleton, Visibility, read_pose_csv

_SAME = 1e-6  # frame px


def read_labels(path: str | Path, *, require_labels: bool = True) -> PoseTable:
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
        PoseError: The file cannot be read without guessing what it means. The message names the
            line and the column.
    """
    table = read_pose_csv(path, Content.LABELS)
    if require_labels and not table.codes.any():
        raise PoseError(
            "not a single keypoint is labelled in this file",
            where=path,
            remedy="label frames, or check that this is the right file",
        )
    return table


def scan_labels(path: str | Path) -> tuple[PoseTable, list[PoseError]]:
    """Read a label file as far as it can be read, and list everything that is wrong with it.

    Returns:
        The rows that can be understood, with wrong cells left empty; and an error for each row and
        each keypoint that `read_labels` would refuse.

    Raises:
        PoseError: Nothing can be understood, such as without a header.
    """
    problems: list[PoseError] = []
    return read_pose_csv(path, Content.LABELS, note=problems.append), problems


def read_label_files(
    paths: Sequence[str | Path],
    *,
    require_labels: bool = True,
    missing: MissingPolicy = MissingPolicy.UNLABELED,
) -> PoseTable:
    """Read label files of one project and join them with `join_tables`.

    Args:
        paths: One or more files.
        require_labels: Whether a file without a single labelled keypoint is an error.
        missing: What a keypoint without a position teaches where no file states visibility.

    Raises:
        PoseError: No file is given, one cannot be read, or two contradict each other.
    """
    if not paths:
        raise PoseError("no label file is given", remedy="set data.csv_file")
    tables = [read_labels(path, require_labels=require_labels) for path in paths]
    return replace(join_tables(tables), missing=missing)


def join_tables(tables: Sequence[PoseTable], problems: list[PoseError] | None = None) -> PoseTable:
    """One table with all images and the union of the keypoints.

    Keypoints stand in the order in which the tables first name them. A keypoint that a table does
    not have is unlabelled in its images. An image may be in two tables, as long as they do not both
    label the same keypoint, or agree on it.

    Args:
        tables: One or more tables, of one animal in each image.
        problems: Where contradictions are written down, while the first label stands; None makes
            them an error.

    Raises:
        PoseError: Two tables label the same keypoint of the same image differently.
    """
    if len(tables) == 1:
        return tables[0]
    images = _first_places([table.image_paths for table in tables])
    names = _first_places([table.keypoint_names for table in tables])
    points = np.full((len(images), len(names), 2), np.nan)
    codes = np.zeros((len(images), len(names)), dtype=np.int8)
    places: dict[str, str] = {}
    for table in tables:
        rows = [images[image] for image in table.image_paths]
        grid = np.ix_(rows, [names[name] for name in table.keypoint_names])
        before = replace(table, points=points[grid], visibility=codes[grid])
        for row, column in _contradictions(before, table):
            error = _contradiction(table, row, column, places)
            if problems is None:
                raise error
            problems.append(error)
        new = before.codes == Visibility.UNLABELED
        points[grid] = np.where(new[..., None], table.points, before.points)
        codes[grid] = np.where(new, table.codes, before.codes)
        for row, image in enumerate(table.image_paths):
            places.setdefault(image, table.place(row))
    stated = any(table.visibility is not None for table in tables)
    return PoseTable(
        Skeleton(tuple(names)),
        points,
        tuple(images),
        visibility=codes if stated else None,
        scorer="+".join(dict.fromkeys(table.scorer for table in tables)),
        read_from=tuple(places[image] for image in images),
    )


def _first_places(lists: Sequence[tuple[str, ...]]) -> dict[str, int]:
    """Every name that occurs, in the order of first occurrence, and its position."""
    every = dict.fromkeys(name for names in lists for name in names)
    return {name: position for position, name in enumerate(every)}


def _contradictions(before: PoseTable, table: PoseTable) -> list[list[int]]:
    """Row and column of each keypoint that both tables label, but not alike."""
    labelled = (before.codes > 0) & (table.codes > 0)
    near = np.isclose(before.points, table.points, rtol=0, atol=_SAME, equal_nan=True)
    alike = (before.codes == table.codes) & near.all(axis=-1)
    return np.argwhere(labelled & ~alike).tolist()


def _contradiction(table: PoseTable, row: int, column: int, places: dict[str, str]) -> PoseError:
    image, name = table.image_paths[row], table.keypoint_names[column]
    return PoseError(
        f"two label files disagree about the keypoint '{name}' of '{image}'",
        where=f"{places[image]}; {table.place(row)}",
        remedy="keep one of the two rows",
    )
