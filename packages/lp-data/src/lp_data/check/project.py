"""Check a whole project in one pass."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from lp_core.listing import visible
from lp_core.paths import foreign_path_hint
from lp_core.poses import PoseTable
from lp_data.check.images import check_images
from lp_data.check.labels import check_keypoints, check_label_files, find_label_files
from lp_data.check.positions import check_positions
from lp_data.check.report import Problem, ProjectReport
from lp_data.check.videos import check_videos
from lp_data.datasets.time_order import prove_neighbours, videos_by_name
from lp_data.errors import DataError


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
        The report; `lp_data.check.text.report_text` turns it into text.

    Raises:
        DataError: The project is not a folder.
    """
    project = Path(project)
    if not project.is_dir():
        hint = foreign_path_hint(str(project)) or "check the path, or data_dir"
        raise DataError("the project is not a folder", where=project, remedy=hint)
    files = find_label_files(project) if label_files is None else [project / f for f in label_files]
    table, problems = check_label_files(files)
    others = tuple(path for path in visible(project, "*.csv") if path not in files)
    if not files:
        problems.append(_no_label_file(project, others))
    folder = project / (video_dir or "videos")
    videos, beside_videos, video_problems = check_videos(folder)
    if table is None:
        return ProjectReport(
            project,
            tuple(files),
            others,
            videos=tuple(videos),
            beside_videos=beside_videos,
            problems=(*problems, *video_problems),
        )
    keypoints, keypoint_problems = check_keypoints(table, keypoint_names)
    sizes, image_problems = check_images(table, project)
    return ProjectReport(
        project=project,
        label_files=tuple(files),
        other_tables=others,
        num_frames=len(table),
        num_labelled_frames=_num_labelled(table),
        keypoints=tuple(keypoints),
        image_sizes=Counter(size for size in sizes if size is not None),
        neighbours=prove_neighbours(table.image_paths, project, videos_by_name(folder)),
        videos=tuple(videos),
        beside_videos=beside_videos,
        problems=(
            *problems,
            *keypoint_problems,
            *image_problems,
            *check_positions(table, sizes),
            *video_problems,
        ),
    )


def _num_labelled(table: PoseTable) -> int:
    return int((table.codes > 0).any(axis=1).sum())


def _no_label_file(project: Path, others: Sequence[Path]) -> Problem:
    if others:
        names = ", ".join(path.name for path in others)
        return Problem(
            "error",
            "there is no label file: no CSV file begins with the rows scorer, bodyparts and coords",
            f"{project} ({names})",
            "give the label file these rows, or name it CollectedData.csv to have it checked",
        )
    return Problem(
        "error",
        "there is no label file",
        str(project),
        "put a CSV file of labels into the folder, such as CollectedData.csv",
    )
