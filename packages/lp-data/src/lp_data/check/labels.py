"""Check label files, and positions against the images that they are in."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from jaxtyping import Bool, Float
from numpy import ndarray

from lp_core.errors import PoseError
from lp_core.listing import visible
from lp_core.paths import same_name
from lp_core.poses import PoseTable, Visibility
from lp_data.check.report import KeypointSummary, Problem
from lp_data.extra_labels import DISTILLED, SUGGESTED
from lp_data.images import on_image
from lp_data.labels import join_tables, scan_labels

Sizes = Sequence[tuple[int, int] | None]
"""For each row (height, width) of its image in frame px, or None where unknown."""

_FEW = 2


def find_label_files(project: Path) -> list[Path]:
    """The CSV files in the project folder that are named, or begin, as label files do."""
    return [path for path in visible(project, "*.csv") if _is_meant_as_labels(path)]


def _is_meant_as_labels(path: Path) -> bool:
    if path.stem.endswith((SUGGESTED, DISTILLED)):
        return False
    with path.open("rb") as file:
        start = file.readline(1 << 16)
    if path.name.lower().startswith("collecteddata"):
        return not {b"x", b"y", b"h", b"w"} <= set(start.strip().split(b","))  # boxes
    return start.removeprefix(b"\xef\xbb\xbf").lower().startswith(b"scorer")


def check_label_files(paths: Sequence[Path]) -> tuple[PoseTable | None, list[Problem]]:
    """Read all label files as far as they can be read.

    Returns:
        One table of what could be read, or None where nothing could; and what is wrong.
    """
    tables, problems = [], []
    for path in paths:
        try:
            table, errors = scan_labels(path)
        except PoseError as error:
            problems.append(Problem.of(error))
            continue
        tables.append(table)
        problems += [Problem.of(error) for error in errors]
    if not tables:
        return None, problems
    contradictions: list[PoseError] = []
    joined = join_tables(tables, contradictions)
    return joined, problems + [Problem.of(error) for error in contradictions]


def check_keypoints(
    table: PoseTable, expected: Sequence[str] | None = None
) -> tuple[list[KeypointSummary], list[Problem]]:
    """Count how often each keypoint is labelled.

    Returns:
        The counts; and the keypoints that are never labelled, or that are ``expected`` by the
        config and in no label file.
    """
    visible, occluded = (
        (table.codes == code).sum(axis=0).tolist()
        for code in (Visibility.VISIBLE, Visibility.OCCLUDED)
    )
    summaries = list(map(KeypointSummary, table.keypoint_names, visible, occluded))
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
        if not any(same_name(name, own) for own in table.keypoint_names):
            where = "data.keypoint_names"
            problems.append(Problem("error", f"no label file has a keypoint '{name}'", where))
    return summaries, problems


def check_positions(table: PoseTable, sizes: Sizes) -> list[Problem]:
    """Positions that are not on their image, and positions that are not pixels of it."""
    shares = _shares(table)
    swapped, rows = _swapped(table, sizes)
    problems = [*([shares] if shares else []), *_zeros(table), *swapped]
    for row in sorted(set(range(len(table))) - rows):
        problems += _off_image(table, row, sizes[row])
    return problems


def _off_image(table: PoseTable, row: int, size: tuple[int, int] | None) -> list[Problem]:
    """The labels of one row that are not on its image."""
    if size is None:
        return []
    outside = _outside(table.points[row], size)
    return [
        Problem(
            "warning",
            f"({table.points[row, column, 0]:g}, {table.points[row, column, 1]:g}) is not on "
            f"the image of {size[1]}×{size[0]} px",
            f"{table.place(row)} ({table.keypoint_names[column]})",
            "correct it, or leave it empty; in training it counts as missing",
        )
        for column in np.flatnonzero(outside).tolist()
    ]


def _outside(
    points: Float[ndarray, "keypoints 2"], size: tuple[int, int]
) -> Bool[ndarray, " keypoints"]:
    return np.isfinite(points).all(axis=-1) & ~on_image(points, size)


def _zeros(table: PoseTable) -> list[Problem]:
    """Exactly (0, 0) more than once: what some tools write for a keypoint that is not there."""
    zero = (table.points == 0).all(axis=-1) & (table.codes == Visibility.VISIBLE)
    count = int(zero.sum())
    if count < _FEW:
        return []
    rows = np.flatnonzero(zero.any(axis=1))
    columns = np.flatnonzero(zero.any(axis=0))
    names = ", ".join(table.keypoint_names[column] for column in columns[:5].tolist())
    more = f" and {len(columns) - 5} more" if len(columns) > 5 else ""
    return [
        Problem(
            "warning",
            f"{count} labels in {len(rows)} rows are at exactly (0, 0), which often stands for a "
            "missing keypoint; the tracker would learn the corner",
            f"{table.place(int(rows[0]))} and others ({names}{more})",
            "leave both cells of a missing keypoint empty",
        )
    ]


def _shares(table: PoseTable) -> Problem | None:
    """All positions between 0 and 1: shares of the image's sides instead of pixels."""
    points = table.points[table.has_position]
    if len(points) < _FEW or not ((points >= 0) & (points <= 1)).all() or not points.any():
        return None
    return Problem(
        "warning",
        "no label is beyond 1 px: the positions seem to be shares of the image's width and height",
        table.place(int(np.flatnonzero(table.has_position.any(axis=1))[0])) + " and all others",
        "multiply x by the width and y by the height of the image, in px",
    )


def _swapped(table: PoseTable, sizes: Sizes) -> tuple[list[Problem], set[int]]:
    """Folders in which x and y are exchanged, one problem for each, and the rows that they have.

    There at least half of the labelled rows have a label off the image, and none has one with x and
    y exchanged.
    """
    folders: dict[str, list[int]] = defaultdict(list)
    for row, path in enumerate(table.image_paths):
        if sizes[row] is not None and table.has_position[row].any():
            folders[path.rpartition("/")[0]].append(row)
    problems: list[Problem] = []
    rows: set[int] = set()
    for folder, members in folders.items():
        off = [len(_off_image(table, row, sizes[row])) for row in members]
        with_off = sum(count > 0 for count in off)
        if with_off >= max(_FEW, len(members) / 2) and _fit_exchanged(table, members, sizes):
            first = members[next(place for place, count in enumerate(off) if count)]
            problems.append(
                Problem(
                    "warning",
                    f"x and y seem to be exchanged in '{folder}': {sum(off)} labels in {with_off} "
                    f"of {len(members)} rows are not on their image, and all would be",
                    f"{table.place(first)} and others",
                    "write x (to the right) before y (down), or correct the header's row coords",
                )
            )
            rows |= set(members)
    return problems, rows


def _fit_exchanged(table: PoseTable, rows: Sequence[int], sizes: Sizes) -> bool:
    """Whether all labels are on their images once x and y are exchanged."""
    known = ((table.points[row][:, ::-1], sizes[row]) for row in rows)
    return not any(size and _outside(points, size).any() for points, size in known)
