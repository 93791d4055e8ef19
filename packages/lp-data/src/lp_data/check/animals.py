"""Check the animals of a project of several: who is labelled, how often, and who twice."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import combinations
from pathlib import Path

import numpy as np

from lp_core.errors import PoseError
from lp_core.poses import PoseTable
from lp_core.poses.centroids import bounding_boxes
from lp_core.poses.grid import SINGLE
from lp_data.check.report import AnimalSummary, Problem
from lp_data.labels import named_animals, unique_keypoints

_NEAR, _SHARE = 2.0, 0.05
"""Mean distance of the keypoints of two poses of one animal: in frame px, or of its size."""


def check_animals(
    table: PoseTable, files: Sequence[Path]
) -> tuple[list[AnimalSummary], list[Problem]]:
    """Count how often each individual is labelled.

    Returns:
        The counts, none where the label files name no individuals; and individuals that are never
        labelled or twice in one image, images without any, and keypoints that are of none.
    """
    if table.individual is None:
        return [], []
    labelled = table.codes > 0
    named: dict[str, list[int]] = {}
    for row in np.flatnonzero(labelled.any(axis=1)).tolist():
        named.setdefault(table.individual[row] or "", []).append(row)
    summaries = [
        AnimalSummary(name, len(rows), int(labelled[rows].sum())) for name, rows in named.items()
    ]
    problems = [*_never_labelled(files, named), *_unique(files), *_empty(table), *_doubled(table)]
    return summaries, problems


def _never_labelled(files: Sequence[Path], named: dict[str, list[int]]) -> Iterator[Problem]:
    for name, file in _told(files, named_animals):
        if name not in named:
            yield Problem(
                "warning",
                f"the individual '{name}' is never labelled",
                str(file),
                "label it, or remove its columns",
            )


def _unique(files: Sequence[Path]) -> Iterator[Problem]:
    for name, file in _told(files, unique_keypoints):
        yield Problem(
            "warning",
            f"the keypoint '{name}' of '{SINGLE}' belongs to no animal, and is not trained on",
            str(file),
            "to train on it, put it into a label file of its own",
        )


def _told(
    files: Sequence[Path], tell: Callable[[Path], tuple[str, ...]]
) -> Iterator[tuple[str, Path]]:
    """Names that each file tells, each with the first file that does; wrong files tell none."""
    known: dict[str, Path] = {}
    for file in files:
        try:
            for name in tell(file):
                known.setdefault(name, file)
        except PoseError:  # told where the file is read
            continue
    yield from known.items()


def _empty(table: PoseTable) -> Iterator[Problem]:
    """Images without any animal, which may only wait to be labelled."""
    bare = [int(rows[0]) for _, rows in table.by_frame() if not table.codes[rows].any()]
    if bare:
        yield Problem(
            "warning",
            f"{len(bare)} images have no labelled animal; a tracker of several animals learns that "
            "they show none",
            table.place(bare[0]) + (" and others" if len(bare) > 1 else ""),
            "remove the rows of images that are not labelled yet",
        )


def _doubled(table: PoseTable) -> Iterator[Problem]:
    """Pairs of individuals of an image whose poses are almost the same."""
    low, high = bounding_boxes(table.points).swapaxes(0, 1)
    sizes = np.nan_to_num(np.hypot(*(high - low).T))
    for image, rows in table.by_frame():
        for first, second in combinations(rows.tolist(), 2):
            apart = np.hypot(*(table.points[first] - table.points[second]).T)
            common = np.isfinite(apart)
            fewer = min(table.has_position[[first, second]].sum(axis=1).tolist())
            if common.sum() < max(1, fewer / 2):
                continue
            near = max(_NEAR, _SHARE * float(sizes[[first, second]].max()))
            if (distance := float(apart[common].mean())) <= near:
                names = table.individual or ()
                yield Problem(
                    "warning",
                    f"'{names[first]}' and '{names[second]}' of '{image}' are at the same place: "
                    f"their keypoints are {distance:.1f} px apart on average",
                    table.place(first),
                    "keep one of them, if one animal was labelled twice",
                )
