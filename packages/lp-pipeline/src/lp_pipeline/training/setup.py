"""Everything that a training needs, built from a config before anything is written."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pytorch_lightning import seed_everything

from lp_core.poses import Skeleton
from lp_core.poses.centroids import centroids
from lp_core.trackers.supervised import BaseSupervisedTracker
from lp_data.datamodule import LabeledDataModule
from lp_data.labels import unique_note
from lp_io.checkpoint import save_model
from lp_io.model_directory import TOP_DOWN
from lp_io.start_weights import start_from
from lp_pipeline.builders.animals import (
    detector_config,
    is_top_down,
    settle_crops,
    what_it_knows,
)
from lp_pipeline.builders.data import get_data_module, get_dataset
from lp_pipeline.builders.labels import get_labels, image_size
from lp_pipeline.builders.losses import get_loss_factories
from lp_pipeline.builders.model import batches_per_epoch, get_model, get_tracker_class
from lp_pipeline.config.paths import csv_files
from lp_pipeline.config.schema import Config, ImageResizeDims


@dataclass(frozen=True)
class TrainingSetup:
    """A tracker, and the data that it learns from.

    Attributes:
        tracker: The tracker.
        data: Its data.
        notes: What the user should know of how they were built.
        skeleton: How the keypoints belong together.
        animals: What the model directory keeps of several animals; None for a tracker of one.
        detector: The config of what finds them.
    """

    tracker: BaseSupervisedTracker
    data: LabeledDataModule
    notes: tuple[str, ...] = ()
    skeleton: Skeleton | None = None
    animals: dict[str, Any] | None = None
    detector: Config | None = None

    def save(self, folder: Path, metrics: dict[str, float]) -> None:
        """Write the weights and the manifest, with the split and the values logged.

        Raises:
            CheckpointError: They cannot be written.
        """
        table, split = self.data.dataset.table, self.data.split
        parts = {use: table.rows(rows).image_paths for use, rows in split._asdict().items()}
        save_model(
            folder,
            self.tracker,
            skeleton=self.skeleton,
            split=parts,
            metrics=metrics,
            extra={TOP_DOWN: self.animals} if self.animals else None,
        )


def set_up(config: Config) -> TrainingSetup:
    """Build the data, the losses and the tracker.

    Raises:
        LPError: Anything of it cannot be used; nothing has been written by then.
    """
    tracker_class = get_tracker_class(config)
    labels = get_labels(config)
    animals = detector = None
    if tracker_class.learns == "centroids":
        labels = centroids(labels)
    elif is_top_down(config, tracker_class, labels):
        settle_crops(config, labels)
        animals = what_it_knows(config, labels)
        detector = detector_config(config, labels)
    height, width = image_size(config)
    config.data.image_resize_dims = ImageResizeDims(height=height, width=width)
    dataset = get_dataset(config, tracker_class, labels)
    data = get_data_module(config, tracker_class, dataset)
    losses = get_loss_factories(config, tracker_class, data)
    seed_everything(config.training.rng_seed_model_pt, workers=True, verbose=False)
    batches = batches_per_epoch(config.training, data.steps_per_epoch)
    tracker = get_model(config, tracker_class, labels.keypoint_names, losses, batches)
    start = config.model.checkpoint
    notes = start_from(tracker, Path(start)) if start is not None else ()
    left_out = tuple(filter(None, map(unique_note, csv_files(config))))
    return TrainingSetup(tracker, data, (*left_out, *notes), labels.skeleton, animals, detector)
