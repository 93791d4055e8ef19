"""A project of ours that is made of the labels of another tool: its config, and what it keeps."""

from __future__ import annotations

from pathlib import Path

import yaml

from lp_core.poses import PoseTable
from lp_io.model_directory import CONFIG_FILE
from lp_io.projects import LabeledImages
from lp_io.projects.folders import VIDEO_FOLDER, Videos
from lp_io.projects.report import ConversionReport, kept_labels

LABEL_FILE = "CollectedData.csv"


def tell_imported(
    report: ConversionReport, labels: LabeledImages, table: PoseTable, placed: int, how: Videos
) -> None:
    """Report what a project of ours keeps of labels.

    Args:
        report: The report.
        labels: The labels.
        table: Those of them whose pictures could be had.
        placed: How many of the videos it holds.
        how: How they got there.
    """
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


def project_config(target: Path, table: PoseTable, *, with_videos: bool, context: bool) -> str:
    """The config of a project in YAML; what it does not name has its default.

    Args:
        target: The project's folder.
        table: Its labels.
        with_videos: Whether it has videos.
        context: Whether most images have their neighbouring frames.
    """
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
        data["video_dir"] = VIDEO_FOLDER
    model = {"model_type": "heatmap", "model_name": target.name}
    text = yaml.safe_dump({"data": data, "model": model}, sort_keys=False, allow_unicode=True)
    hint = (
        "# Most images have their neighbouring frames, which heatmap_mhcrnn can use.\n"
        if context
        else "# Few images have frames that are surely their neighbours in time; heatmap_mhcrnn "
        "would gain little.\n"
    )
    return f"# Written by litpose convert. Every other key has its default.\n{hint}{text}"
