"""Write a DeepLabCut project: config, label files in CSV and HDF5, pictures and videos."""

from __future__ import annotations

import csv
import datetime
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from lp_io.extras import require
from lp_io.keypoint_frame.frame import KeypointFrame
from lp_io.keypoint_frame.h5_writing import write_h5
from lp_io.predictions.layout import LEVELS
from lp_io.projects.labels import LABEL_FOLDER, LabeledImages, folder_name
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
    rows_of: dict[str, list[int]] = {}
    for row, image in enumerate(labels.images):
        parts = image.name.split("/")
        if len(parts) != 3 or parts[0] != LABEL_FOLDER:
            raise ContentError(
                f"the picture '{image.name}' is not in {LABEL_FOLDER}/VIDEO",
                "name the pictures by in_video_folders first",
            )
        rows_of.setdefault(parts[1], []).append(row)
    for name, rows in rows_of.items():
        _write_folder(labels, folder / "labeled-data" / name, rows)
    config = _config(labels, task, final, videos)
    text = yaml.safe_dump(config, sort_keys=False, allow_unicode=True)
    (folder / "config.yaml").write_text(text, encoding="utf-8")
    return _lost(labels)


def _write_folder(labels: LabeledImages, folder: Path, rows: list[int]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    columns = [(labels.scorer, name, coord) for name in labels.keypoint_names for coord in "xy"]
    frame = KeypointFrame(
        columns=tuple(columns),
        values=labels.keypoints[rows].reshape(len(rows), len(columns)),
        index=tuple(labels.images[row].name for row in rows),
    )
    stem = f"CollectedData_{labels.scorer}"
    if folder_name(labels.scorer) != labels.scorer:
        raise ContentError(
            f"the scorer '{labels.scorer}' cannot be part of a file's name",
            "write another name into the row 'scorer' of the label file",
        )
    write_label_csv(frame, folder / f"{stem}.csv")
    require("h5py", "h5")
    write_h5(frame, folder / f"{stem}.h5")


def write_label_csv(frame: KeypointFrame, path: Path) -> None:
    """Write a table of labels, the path in three columns as DeepLabCut has it."""
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        for level, title in enumerate(LEVELS):
            writer.writerow([title, "", "", *(column[level] for column in frame.columns)])
        for item, values in zip(frame.index, frame.values.tolist(), strict=True):
            cells = ["" if value != value else repr(value) for value in values]
            writer.writerow([*str(item).split("/"), *cells])


def _config(
    labels: LabeledImages, task: str, final: Path, videos: Sequence[Path]
) -> dict[str, Any]:
    """The keys that DeepLabCut expects, with its own defaults."""
    names = list(labels.keypoint_names)
    return {
        "Task": task,
        "scorer": labels.scorer,
        "date": datetime.date.today().strftime("%b%d"),
        "multianimalproject": False,
        "identity": None,
        "project_path": str(final.absolute()),
        "engine": "pytorch",
        "video_sets": {str(video): {"crop": "0, 0, 0, 0"} for video in videos},
        "bodyparts": names,
        "start": 0,
        "stop": 1,
        "numframes2pick": 20,
        "skeleton": [[names[a], names[b]] for a, b in labels.skeleton],
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


def _lost(labels: LabeledImages) -> list[str]:
    """What DeepLabCut's tables have no place for."""
    occluded = labels.visibility == 1
    with_position = np.isfinite(labels.keypoints).all(axis=-1)
    flagged = int((occluded & with_position).sum())
    lost = int((occluded & ~with_position).sum())
    empty = int((~with_position).all(axis=1).sum())
    notes = {
        f"that {flagged} keypoints are occluded: DeepLabCut keeps their positions only": flagged,
        f"{lost} occluded keypoints without a position: DeepLabCut needs one": lost,
        f"{empty} images without a position: they stay, but nothing is trained on them": empty,
    }
    return [note for note, count in notes.items() if count]
