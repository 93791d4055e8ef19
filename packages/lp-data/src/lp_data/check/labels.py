"""Check label files, and positions against the images that they are in."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from lp_core.errors import PoseError
from lp_core.listing import visible
from lp_core.paths import same_name
from lp_core.poses import PoseTable, Visibility
from lp_data.check.report import KeypointSummary, Problem
from lp_data.labels import join_tables, scan_labels


def find_label_files(project: Path) -> list[Path]:
    """The CSV files in the project folder that are named, or begin, as label files do."""
    return [path for path in visible(project, "*.csv") if _is_meant_as_labels(path)]


def _is_meant_as_labels(path: Path) -> bool:
    if path.name.lower().startswith("collecteddata"):
        return True
    with path.open("rb") as file:
        start = file.read(16)
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
