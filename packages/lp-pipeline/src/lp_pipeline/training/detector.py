"""Train what finds the animals of a frame, before the tracker that looks at each of them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import torch
from torch.utils.data import DataLoader

from lp_analysis.metrics.score_threshold import FoundAnimals, calibrated_threshold
from lp_core.display import Display
from lp_core.geometry.affine import transform
from lp_data.datasets.labeled import collate
from lp_data.inference.handler import PredictionHandler
from lp_io.checkpoint import annotate_model, read_manifest
from lp_io.model_directory import (
    CONFIG_FILE,
    DETECTOR_FOLDER,
    MANIFEST_NAME,
    SCORE_THRESHOLD,
    STATE_FOLDER,
)
from lp_io.training_state.saver import latest_training_state
from lp_pipeline.builders.devices import training_devices
from lp_pipeline.config.load import save_config
from lp_pipeline.training.fit import fit
from lp_pipeline.training.setup import TrainingSetup, set_up


def fit_detector(setup: TrainingSetup, model_dir: Path, display: Display) -> None:
    """Train the detector of a model directory, or go on with that; not where it is trained already.

    Args:
        setup: Of the tracker that looks at each animal.
        model_dir: The model directory, in which the detector gets a folder of its own.
        display: Where to report to.
    """
    folder = model_dir / DETECTOR_FOLDER
    if setup.detector is None or _is_trained(folder):
        return
    display.message("training what finds the animals, and then the tracker")
    folder.mkdir(exist_ok=True)
    state = latest_training_state(folder / STATE_FOLDER)
    detector = set_up(setup.detector)
    save_config(detector.config, folder / CONFIG_FILE)
    trained = fit(detector, folder, display, state=state, what="training the detector")
    calibrate_score(trained, folder, (setup.config.animals.crop_size or torch.inf) / 4)


def calibrate_score(setup: TrainingSetup, folder: Path, reach: float, lowest: float = 0.0) -> None:
    """Keep in a model directory the score from which on what its tracker finds is an animal.

    Args:
        setup: Of a trained tracker that finds any number of animals.
        folder: The model directory.
        reach: Px between what it finds and a labelled animal at most.
        lowest: A score at which nothing is an animal.
    """
    threshold = calibrated_threshold(_found(setup), reach, lowest)
    annotate_model(folder, {SCORE_THRESHOLD: threshold})


def _is_trained(folder: Path) -> bool:
    if not (folder / MANIFEST_NAME).is_file():
        return False
    return SCORE_THRESHOLD in read_manifest(folder).extra


def _found(setup: TrainingSetup) -> Iterator[FoundAnimals]:
    """What a tracker finds in each of its validation frames, and what is there."""
    accelerator = training_devices(setup.config.training).accelerator
    handler = PredictionHandler(setup.tracker, device=accelerator)
    dataset = setup.data.dataset.without_augmentation()
    samples = dataset.samples_of(setup.data.split.validation)
    for batch in DataLoader(dataset, sampler=samples, collate_fn=collate):
        found = handler.predict_labeled(batch)
        truth = transform(batch["keypoints"], batch["to_frame"][batch["image"]])
        assert found.scores is not None  # it finds any number of animals
        yield FoundAnimals(found.keypoints.numpy(), found.scores.numpy(), truth.numpy())
