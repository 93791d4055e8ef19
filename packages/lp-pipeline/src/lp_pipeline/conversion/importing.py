"""Labelled images of another tool as a project that is ready to train on."""

from __future__ import annotations

from pathlib import Path

import yaml

from lp_core.poses import PoseTable, write_pose_csv
from lp_data.datasets.neighbours import NeighbourEvidence, prove_neighbours
from lp_data.pictures import PictureWriter
from lp_io.errors import ConversionError
from lp_io.projects import LabeledImages
from lp_io.projects.folders import Videos, folder_beside, place_video
from lp_io.projects.report import REPORT_FILE, ConversionReport, kept_labels

LABEL_FILE = "CollectedData.csv"
CONFIG_FILE = "config.yaml"
_VIDEO_DIR = "videos"


def import_project(
    labels: LabeledImages, target: Path, *, videos: Videos = "link", overwrite: bool = False
) -> ConversionReport:
    """Make a project: label file, pictures with their neighbours, videos, and a config.

    The folder appears whole or not at all. What was kept and left out is also told in it, in
    ``conversion.txt``.

    Raises:
        ConversionError: ``target`` is there already, no picture can be had, or the disk fails.
    """
    report = ConversionReport(target, left_out=list(labels.left_out))
    with folder_beside(target, overwrite=overwrite, mark=REPORT_FILE, used=labels.files) as folder:
        pictures = PictureWriter(folder, report.left_out, report.reasons)
        there = {labels.images[place].name for place in pictures.write(labels.images)}
        if not there:
            why = "; ".join(f"{count} {reason}" for reason, count in report.reasons.items())
            raise ConversionError(
                f"not a single picture can be had: {why or 'no image is labelled'}",
                where=target,
                remedy="put the images or videos where the labels name them",
            )
        every = labels.table
        table = every.rows([row for row, frame in enumerate(every.frame) if frame in there])
        write_pose_csv(table, folder / LABEL_FILE)
        placed = placed_videos(labels, folder, videos)
        video_of = {image.name.rpartition("/")[0]: image.video for image in labels.images}
        proofs = prove_neighbours([*dict.fromkeys(table.image_paths)], folder, video_of.get)
        _tell(report, labels, table, len(placed), videos)
        _tell_neighbours(report, pictures.neighbours, proofs)
        context = proofs.num_proved > len(there) / 2
        text = _config(target, table, with_videos=bool(placed), context=context)
        (folder / CONFIG_FILE).write_text(text, encoding="utf-8")
        report.config = target / CONFIG_FILE
        report.write(folder / REPORT_FILE)
    return report


def placed_videos(labels: LabeledImages, folder: Path, how: Videos) -> list[Path]:
    """The videos of the labels as they were put into the folder of a project."""
    if how == "none":
        return []
    return [place_video(video, folder / _VIDEO_DIR, how) for video in labels.videos]


def _tell_neighbours(report: ConversionReport, written: int, proofs: NeighbourEvidence) -> None:
    report.kept.append(
        f"{written} neighbouring frames; {proofs.num_proved} images have all of theirs"
    )
    if proofs.unproved:
        report.left_out.append(f"the advice to train with context: {proofs.unproved_text()}")


def _tell(
    report: ConversionReport, labels: LabeledImages, table: PoseTable, placed: int, how: Videos
) -> None:
    report.kept.append(f"{kept_labels(table)}, labelled by {table.scorer}")
    if placed:
        report.kept.append(f"{placed} videos, {'linked' if how == 'link' else 'copied'}")
    elif labels.videos:
        report.left_out.append(f"{len(labels.videos)} videos, as asked for (--videos none)")
    edges, pairs = len(table.skeleton.edges), len(table.skeleton.left_right)
    if edges:
        report.kept.append(f"the skeleton of {edges} edges, in {CONFIG_FILE}")
    if pairs:
        report.kept.append(f"{pairs} left-right pairs, in {CONFIG_FILE}")


def _config(target: Path, table: PoseTable, *, with_videos: bool, context: bool) -> str:
    """A config in YAML; what it does not name has its default."""
    data: dict[str, object] = {
        "data_dir": str(target.absolute()),
        "csv_file": LABEL_FILE,
        "num_keypoints": table.num_keypoints,
        "keypoint_names": list(table.keypoint_names),
    }
    edges = [list(edge) for edge in table.skeleton.edges if edge[0] != edge[1]]
    if edges:
        data["skeleton"] = edges
    if table.skeleton.left_right:
        data["left_right"] = [list(pair) for pair in table.skeleton.left_right]
    if with_videos:
        data["video_dir"] = _VIDEO_DIR
    model = {"model_type": "heatmap", "model_name": target.name}
    text = yaml.safe_dump({"data": data, "model": model}, sort_keys=False, allow_unicode=True)
    hint = (
        "# Most images have their neighbouring frames, which heatmap_mhcrnn can use.\n"
        if context
        else "# Few images have frames that are surely their neighbours in time; heatmap_mhcrnn "
        "would gain little.\n"
    )
    return f"# Written by litpose convert. Every other key has its default.\n{hint}{text}"
