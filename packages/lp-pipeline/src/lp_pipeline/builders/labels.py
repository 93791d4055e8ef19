"""The label table that a config names."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from lp_analysis.rendering.style import DrawingStyle
from lp_core.poses import MissingPolicy, PoseTable, Skeleton
from lp_core.poses.skeleton import Pair
from lp_data.extra_labels import with_extra_labels
from lp_data.labels import read_label_files
from lp_data.sessions import read_view_labels
from lp_io.documents.report import Report
from lp_pipeline.builders.views import get_views
from lp_pipeline.config.checks import check_keypoints, column_lists
from lp_pipeline.config.completion import DEFAULT_SIZE
from lp_pipeline.config.paths import csv_files, in_project, view_files
from lp_pipeline.config.schema import Config, DataConfig
from lp_pipeline.errors import ConfigError

OUT_OF_DISTRIBUTION = ("new", "test")
"""Label files ``<name>_new.csv`` and ``<name>_test.csv`` are evaluated by themselves."""


def get_labels(config: Config) -> PoseTable:
    """All labels of the project, with the keypoints that the config selects, and extra ones.

    Where the label file does not state visibility and missing keypoints are to have uniform
    heatmaps, a keypoint without a position counts as one that cannot be seen, as in Lightning Pose.

    Raises:
        PoseError: A label file is malformed or lacks a keypoint.
        ConfigError: The number of keypoints is not the one that the config states, or it names
            keypoints that are not there.
    """
    files = csv_files(config)
    uniform = config.training.uniform_heatmaps_for_nan_keypoints
    missing = MissingPolicy.OCCLUDED if uniform else MissingPolicy.UNLABELED
    if views := get_views(config):
        table = read_view_labels(view_files(config), views, missing=missing)
    else:
        table = read_label_files(files, missing=missing)
    if config.data.extra_labels:
        table = with_extra_labels(table, in_project(config, config.data.extra_labels))
    if config.data.keypoint_names:
        table = table.select_keypoints(config.data.keypoint_names)
    names = table.keypoint_names
    report = Report(Path(", ".join(map(str, files))))
    check_keypoints(config.data.model_copy(update={"keypoint_names": list(names)}), report)
    report.raise_if_any(ConfigError)
    return replace(table, skeleton=_skeleton(config.data, names))


def _skeleton(data: DataConfig, names: tuple[str, ...]) -> Skeleton:
    """The keypoints, with the pairs and the mirrored groups that the config names."""
    views = [] if data.view_names else column_lists(data)
    groups = tuple(tuple(names[column] for column in group) for group in zip(*views, strict=True))
    edges, sides = as_pairs(data.skeleton), as_pairs(data.left_right)
    return Skeleton(names, edges=edges, left_right=sides, mirrored=groups)


def drawing_style(config: Config) -> DrawingStyle:
    """How a config wants predictions drawn."""
    return DrawingStyle(
        colormap=config.eval.colormap,
        confidence_threshold=config.eval.confidence_thresh_for_vid,
        skeleton=as_pairs(config.data.skeleton),
    )


def as_pairs(pairs: list[list[str]] | None) -> tuple[Pair, ...]:
    """Pairs of keypoint names that a config lists."""
    return tuple((first, second) for first, second in pairs or ())


def image_size(config: Config) -> tuple[int, int]:
    """(H, W) in model px."""
    size = config.data.image_resize_dims
    return size.height or DEFAULT_SIZE, size.width or DEFAULT_SIZE


def label_names(config: Config) -> tuple[Path, ...]:
    """The names of the label files as a config has them."""
    named = config.data.csv_file
    return tuple(map(Path, [named] if isinstance(named, str) else named))


def other_label_files(config: Config) -> list[Path]:
    """Label files beside a project's own with frames of another distribution."""
    folder = Path(config.data.data_dir or ".")
    beside = [
        (folder / label).with_name(f"{label.stem}_{name}.csv")
        for label in label_names(config)
        for name in OUT_OF_DISTRIBUTION
    ]
    return [file for file in beside if file.is_file()]
