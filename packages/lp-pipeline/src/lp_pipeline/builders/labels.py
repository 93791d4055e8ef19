"""The label table that a config names."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from lp_core.errors import suggestion
from lp_core.poses import MissingPolicy, PoseTable, Skeleton
from lp_core.poses.skeleton import Pair
from lp_data.labels import read_label_files
from lp_pipeline.config.paths import csv_files
from lp_pipeline.config.schema import Config, DataConfig
from lp_pipeline.errors import ConfigError

OUT_OF_DISTRIBUTION = ("new", "test")
"""Label files ``<name>_new.csv`` and ``<name>_test.csv`` are evaluated by themselves."""

DEFAULT_IMAGE_SIZE = (256, 256)


def get_labels(config: Config) -> PoseTable:
    """All labels of the project, with the keypoints that the config selects.

    Where the label file does not state visibility and missing keypoints are to have uniform
    heatmaps, a keypoint without a position counts as one that cannot be seen, as in Lightning Pose.

    Raises:
        PoseError: A label file is malformed or lacks a keypoint.
        ConfigError: The number of keypoints is not the one that the config states, or it names
            columns beyond them.
    """
    files = csv_files(config)
    uniform = config.training.uniform_heatmaps_for_nan_keypoints
    missing = MissingPolicy.OCCLUDED if uniform else MissingPolicy.UNLABELED
    table = read_label_files(files, missing=missing)
    if config.data.keypoint_names:
        table = table.select_keypoints(config.data.keypoint_names)
    stated = config.data.num_keypoints
    if stated is not None and stated != table.num_keypoints:
        raise ConfigError(
            f"data.num_keypoints is {stated}, but the labels have {table.num_keypoints} keypoints",
            where=", ".join(str(file) for file in files),
            remedy=f"set data.num_keypoints to {table.num_keypoints}, or remove it",
        )
    _check_columns(config.data, table.num_keypoints)
    return replace(table, skeleton=_skeleton(config.data, table.keypoint_names))


def _skeleton(data: DataConfig, names: tuple[str, ...]) -> Skeleton:
    """The keypoints, with the pairs and the mirrored groups that the config names."""
    views = data.mirrored_column_matches or []
    groups = tuple(tuple(names[column] for column in group) for group in zip(*views, strict=False))
    edges, sides = as_pairs(data.skeleton), as_pairs(data.left_right)
    for key, pairs in (("data.skeleton", edges), ("data.left_right", sides)):
        for name in [name for pair in pairs for name in pair if name not in names][:1]:
            remedy = suggestion(name, names)
            raise ConfigError(f"there is no keypoint '{name}'", where=key, remedy=remedy)
    return Skeleton(names, edges=edges, left_right=sides, mirrored=groups)


def get_skeleton(config: Config) -> tuple[Pair, ...]:
    """The pairs of keypoints that drawings join by a line."""
    return as_pairs(config.data.skeleton)


def as_pairs(pairs: list[list[str]] | None) -> tuple[Pair, ...]:
    """Pairs of keypoint names that a config lists."""
    return tuple((first, second) for first, second in pairs or ())


def _check_columns(data: DataConfig, count: int) -> None:
    """Refuse columns that the labels do not have."""
    views = data.mirrored_column_matches or []
    named = {
        "data.columns_for_singleview_pca": list(data.columns_for_singleview_pca or []),
        "data.mirrored_column_matches": [column for view in views for column in view],
    }
    for key, columns in named.items():
        beyond = [column for column in columns if column >= count]
        if beyond:
            raise ConfigError(
                f"there is no keypoint {beyond[0]}: those of the labels count 0 to {count - 1}",
                where=key,
            )


def image_size(config: Config) -> tuple[int, int]:
    """(H, W) in model px."""
    size = config.data.image_resize_dims
    return size.height or DEFAULT_IMAGE_SIZE[0], size.width or DEFAULT_IMAGE_SIZE[1]


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
