"""Check a whole project in one pass."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from lp_core.listing import visible
from lp_core.paths import foreign_path_hint
from lp_core.poses import PoseTable
from lp_data.check.animals import check_animals
from lp_data.check.files import check_images, check_videos
from lp_data.check.labels import (
    check_keypoints,
    check_label_files,
    check_positions,
    find_label_files,
)
from lp_data.check.report import Problem, ProjectReport
from lp_data.check.views import check_view_labels, check_views, find_views
from lp_data.datasets.neighbours import prove_neighbours, videos_by_name
from lp_data.errors import DataError, SessionError
from lp_data.sessions.names import ViewNames


def check_project(
    project: str | Path,
    *,
    label_files: Sequence[str | Path] | None = None,
    video_dir: str | Path | None = None,
    keypoint_names: Sequence[str] | None = None,
) -> ProjectReport:
    """Look at every label, image and video of a project, and list everything that is wrong.

    Args:
        project: The project folder, to which the paths in label files are relative.
        label_files: The label files, relative to the folder or absolute; by default every CSV file
            in the folder that is named ``CollectedData…``, or begins as label files do.
        video_dir: The folder of the videos, likewise; by default ``videos``.
        keypoint_names: The keypoints that the config names, if it does.

    Returns:
        The report; `lp_data.check.report.report_text` turns it into text.

    Raises:
        DataError: The project is not a folder.
    """
    project = Path(project)
    if not project.is_dir():
        hint = foreign_path_hint(str(project)) or "check the path, or data_dir"
        raise DataError("the project is not a folder", where=project, remedy=hint)
    files = find_label_files(project) if label_files is None else [project / f for f in label_files]
    views, view_problems = _views(project, files)
    table, problems = check_view_labels(files, views) if views else check_label_files(files)
    problems += view_problems
    others = tuple(path for path in visible(project, "*.csv") if path not in files)
    if not files:
        problems.append(_no_label_file(project, others))
    folder = project / (video_dir or "videos")
    videos, beside_videos, video_problems = check_videos(folder)
    report = ProjectReport(project, tuple(files), others, problems=tuple(problems))
    if table is not None:
        report = _with_labels(report, table, folder, keypoint_names)
    if views is not None:
        summary, together = check_views(table, views, project, videos)
        report = replace(report, views=summary, problems=(*report.problems, *together))
    return replace(
        report,
        videos=tuple(videos),
        beside_videos=beside_videos,
        problems=(*report.problems, *video_problems),
    )


def _views(project: Path, files: Sequence[Path]) -> tuple[ViewNames | None, list[Problem]]:
    """The cameras of a project; None of one, or where nothing says which."""
    try:
        return find_views(project, files), []
    except SessionError as error:
        return None, [Problem.of(error)]


def _with_labels(
    report: ProjectReport, table: PoseTable, videos: Path, names: Sequence[str] | None
) -> ProjectReport:
    keypoints, problems = check_keypoints(table, names)
    animals, animal_problems = check_animals(table, report.label_files)
    sizes, image_problems = check_images(table, report.project)
    position_problems = check_positions(table, sizes)
    size_of = dict(zip(table.image_paths, sizes, strict=True))
    labelled = np.asarray((table.codes > 0).any(axis=1))
    per_image = Counter(int(labelled[rows].sum()) for _, rows in table.by_frame())
    return replace(
        report,
        num_frames=len(size_of),
        num_labelled_frames=len(size_of) - per_image[0],
        num_animals=len(table) if table.individual is None else int(labelled.sum()),
        keypoints=tuple(keypoints),
        animals=tuple(animals),
        animals_per_image=per_image if animals else Counter(),
        image_sizes=Counter(size for size in size_of.values() if size is not None),
        neighbours=prove_neighbours(tuple(size_of), report.project, videos_by_name(videos)),
        problems=(
            *report.problems, *problems, *animal_problems, *image_problems, *position_problems,
        ),
    )  # fmt: skip


def _no_label_file(project: Path, others: Sequence[Path]) -> Problem:
    problem, place = "there is no label file", str(project)
    remedy = "put a CSV file of labels into the folder, such as CollectedData.csv"
    if others:
        problem += ": no CSV file begins with the rows scorer, bodyparts and coords"
        place += f" ({', '.join(path.name for path in others)})"
        remedy = "give the label file these rows, or name it CollectedData.csv to have it checked"
    return Problem("error", problem, place, remedy)
