"""What a model directory knows of the project that it was trained on."""

from __future__ import annotations

import filecmp
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

from lp_analysis.errors import EvaluationError
from lp_analysis.metrics.curves import TrainingCurves, read_training_curves
from lp_analysis.metrics.frame_metrics import PoseMetrics, PoseSpaceError
from lp_analysis.metrics.summary import UNSPLIT
from lp_analysis.rendering.style import DrawingStyle
from lp_core.display import Display
from lp_core.paths import find_file
from lp_core.poses import PoseTable
from lp_data.labels import read_label_files
from lp_data.sessions import ViewNames, read_view_labels
from lp_io.checkpoint import Manifest, read_manifest
from lp_io.model_directory import (
    CONFIG_FILE,
    IMAGE_FOLDER,
    MANIFEST_NAME,
    PREDICTIONS,
    VIEWS,
    metrics_log,
    of_view,
)
from lp_pipeline.builders.labels import OUT_OF_DISTRIBUTION, drawing_style, label_names
from lp_pipeline.builders.losses import build_loss, training_labels
from lp_pipeline.config.load import load_config
from lp_pipeline.config.paths import label_copies
from lp_pipeline.config.schema import Config


def asked_pose_losses(config: Config) -> list[str]:
    """The losses whose error is a metric here: those whose keypoints the config names."""
    asked = {
        "pca_singleview": config.data.columns_for_singleview_pca,
        "pca_multiview": config.data.mirrored_column_matches,
    }
    if config.data.view_names:  # a table is of one camera
        del asked["pca_multiview"]
    return [name for name, columns in asked.items() if columns]


def fit_pose_metrics(config: Config, labels: PoseTable, train: Sequence[int]) -> PoseMetrics:
    """Learn the metrics from the labels of the training frames, in frame px.

    Each has the options of its own loss, ``losses.pca_singleview`` or ``losses.pca_multiview``,
    whether the training used that loss or not. The labels have the tracker's keypoints, and
    ``train`` are the rows to learn from.
    """
    losses = {name: build_loss(config, name) for name in asked_pose_losses(config)}
    return PoseMetrics.fitted(losses, training_labels(config, labels, train))


@dataclass(frozen=True, eq=False)
class ModelProject:
    """A model directory with its config, its copy of the labels, and the split.

    Attributes:
        folder: The model directory.
        config: The config of the training.
        manifest: What is said of the weights.
    """

    folder: Path
    config: Config
    manifest: Manifest

    @classmethod
    def from_dir(cls, folder: Path, *, data_dir: Path | None = None) -> ModelProject:
        """Read a model directory; nothing outside it is needed.

        ``data_dir`` says where the project's images are now, if elsewhere than in the config.

        Raises:
            EvaluationError: The folder holds no config.
            ConfigError: The config is damaged.
            CheckpointError: There is no model in it.
        """
        if not folder.is_dir():
            raise EvaluationError("there is no such model directory", where=folder)
        if not (folder / CONFIG_FILE).is_file():
            raise EvaluationError(
                f"there is no {CONFIG_FILE}",
                where=folder,
                remedy="name a model directory that `litpose train` made",
            )
        config = load_config(folder / CONFIG_FILE).config
        if data_dir is not None:
            config.data.data_dir = str(data_dir.absolute())
        return cls(folder, config, read_manifest(folder))

    @property
    def data_dir(self) -> Path:
        """The folder that image paths are relative to; it need not exist."""
        return Path(self.config.data.data_dir or ".")

    @property
    def label_copies(self) -> list[Path]:
        """Where the training put its copies of the label files."""
        return [self.folder / name for name in label_copies(self.config)]

    @cached_property
    def views(self) -> ViewNames | None:
        """The cameras of the project; None of one."""
        return ViewNames.from_dict(self.manifest.extra.get(VIEWS))

    @cached_property
    def labels(self) -> PoseTable:
        """The labels as they were at training, with the tracker's keypoints.

        Raises:
            EvaluationError: The copy of a label file is gone.
            PoseError: It is damaged.
        """
        for copy in self.label_copies:
            if not copy.is_file():
                raise EvaluationError(
                    "the model directory has lost its copy of the labels",
                    where=copy,
                    remedy="copy the label file there, or name a label file to evaluate",
                )
        if self.views is None:
            table = read_label_files(self.label_copies)
        else:
            copies = dict(zip(self.views.names, self.label_copies, strict=True))
            table = read_view_labels(copies, self.views)
        return table.select_keypoints(self.manifest.keypoint_names)

    @cached_property
    def use_of_images(self) -> dict[str, str]:
        """The split of each image path of the training."""
        split = self.manifest.split
        return {image: name for name, images in split.items() for image in images}

    @cached_property
    def sets(self) -> tuple[str, ...]:
        """The split that each labelled image belonged to at training."""
        return tuple(self.use_of_images.get(image, "unused") for image in self.labels.image_paths)

    def use_of(self, images: Sequence[str], folder: Path) -> tuple[str, ...]:
        """The split at training of each image in another folder; `UNSPLIT` where it was not used.

        Images are those of the training if they have the same relative path and, where both files
        are there, the same content.
        """
        return tuple(
            UNSPLIT if self._is_another(image, folder) else self.use_of_images.get(image, UNSPLIT)
            for image in images
        )

    def _is_another(self, image: str, folder: Path) -> bool:
        """Whether an image that was trained on and one of the same relative path differ."""
        ours, other = self.data_dir / image, folder / image
        if image not in self.use_of_images or not (ours.is_file() and other.is_file()):
            return False
        return not (ours.samefile(other) or filecmp.cmp(ours, other, shallow=False))

    @cached_property
    def pose_metrics(self) -> PoseMetrics:
        """The PCA metrics that the config asks for, learned from the training frames' labels."""
        if not asked_pose_losses(self.config):
            return PoseMetrics()
        if not all(copy.is_file() for copy in self.label_copies):
            note = "no PCA metrics: the model directory has no copy of the labels"
            return PoseMetrics(notes=(note,))
        train = [row for row, use in enumerate(self.sets) if use == "train"]
        return fit_pose_metrics(self.config, self.labels, train)

    @property
    def has_images(self) -> bool:
        """Whether the first labelled image is where it should be."""
        return find_file(self.data_dir, self.labels.image_paths[0]) is not None

    def predictions_of(self, label_file: Path) -> Path:
        """Where the predictions of another label file go.

        ``predictions_new.csv`` and ``predictions_test.csv`` are those of the label files named
        after the project's one label file, ``predictions_<view>_new.csv`` those of the file of a
        view; any other has a folder of its own.
        """
        own = label_names(self.config)
        views = self.views.names if self.views else (None,)
        for file, view in zip(own, views, strict=False) if len(own) == len(views) else ():
            for name in OUT_OF_DISTRIBUTION:
                if label_file.stem == f"{file.stem}_{name}":
                    table = self.folder / f"predictions_{name}.csv"
                    return table if view is None else of_view(table, view)
        return self.folder / IMAGE_FOLDER / label_file.stem / PREDICTIONS


def find_project(folder: Path | None) -> ModelProject | None:
    """A model directory with its config; None where it holds nothing but the weights.

    Raises:
        LPError: Its config or its manifest is damaged.
    """
    known = folder is not None and (folder / CONFIG_FILE).is_file()
    return ModelProject.from_dir(folder) if folder and known else None


def told_pose_metrics(
    project: ModelProject | None, display: Display
) -> Mapping[str, PoseSpaceError]:
    """The PCA metrics of a model directory by name, having said why one is missing."""
    found = PoseMetrics() if project is None else project.pose_metrics
    for note in found.notes:
        display.message(f"note: {note}")
    return found.metrics


def style_of(folder: Path | None) -> DrawingStyle:
    """How the config of a model directory wants predictions drawn; the defaults where it has none.

    Without a skeleton in the config, that of the manifest is drawn.

    Raises:
        LPError: The config or the manifest is damaged.
    """
    project = find_project(folder)
    style = drawing_style(Config() if project is None else project.config)
    if style.skeleton or folder is None or not (folder / MANIFEST_NAME).is_file():
        return style
    skeleton = read_manifest(folder).skeleton
    return style if skeleton is None else replace(style, skeleton=skeleton.edges)


def training_curves(project: ModelProject) -> TrainingCurves | None:
    """What the training logged; None where the log is gone."""
    log = metrics_log(project.folder)
    return read_training_curves(log) if log.is_file() else None
