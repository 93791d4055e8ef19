"""What lies in a model directory: the names of its files and folders, which are Lightning Pose's.

The weights and their manifest are read and written by `lp_io.checkpoint`, training states by
`lp_io.training_state`. Predictions, metrics, plots and the report are derived: they can be made
again from the weights, the labels and the videos.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from lp_core.listing import visible

CONFIG_FILE = "config.yaml"
"""The resolved config of the training."""

MANIFEST_NAME = "manifest.json"
WEIGHTS_NAME = "model.safetensors"
STATE_FOLDER = "training_state"
PROGRESS_FILE = "progress.json"
LOCK_FILE = ".training.lock"
TENSORBOARD_FOLDER = "tb_logs"
CSV_FOLDER = "csv_logs"
METRICS_FILE = "metrics.csv"
"""What the training logged, in `CSV_FOLDER`."""

PREDICTIONS = "predictions.csv"
"""Predictions of the labelled frames; the folders of `IMAGE_FOLDER` have one each."""

PIXEL_ERROR_SUMMARY = "pixel_error_summary.csv"
ERROR_PLOT = "error_plot.png"
REPORT_FILE = "report.html"
VIDEO_FOLDER = "video_preds"
IMAGE_FOLDER = "image_preds"
LABELED_VIDEO_FOLDER = "labeled_videos"
OUTLIERS = "outliers.csv"

MEMBERS_FOLDER = "members"
"""Predictions of the members of an ensemble, where they are asked for, a folder for each."""

DETECTOR_FOLDER = "detector"
"""A model directory of its own, of what finds the animals, where there are several."""

TOP_DOWN = "top_down"
"""What ``manifest.json`` keeps, among its ``extra``, of a model that looks at animals in crops."""

WHOLE_FRAME = "whole_frame"
"""The same of a model that finds all animals of a frame by itself."""

VIEWS = "views"
"""What ``manifest.json`` keeps, among its ``extra``, of a model of several cameras."""

SCORE_THRESHOLD = "score_threshold"
"""What the manifest of what finds animals keeps among its ``extra``: the score of the least sure
animal."""

CAMERAS = "cameras"
"""What the manifest keeps among its ``extra`` of the calibrated cameras of the training."""

POSES = "poses"
"""What the manifest keeps among its ``extra`` of the poses in space that its labels show."""

TRIANGULATED = "lp_triangulation"
"""The scorer of points in space, and of tables of what they say that views show."""


def metrics_log(folder: Path) -> Path:
    """Where the training of a model directory logs losses and errors."""
    return folder / CSV_FOLDER / METRICS_FILE


def video_table(folder: Path, video: Path | str) -> Path:
    """Where a model directory keeps its predictions of a video: a file, or the name for it."""
    name = video if isinstance(video, str) else video.stem
    return folder / VIDEO_FOLDER / f"{name}.csv"


def member_table(table: Path, member: str) -> Path:
    """Where the table of a member of an ensemble lies, given that of the ensemble."""
    return table.parent / MEMBERS_FOLDER / member / table.name


def member_tables(table: Path, members: Sequence[str]) -> list[Path]:
    """The tables of the members of an ensemble; without any, its own."""
    return [member_table(table, name) for name in members] or [table]


def of_view(table: Path, view: str) -> Path:
    """That of one of several cameras: ``predictions_top_new.csv`` of ``predictions_new.csv``."""
    first, *rest = table.stem.split("_", 1)
    return table.with_name("_".join([first, view, *rest]) + table.suffix)


def video_tables(folder: Path) -> list[Path]:
    """The tables of predictions of videos in a model directory.

    Those of their metrics, points in space and tables of reprojected points are not among them.
    """
    tables, found = folder / VIDEO_FOLDER, []
    made = f"scorer,{TRIANGULATED},".encode()
    for path in visible(tables, "*.csv") if tables.is_dir() else ():
        with path.open("rb") as file:
            start = file.read(len(made))
        if start.startswith(b"scorer,") and start != made:
            found.append(path)
    return found


def points3d_path(folder: Path, session: str, ending: str = ".csv") -> Path:
    """Where the points in space of a session lie, beside the tables of its views."""
    return folder / f"{'_'.join(filter(None, (session, 'points3d')))}{ending}"


def reprojected_path(table: Path) -> Path:
    """Where the table lies of what the points in space say that the view of a table shows."""
    return table.with_name(f"{table.stem}_reprojected.csv")


def labeled_video_path(table: Path) -> Path:
    """Where the labelled video of a table of predictions lies."""
    return table.parent / LABELED_VIDEO_FOLDER / f"{table.stem}_labeled.mp4"


def model_of_table(table: Path) -> Path | None:
    """The model directory that a table of predictions lies in; None where it is in none."""
    folders = table.absolute().parents[:2]  # the model directory itself, or video_preds in it
    return next((folder for folder in folders if (folder / MANIFEST_NAME).is_file()), None)
