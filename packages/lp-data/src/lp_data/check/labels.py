"""Check label files, and positions against the images that they are in."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from lp_data.check.report import KeypointSummary, Problem
from lp_data.errors import LabelFileError
from lp_data.labels import LabelTable, Visibility, join_tables, scan_labels

_HEADER_START = b"scorer"
_USUAL_NAME = "collecteddata"


def find_label_files(project: Path) -> list[Path]:
    """The CSV files in the project folder that are named, or begin, as label files do."""
    return [path for path in sorted(project.glob("*.csv")) if _is_meant_as_labels(path)]


def _is_meant_as_labels(path: Path) -> bool:
    if path.name.lower().startswith(_USUAL_NAME):
        return True
    with path.open("rb") as file:
        start = file.read(16)
    return start.removeprefix(b"\xef\xbb\xbf").lower().startswith(_HEADER_START)


def check_label_files(paths: Sequence[Path]) -> tuple[LabelTable | None, list[Problem]]:
    """Read all label files as far as they can be read.

    Returns:
        One table of what could be read, or None where nothing could; and what is wrong.
    """
    tables, problems = [], []
    for path in paths:
        try:
            table, errors = scan_labels(path)
        except LabelFileError as error:
            problems.append(Problem.of(error))
            continue
        tables.append(table)
        problems += [Problem.of(error) for error in errors]
    if not tables:
        return None, problems
    contradictions: list[LabelFileError] = []
    joined = join_tables(tables, contradictions)
    return joined, problems + [Problem.of(error) for error in contradictions]


def check_keypoints(
    table: LabelTable, expected: Sequence[str] | None = None
) -> tuple[list[KeypointSummary], list[Problem]]:
    """Count how often each keypoint is labelled.

    Args:
        table: The labels.
        expected: The names in the config, where there is one.

    Returns:
        The counts; and the keypoints that are never labelled, or that only one of the label files
        and the config knows.
    """
    codes = table.visibility
    summaries = [
        KeypointSummary(
            name,
            visible=int((codes[:, column] == Visibility.VISIBLE).sum()),
            occluded=int((codes[:, column] == Visibility.OCCLUDED).sum()),
        )
        for column, name in enumerate(table.keypoint_names)
    ]
    problems = [
        Problem(
            "warning",
            f"the keypoint '{each.name}' is never labelled",
            "all label files",
            "label it, or remove its columns",
        )
        for each in summaries
        if not each.visible + each.occluded
    ]
    for name in expected or ():
        if name not in table.keypoint_names:
            where = "data.keypoint_names"
            problems.append(Problem("error", f"no label file has a keypoint '{name}'", where))
    return summaries, problems


def check_positions(table: LabelTable, sizes: Sequence[tuple[int, int] | None]) -> list[Problem]:
    """Positions that are not on their image.

    Args:
        table: The labels.
        sizes: For each row (height, width) of its image in frame px, or None where unknown.
    """
    problems = []
    for row, size in enumerate(sizes):
        if size is None:
            continue
        points = table.keypoints[row]
        limit = np.array([size[1], size[0]]) - 0.5
        outside = ((points < -0.5) | (points >= limit)).any(axis=-1)
        for column in np.flatnonzero(outside).tolist():
            x, y = points[column].tolist()
            problems.append(
                Problem(
                    "warning",
                    f"({x:g}, {y:g}) is not on the image of {size[1]}×{size[0]} px",
                    f"{table.origin(row)} ({table.keypoint_names[column]})",
                    "correct it, or leave it empty; in training it counts as missing",
                )
            )
    return problems
