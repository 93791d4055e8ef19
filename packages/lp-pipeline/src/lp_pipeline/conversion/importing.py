"""Labelled images of another tool as a project that is ready to train on."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import yaml

from lp_data.labels import LabelTable, write_labels
from lp_io.projects import LabeledImages
from lp_pipeline.conversion.folders import Videos, folder_beside, place_video
from lp_pipeline.conversion.pictures import PictureWriter
from lp_pipeline.conversion.report import REPORT_FILE, ConversionReport
from lp_pipeline.errors import ConvertError

LABEL_FILE = "CollectedData.csv"
CONFIG_FILE = "config.yaml"
_VIDEO_DIR = "videos"


def import_project(
    labels: LabeledImages, target: Path, *, videos: Videos = "link", overwrite: bool = False
) -> ConversionReport:
    """Make a project: label file, pictures with their neighbours, videos, and a config.

    Args:
        labels: What another tool's reader gave.
        target: The project's folder, which appears whole or not at all.
        videos: Whether videos are linked, copied or left where they are.
        overwrite: Replace what is there.

    Returns:
        What was kept and left out; it is also in the project, as ``conversion.txt``.

    Raises:
        ConvertError: ``target`` is there already, no picture can be had, or the disk fails.
    """
    report = ConversionReport(target, left_out=list(labels.left_out))
    with folder_beside(target, overwrite=overwrite, mark=REPORT_FILE, used=labels.files) as folder:
        pictures = PictureWriter(folder, report)
        rows = pictures.write(labels.images)
        if not rows:
            why = "; ".join(f"{count} {reason}" for reason, count in report.reasons.items())
            raise ConvertError(
                f"not a single picture can be had: {why or 'no image is labelled'}",
                where=target,
                remedy="put the images or videos where the labels name them",
            )
        table = _table(labels).subset(rows)
        write_labels(table, folder / LABEL_FILE)
        placed = [] if videos == "none" else [
            place_video(video, folder / _VIDEO_DIR, videos) for video in labels.videos
        ]  # fmt: skip
        _tell(report, labels, table, pictures, len(placed), videos)
        (folder / CONFIG_FILE).write_text(
            _config(target, table, with_videos=bool(placed), context=_has_context(pictures)),
            encoding="utf-8",
        )
        report.config = target / CONFIG_FILE
        report.write(folder / REPORT_FILE)
    return report


def _table(labels: LabeledImages) -> LabelTable:
    return LabelTable(
        image_paths=tuple(image.name for image in labels.images),
        keypoint_names=labels.keypoint_names,
        keypoints=labels.keypoints.astype(np.float64),
        visibility=labels.visibility,
        scorer=labels.scorer,
        states_visibility=labels.states_visibility,
    )


def _has_context(pictures: PictureWriter) -> bool:
    return pictures.with_neighbours > len(pictures.sizes) / 2


def _tell(
    report: ConversionReport,
    labels: LabeledImages,
    table: LabelTable,
    pictures: PictureWriter,
    placed: int,
    how: Videos,
) -> None:
    positions = int(table.has_position.sum())
    report.kept += [
        f"{len(table)} labelled images with {positions} positions of {table.num_keypoints} "
        f"keypoints, labelled by {table.scorer}",
        f"{pictures.neighbours} neighbouring frames; {pictures.with_neighbours} images have all "
        "of theirs",
    ]
    if placed:
        report.kept.append(f"{placed} videos, {'linked' if how == 'link' else 'copied'}")
    elif labels.videos:
        report.left_out.append(f"{len(labels.videos)} videos, as asked for (--videos none)")
    if labels.skeleton:
        report.left_out.append(
            f"the skeleton of {len(labels.skeleton)} edges: lp's label files have no place for it"
        )


def _config(target: Path, table: LabelTable, *, with_videos: bool, context: bool) -> str:
    """A config in YAML; what it does not name has its default."""
    data = {
        "data_dir": str(target.absolute()),
        "csv_file": LABEL_FILE,
        "num_keypoints": table.num_keypoints,
        "keypoint_names": list(table.keypoint_names),
    }
    if with_videos:
        data["video_dir"] = _VIDEO_DIR
    model = {"model_type": "heatmap", "model_name": target.name}
    text = yaml.safe_dump({"data": data, "model": model}, sort_keys=False, allow_unicode=True)
    hint = (
        "# Most images have their neighbouring frames, which heatmap_mhcrnn can use.\n"
        if context
        else "# Few images have neighbouring frames; heatmap_mhcrnn would gain little.\n"
    )
    return f"# Written by litpose convert. Every other key has its default.\n{hint}{text}"
