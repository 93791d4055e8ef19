"""Write a DeepLabCut project: config, label files in CSV and HDF5, pictures and videos."""

from __future__ import annotations

import datetime
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import yaml

from lp_core.poses import PoseTable, Visibility, write_pose_csv
from lp_core.poses.columns import wide_of
from lp_core.poses.grid import SINGLE
from lp_io.errors import require
from lp_io.projects.labels import LABEL_FOLDER, LabeledImages, folder_name
from lp_io.tables.h5 import write_h5
from lp_io.untrusted.content import ContentError


def write_deeplabcut_project(
    labels: LabeledImages, folder: Path, *, task: str, final: Path, videos: Sequence[Path] = ()
) -> list[str]:
    """Write the config and the label files of a DeepLabCut project; pictures are the caller's.

    Args:
        labels: The labels; their pictures are ``labeled-data/VIDEO/FILE``.
        folder: Where to write, such as a folder that is renamed to ``final`` afterwards.
        task: The project's name.
        final: Where the project will stand.
        videos: The videos, as the config should name them.

    Returns:
        What could not be kept.

    Raises:
        ContentError: A picture is not in a folder of ``labeled-data``, or a name cannot be kept.
    """
    table = replace(labels.table, visibility=None)
    rows_of: dict[str, list[int]] = {}
    for row, name in enumerate(table.image_paths):
        parts = name.split("/")
        if len(parts) != 3 or parts[0] != LABEL_FOLDER:
            raise ContentError(
                f"the picture '{name}' is not in {LABEL_FOLDER}/VIDEO",
                "name the pictures by lp_io.projects.exporting.with_video_folders first",
            )
        rows_of.setdefault(parts[1], []).append(row)
    if folder_name(table.scorer) != table.scorer:
        raise ContentError(
            f"the scorer '{table.scorer}' cannot be part of a file's name",
            "write another name into the row 'scorer' of the label file",
        )
    for name, rows in rows_of.items():
        place = folder / LABEL_FOLDER / name
        place.mkdir(parents=True, exist_ok=True)
        stem = f"CollectedData_{table.scorer}"
        write_pose_csv(table.rows(rows), place / f"{stem}.csv", path_columns=3)
        require("h5py", "h5")
        write_h5(table.rows(rows), place / f"{stem}.h5")
    config = _config(labels.table, task, final, videos)
    text = yaml.safe_dump(config, sort_keys=False, allow_unicode=True)
    (folder / "config.yaml").write_text(text, encoding="utf-8")
    return _lost(labels.table)


def _config(table: PoseTable, task: str, final: Path, videos: Sequence[Path]) -> dict[str, Any]:
    """The keys that DeepLabCut expects, with its own defaults."""
    return {
        "Task": task,
        "scorer": table.scorer,
        "date": datetime.date.today().strftime("%b%d"),
        "multianimalproject": table.individual is not None,
        "identity": None,
        "project_path": str(final.absolute()),
        "engine": "pytorch",
        "video_sets": {str(video): {"crop": "0, 0, 0, 0"} for video in videos},
        **_bodyparts(table),
        "start": 0,
        "stop": 1,
        "numframes2pick": 20,
        "skeleton": [list(edge) for edge in table.skeleton.edges],
        "skeleton_color": "black",
        "pcutoff": 0.6,
        "dotsize": 12,
        "alphavalue": 0.7,
        "colormap": "rainbow",
        "TrainingFraction": [0.95],
        "iteration": 0,
        "default_net_type": "resnet_50",
        "default_augmenter": "default",
        "snapshotindex": -1,
        "batch_size": 8,
        "cropping": False,
        "corner2move2": [50, 50],
        "move2corner": True,
    }


def _bodyparts(table: PoseTable) -> dict[str, Any]:
    """The keys that name keypoints; in a project of several animals there are four."""
    if table.individual is None:
        return {"bodyparts": list(table.keypoint_names)}
    wide = wide_of(table)
    of_scene = {names[-2] for names in wide.columns if names[1] == SINGLE}
    of_animals = {names[-2] for names in wide.columns if names[1] != SINGLE}
    return {
        "individuals": [n for n in dict.fromkeys(c[1] for c in wide.columns) if n != SINGLE],
        "multianimalbodyparts": [name for name in table.keypoint_names if name in of_animals],
        "uniquebodyparts": [name for name in table.keypoint_names if name in of_scene],
        "bodyparts": "MULTI!",
    }


def _lost(table: PoseTable) -> list[str]:
    """What DeepLabCut's tables have no place for."""
    occluded = table.codes == Visibility.OCCLUDED
    flagged = int((occluded & table.has_position).sum())
    lost = int((occluded & ~table.has_position).sum())
    empty = sum(not table.has_position[rows].any() for _, rows in table.by_frame())
    notes = {
        f"that {flagged} keypoints are occluded: DeepLabCut keeps their positions only": flagged,
        f"{lost} occluded keypoints without a position: DeepLabCut needs one": lost,
        f"{empty} images without a position: they stay, but nothing is trained on them": empty,
    }
    return [note for note, count in notes.items() if count]
