"""The label files of several views as one table, joined by session and frame."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from lp_core.errors import PoseError
from lp_core.poses import MissingPolicy, PoseTable
from lp_core.poses.table import concatenate
from lp_core.trackers.supervised import BaseSupervisedTracker
from lp_data.errors import SessionError
from lp_data.labels import read_labels
from lp_data.sessions.names import ViewNames


def read_view_labels(
    files: Mapping[str, str | Path],
    views: ViewNames,
    *,
    require_labels: bool = True,
    missing: MissingPolicy = MissingPolicy.UNLABELED,
    name_all: bool = True,
) -> PoseTable:
    """Read the label file of each view, and join them with `join_views`.

    Args:
        files: For each view its file; views may be absent.
        views: The views of the project.
        require_labels: Whether files without a single labelled keypoint are an error.
        missing: What a keypoint without a position teaches where no file states visibility.
        name_all: Name animals without a track, see `read_labels`; such a name says nothing of which
            animal it is in another view.

    Raises:
        PoseError: A file cannot be read, or has other keypoints than another one.
        SessionError: An image is not of the view whose file lists it.
    """
    tables = {
        view: read_labels(file, require_labels=False, name_all=name_all)
        for view, file in files.items()
    }
    if require_labels and not any(table.codes.any() for table in tables.values()):
        raise PoseError(
            "not a single keypoint is labelled in these files",
            where=", ".join(map(str, files.values())),
            remedy="label frames, or check that these are the right files",
        )
    return join_views({v: replace(table, missing=missing) for v, table in tables.items()}, views)


def join_views(tables: Mapping[str, PoseTable], views: ViewNames) -> PoseTable:
    """One table with the rows of all views: those of one frame are neighbours, in their order.

    Rows belong together by the session and the frame that their paths name, whatever their order in
    the files. Where a view has no row of a frame, there is none.

    Raises:
        PoseError: Two views have different keypoints.
        SessionError: An image is not of the view whose table lists it, or a frame has two images of
            one view.
    """
    first = next(iter(tables.values()))
    _check_keypoints(tables)
    joined = concatenate(
        [
            replace(table.select_keypoints(first.keypoint_names), view=(view,) * len(table))
            for view, table in tables.items()
        ]
    )
    try:
        moments = views.moments(joined)
    except SessionError as error:
        raise _placed(error, joined, views) from error
    order = {moment: number for number, moment in enumerate(dict.fromkeys(moments))}
    keys = [
        (order[moment], view) for moment, view in zip(moments, views.numbers(joined), strict=True)
    ]
    _check_once(joined, keys)
    return joined.rows(sorted(range(len(joined)), key=keys.__getitem__))


def sets_of_views(files: Sequence[Path], views: ViewNames) -> list[dict[str, Path]]:
    """Label files of views that belong together: those whose names differ in the view only.

    A file is of the view that the folders of its images name.

    Raises:
        PoseError: A file cannot be read.
        SessionError: The images of a file do not say their view, or two files of a set are of one.
    """
    sets: dict[str, dict[str, Path]] = {}
    for file in files:
        view = view_of_images(read_labels(file, require_labels=False), views, file)
        together = sets.setdefault(
            re.sub(rf"_{re.escape(view)}(?=_|$)", "", file.stem, count=1), {}
        )
        if view in together:
            raise SessionError(
                f"two label files are of the view '{view}'", where=f"{together[view]}, {file}"
            )
        together[view] = file
    return list(sets.values())


def view_of_images(table: PoseTable, views: ViewNames, file: Path) -> str:
    """The view of the labels of a file, as the folders of the first image name it.

    Raises:
        SessionError: They name none.
    """
    path = table.image_paths[0]
    found = [of for folder in path.split("/")[:-1] if (of := views.split(folder)) is not None]
    if not found:
        raise SessionError(
            f"no folder of '{path}' ends in the name of a view",
            where=file,
            remedy=f"the views are {', '.join(views.names)}",
        )
    return found[-1].view


LabelSet = Mapping[str | None, Path]
"""Label files that are predicted together, by their view; one file under None by itself."""


def label_sets(
    files: Sequence[Path], tracker: BaseSupervisedTracker, views: ViewNames | None
) -> list[LabelSet]:
    """Label files as a tracker predicts them: each by itself, or those of all views together.

    Raises:
        PoseError: A file cannot be read.
        SessionError: The images of a file do not say their view.
    """
    if tracker.views == "each" or views is None:
        return [{None: file} for file in files]
    return [dict(found.items()) for found in sets_of_views(files, views)]


def read_label_set(files: LabelSet, views: ViewNames | None) -> PoseTable:
    """The labels of a set of files.

    Raises:
        LPError: A file cannot be read.
    """
    named = {view: file for view, file in files.items() if view is not None}
    return read_view_labels(named, views) if named and views else read_labels(files[None])


def told_files(files: LabelSet) -> str:
    """The names of the files of a set."""
    return ", ".join(file.name for file in files.values())


def share_of_views(table: PoseTable, views: ViewNames) -> dict[int, int]:
    """How many frames have rows of how many views, most views first."""
    seen: dict[str, set[str | None]] = {}
    for moment, view in zip(views.moments(table), table.view or (), strict=True):
        seen.setdefault(moment, set()).add(view)
    counts = [len(each) for each in seen.values()]
    return {number: counts.count(number) for number in sorted(set(counts), reverse=True)}


def _check_keypoints(tables: Mapping[str, PoseTable]) -> None:
    """Every view has the same keypoints, in whatever order."""
    (view, first), *others = tables.items()
    for other, table in others:
        here, there = set(first.keypoint_names), set(table.keypoint_names)
        if here != there:
            more, less = (other, view) if there - here else (view, other)
            name = sorted(there - here or here - there)[0]
            raise PoseError(
                f"the view '{more}' has the keypoint '{name}', and the view '{less}' has not",
                where=f"{first.place(0).partition(', line')[0]}, "
                f"{table.place(0).partition(', line')[0]}",
                remedy="give the label files of all views the same keypoints; leave cells empty "
                "where a view cannot see one",
            )


def _check_once(table: PoseTable, keys: list[tuple[int, int]]) -> None:
    """One view has one image of a frame."""
    images: dict[tuple[int, int], int] = {}
    for row, key in enumerate(keys):
        other = images.setdefault(key, row)
        if table.frame[other] != table.frame[row]:
            raise SessionError(
                f"'{table.frame[other]}' and '{table.frame[row]}' are the same frame of one view",
                where=f"{table.place(other)}; {table.place(row)}",
                remedy="keep one of them",
            )


def _placed(error: SessionError, table: PoseTable, views: ViewNames) -> SessionError:
    """The error with the place of the first row that it is about."""
    for row in range(len(table)):
        try:
            views.moments(table.rows(np.array([row])))
        except SessionError as found:
            return SessionError(found.problem, where=table.place(row), remedy=found.remedy)
    return error
