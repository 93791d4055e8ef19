"""Everything that a training needs, built from a config before anything is written."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pytorch_lightning import seed_everything

from lp_analysis.triangulation import LabelRigs, label_poses, label_rigs
from lp_core.trackers.supervised import BaseSupervisedTracker
from lp_data.datamodule import LabeledDataModule
from lp_data.split import images_by_use
from lp_io.checkpoint import save_model
from lp_io.model_directory import CAMERAS, POSES, VIEWS
from lp_io.start_weights import start_from
from lp_pipeline.builders.animals import (
    detector_config,
    known_of_animals,
    learned_labels,
    notes_on_animals,
    settle,
)
from lp_pipeline.builders.data import get_data_module, get_dataset
from lp_pipeline.builders.losses import get_loss_factories
from lp_pipeline.builders.model import batches_per_epoch, get_model, get_tracker_class
from lp_pipeline.config.paths import data_dir
from lp_pipeline.config.schema import Config
from lp_pipeline.training.trainer import notes_on_annealing


@dataclass(frozen=True)
class TrainingSetup:
    """A tracker, and the data that it learns from.

    Attributes:
        config: What they were built from, with what it left to the labels.
        tracker: The tracker.
        data: Its data.
        notes: What the user should know of how they were built.
        detector: The config of what finds the animals for a tracker that looks at each; else None.
        rigs: The cameras of the labelled frames; None where they are not calibrated.
    """

    config: Config
    tracker: BaseSupervisedTracker
    data: LabeledDataModule
    notes: tuple[str, ...] = ()
    detector: Config | None = None
    rigs: LabelRigs | None = None

    @property
    def extra(self) -> dict[str, Any]:
        """What the manifest keeps beside the tracker."""
        table, views = self.data.dataset.table, self.data.dataset.views
        poses = label_poses(table.rows(self.data.split.train), views, self.rigs)
        kept = {VIEWS: views, CAMERAS: self.rigs, POSES: poses}
        known = {key: value.to_dict() for key, value in kept.items() if value is not None}
        return known_of_animals(self.config, table, type(self.tracker)) | known

    def save(self, folder: Path, metrics: dict[str, float]) -> None:
        """Write the weights and the manifest, with the split and the values logged.

        Raises:
            CheckpointError: They cannot be written.
        """
        table = self.data.dataset.table
        save_model(
            folder,
            self.tracker,
            skeleton=table.skeleton,
            split=images_by_use(self.data.split, table),
            metrics=metrics,
            extra=self.extra,
        )


def set_up(config: Config) -> TrainingSetup:
    """Build the data, the losses and the tracker.

    Raises:
        LPError: Anything of it cannot be used; nothing has been written by then.
    """
    tracker_class = get_tracker_class(config)
    labels = settle(config, tracker_class)
    detector = detector_config(config, labels) if config.animals.top_down else None
    dataset = get_dataset(config, tracker_class, learned_labels(labels, tracker_class))
    data = get_data_module(config, tracker_class, dataset)
    losses = get_loss_factories(config, tracker_class, data)
    seed_everything(config.training.rng_seed_model_pt, workers=True, verbose=False)
    batches = batches_per_epoch(config.training, data.steps_per_epoch)
    tracker = get_model(config, tracker_class, dataset.table.keypoint_names, losses, batches)
    start = config.model.checkpoint
    notes = start_from(tracker, Path(start)) if start is not None else ()
    table = config.data.camera_params_file
    rigs, more = label_rigs(data_dir(config), dataset.table, dataset.views, table)
    notes = (*notes_on_animals(config, labels), *notes, *more, *notes_on_annealing(config, batches))
    return TrainingSetup(config, tracker, data, notes, detector, rigs)
