"""A synthetic project on disk, and the file that describes it."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from lp_synthetic.errors import SyntheticProjectError
from lp_synthetic.settings import SyntheticSettings
from lp_synthetic.skeleton import (
    keypoint_names,
    mirrored_column_matches,
    singleview_columns,
    skeleton_edges,
)

PROJECT_FILE = "project.json"
LABEL_FILE = "CollectedData.csv"
OOD_LABEL_FILE = "CollectedData_new.csv"
TEST_VIDEO = "videos_test/test.mp4"
OOD_VIDEO = "videos_ood/ood.mp4"
CALIBRATIONS = "calibrations"
_KIND = "lp synthetic project"
_VERSION = 1
_REMEDY = "name a folder that generate_project has written, or generate the project again"


@dataclass(frozen=True)
class SyntheticProject:
    """A project whose truth is known: labels as Lightning Pose and DeepLabCut have them.

    Attributes:
        folder: The project's folder.
        label_file: The labels to train with, ``CollectedData.csv``.
        ood_label_file: Labels of out-of-distribution frames, ``CollectedData_new.csv``.
        train_videos: Unlabelled videos of the same look as the labelled frames.
        test_video: A held-out video of the same look.
        ood_video: A held-out video of another look.
        truth: Per video stem the label file with the truth of every frame; its rows are named by
            the number of the frame. Codes: 0 outside the view, 1 hidden, 2 visible.
        boxes: Per video stem the boxes of the instance masks, see `lp_synthetic.labelling`; empty
            where the animal is not filmed from above. Those of the label files are beside them,
            named ``CollectedData_boxes.csv`` and ``CollectedData_new_boxes.csv``.
        individuals: Names of several animals; empty for one.
        keypoint_names: Names of the keypoints of one animal, first those of the direct view.
        skeleton: Pairs of keypoint names to join by a line.
        mirrored_column_matches: Per view the columns of its keypoints (multi-view PCA).
        columns_for_singleview_pca: Columns of the keypoints that suit single-view PCA.
        body_length_px: Mean distance from nose to tail base in the direct view of the labelled
            frames, in frame px.
        views: Names of several cameras; empty for one. The other attributes that name a file are
            then of the first of them, `label_files`, `ood_label_files` and `test_videos` of all.
        label_files: The labels to train with, of each camera.
        ood_label_files: Labels of out-of-distribution frames, of each camera.
        test_videos: The held-out videos of each camera.
        calibrations: Per recording the file of its several cameras.
        truth_3d: Per recording of several cameras every keypoint in space, in mm, see
            `lp_synthetic.space`.
    """

    folder: Path
    label_file: Path
    ood_label_file: Path
    train_videos: tuple[Path, ...]
    test_video: Path
    ood_video: Path
    truth: dict[str, Path]
    boxes: dict[str, Path]
    individuals: tuple[str, ...]
    keypoint_names: tuple[str, ...]
    skeleton: tuple[tuple[str, str], ...]
    mirrored_column_matches: list[list[int]]
    columns_for_singleview_pca: list[int]
    body_length_px: float
    views: tuple[str, ...]
    label_files: tuple[Path, ...]
    ood_label_files: tuple[Path, ...]
    test_videos: tuple[Path, ...]
    calibrations: dict[str, Path]
    truth_3d: dict[str, Path]

    @property
    def data_config(self) -> dict[str, Any]:
        """The keys of the section ``data`` of a Lightning Pose config that trains on it."""
        config: dict[str, Any] = {
            "data_dir": str(self.folder),
            "video_dir": str(self.folder / "videos"),
            "csv_file": self.label_file.name,
            "keypoint_names": list(self.keypoint_names),
            "num_keypoints": len(self.keypoint_names),
        }
        if self.views:
            config |= {
                "view_names": list(self.views),
                "csv_file": [path.name for path in self.label_files],
            }
        return config


def of_view(name: str, view: str) -> str:
    """The name of the file of a camera, where there are several: ``a_view.csv`` for ``a.csv``."""
    path = Path(name)
    return path.with_name(f"{path.stem}_{view}{path.suffix}").as_posix() if view else name


def write_project_file(folder: Path, settings: SyntheticSettings, body_length_px: float) -> None:
    """Describe a project in its ``project.json``."""
    chosen = asdict(settings)
    if settings.cameras == 1:  # as it was before there were several
        del chosen["cameras"], chosen["fisheye"]
    content = {"kind": _KIND, "version": _VERSION, "settings": chosen}
    content["body_length_px"] = body_length_px
    (folder / PROJECT_FILE).write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")


def is_project(folder: Path) -> bool:
    """Whether a folder holds a synthetic project."""
    try:
        return bool(_content(folder / PROJECT_FILE))
    except SyntheticProjectError:
        return False


def read_project(folder: str | Path) -> SyntheticProject:
    """Read a project that ``generate_project`` has written.

    Raises:
        SyntheticProjectError: The folder holds no such project, or its file is damaged.
    """
    folder = Path(folder)
    path = folder / PROJECT_FILE
    content = _content(path)
    try:
        settings = SyntheticSettings(**content["settings"])
        body_length_px = float(content["body_length_px"])
    except (KeyError, TypeError, ValueError) as error:
        problem = f"the description of the project is damaged: {error}"
        raise SyntheticProjectError(problem, where=path, remedy=_REMEDY) from error
    views, cameras = settings.views, settings.view_names or ("",)

    def of_all(name: str) -> tuple[Path, ...]:
        return tuple(folder / of_view(name, view) for view in cameras)

    videos = [of_all(f"videos/{name}.mp4") for name in settings.video_names]
    tests, ood = of_all(TEST_VIDEO), of_all(OOD_VIDEO)
    stems = [path.stem for group in (*videos, tests, ood) for path in group]
    recordings = (*settings.session_names, Path(TEST_VIDEO).stem, Path(OOD_VIDEO).stem)
    recordings = recordings if settings.view_names else ()
    return SyntheticProject(
        folder=folder,
        label_file=of_all(LABEL_FILE)[0],
        ood_label_file=of_all(OOD_LABEL_FILE)[0],
        train_videos=tuple(path for group in videos for path in group),
        test_video=tests[0],
        ood_video=ood[0],
        truth={stem: folder / f"truth/{stem}.csv" for stem in stems},
        boxes={stem: folder / f"truth/{stem}_boxes.csv" for stem in stems if settings.overhead},
        individuals=settings.individuals,
        keypoint_names=tuple(keypoint_names(views)),
        skeleton=tuple(skeleton_edges(views)),
        mirrored_column_matches=mirrored_column_matches(views),
        columns_for_singleview_pca=singleview_columns(views),
        body_length_px=body_length_px,
        views=settings.view_names,
        label_files=of_all(LABEL_FILE),
        ood_label_files=of_all(OOD_LABEL_FILE),
        test_videos=tests,
        calibrations={name: folder / f"{CALIBRATIONS}/{name}.toml" for name in recordings},
        truth_3d={name: folder / f"truth/{name}_3d.csv" for name in recordings},
    )


def _content(path: Path) -> dict[str, Any]:
    """The project file as far as it is one of ours."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        problem = f"no synthetic project can be read here: {error}"
        raise SyntheticProjectError(problem, where=path, remedy=_REMEDY) from error
    kind = content if isinstance(content, dict) else {}
    if (kind.get("kind"), kind.get("version")) != (_KIND, _VERSION):
        problem = f"the file describes no synthetic project of version {_VERSION}"
        raise SyntheticProjectError(problem, where=path, remedy=_REMEDY)
    return kind
