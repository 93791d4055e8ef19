"""Check what is said of several cameras: their labels, their videos, and that they go together."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from lp_core.errors import LPError, PoseError
from lp_core.poses import PoseTable
from lp_data.check.report import Problem, VideoSummary, ViewsSummary
from lp_data.errors import DataError, SessionError
from lp_data.labels import join_tables, scan_labels
from lp_data.sessions.calibrations import (
    calibration_of_videos,
    find_calibrations,
    sizes_of_views,
)
from lp_data.sessions.labels import join_views, share_of_views, view_of_images
from lp_data.sessions.manifest import SessionManifest, group_videos, listed_sessions
from lp_data.sessions.names import ViewNames, session_of
from lp_data.sessions.view_set import tell_lengths


def find_views(project: Path, label_files: Sequence[Path]) -> ViewNames | None:
    """The cameras of a project; None where nothing says that there are several.

    They are those of ``sessions.csv``, or of label files ``…_<view>.csv`` whose images all lie in
    folders ``…_<view>``.

    Raises:
        SessionError: ``sessions.csv`` cannot be read.
    """
    listed = listed_sessions(None, [project])
    if len(listed.views) > 1:
        return listed.view_names
    tables = {path: _image_folders(path) for path in label_files}
    names = [_common_view(path.stem, folders) for path, folders in tables.items()]
    found = tuple(dict.fromkeys(name for name in names if name is not None))
    return ViewNames(found) if len(found) > 1 else None


def _image_folders(path: Path) -> set[str]:
    """The names of the folders that the images of a label file are in; none where it is wrong."""
    try:
        table, _ = scan_labels(path)
    except PoseError:
        return set()
    return {image.rpartition("/")[0].rpartition("/")[2] for image in table.image_paths}


def _common_view(stem: str, folders: set[str]) -> str | None:
    """The longest end of the name of a label file in which all its folders end."""
    parts = stem.split("_")
    ends = ("_".join(parts[place:]) for place in range(1, len(parts)))
    return next(
        (end for end in ends if folders and all(f.endswith(f"_{end}") for f in folders)), None
    )


def check_view_labels(
    paths: Sequence[Path], views: ViewNames
) -> tuple[PoseTable | None, list[Problem]]:
    """Read the label files of all views as far as they can be read, and join their rows.

    Returns:
        One table of what could be joined, or None; and what is wrong.
    """
    tables: dict[str, list[PoseTable]] = defaultdict(list)
    problems: list[Problem] = []
    for path in paths:
        try:
            table, errors = scan_labels(path)
            tables[view_of_images(table, views, path)].append(table)
        except LPError as error:
            problems.append(Problem.of(error))
            continue
        problems += [Problem.of(error) for error in errors]
    contradictions: list[PoseError] = []
    of_view = {view: join_tables(found, contradictions) for view, found in tables.items()}
    problems += [Problem.of(error) for error in contradictions]
    if not of_view:
        return None, problems
    try:
        return join_views(of_view, views), problems
    except LPError as error:
        return None, [*problems, Problem.of(error)]


def check_views(
    table: PoseTable | None, views: ViewNames, project: Path, videos: Sequence[VideoSummary]
) -> tuple[ViewsSummary, list[Problem]]:
    """How many frames and sessions have all views, and what is wrong between views.

    Args:
        table: The joined labels; None where they could not be joined.
        views: The cameras.
        project: The folder of the project.
        videos: The videos that can be opened.
    """
    problems = [] if table is None else _absent_images(table, views)
    moments = () if table is None else dict.fromkeys(views.moments(table))
    try:
        listed = listed_sessions(views.names, [project])
        sessions = group_videos([video.path for video in videos], views, listed)
        calibrations = find_calibrations(project, map(session_of, moments), listed)
    except SessionError as error:
        return ViewsSummary(views.names), [*problems, Problem.of(error)]
    lengths = {video.path: video.num_frames for video in videos}
    for together in sessions.sessions.values():
        try:
            told = tell_lengths(together, {v.view: lengths[v.video] for v in together})
        except SessionError as error:
            problems.append(Problem.of(error))
            continue
        if told:
            where = ", ".join(str(video.video) for video in together)
            problems.append(Problem("warning", told, where))
    problems += [
        Problem("warning", f"session '{session}' has no video of the view '{view}'", str(project))
        for session, view in sessions.absent
    ]
    problems += [
        Problem("warning", f"the video is of no view: {left.reason}", str(left.file))
        for left in sessions.left_out
    ]
    frames = {} if table is None else share_of_views(table, views)
    images = [*_labelled(table, views, project, calibrations)]
    images += _filmed(sessions, views, project, {video.path: video.size for video in videos})
    summary = ViewsSummary(views.names, frames, sessions.text(), calibrations, tuple(images))
    return summary, problems


def _labelled(
    table: PoseTable | None, views: ViewNames, project: Path, calibrations: Mapping[str, Path]
) -> Iterator[tuple[Path, str, Mapping[str, tuple[int, int]]]]:
    """The sizes of labelled images by the file of their cameras; images that are gone tell none."""
    if table is None or not calibrations:
        return
    files = {moment: calibrations[session_of(moment)] for moment in views.moments(table)}
    try:
        for file, sizes in sizes_of_views(project, table, views, files).items():
            yield file, "labelled images", sizes
    except DataError:  # told where images are checked
        return


def _filmed(
    sessions: SessionManifest,
    views: ViewNames,
    project: Path,
    sizes: Mapping[Path, tuple[int, int]],
) -> Iterator[tuple[Path, str, Mapping[str, tuple[int, int]]]]:
    """The sizes of the videos of each session of calibrated cameras."""
    for session, videos in sessions.sessions.items():
        file = calibration_of_videos(videos, views, project)
        if file is not None:
            yield file, f"videos of '{session}'", {v.view: sizes[v.video][::-1] for v in videos}


def _absent_images(table: PoseTable, views: ViewNames) -> list[Problem]:
    """Views that have no image of some labelled frames."""
    seen: dict[str, set[str | None]] = defaultdict(set)
    for moment, view in zip(views.moments(table), table.view or (), strict=True):
        seen[moment].add(view)
    problems = []
    for view in views.names:
        absent = [moment for moment, found in seen.items() if view not in found]
        if absent:
            problem = f"the view '{view}' has no row for {len(absent)} of {len(seen)} frames"
            remedy = "frames without a view are learnt from the others; add its rows if it has them"
            problems.append(Problem("warning", problem, f"such as {absent[0]}", remedy))
    return problems
