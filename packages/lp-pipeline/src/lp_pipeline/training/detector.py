"""Train what finds the animals of a frame, before the tracker that looks at each of them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import torch
from torch.utils.data import DataLoader

from lp_analysis.metrics.score_threshold import best_threshold, found_animals
from lp_core.geometry.affine import transform
from lp_data.datasets.labeled import collate
from lp_io.checkpoint import annotate_model, read_manifest
from lp_io.model_directory import CONFIG_FILE, DETECTOR_FOLDER, STATE_FOLDER
from lp_io.training_state.saver import latest_training_state
from lp_pipeline.builders.devices import training_devices
from lp_pipeline.config.load import LoadedConfig, save_config
from lp_pipeline.display import Display
from lp_pipeline.prediction.finder import SCORE_THRESHOLD
from lp_pipeline.prediction.handler import PredictionHandler
from lp_pipeline.training.fit import fit
from lp_pipeline.training.setup import TrainingSetup, set_up


def fit_detector(
    loaded: LoadedConfig, setup: TrainingSetup, model_dir: Path, display: Display
) -> None:
    """Train the detector of a model directory, or go on with that; not where it is trained already.

    Args:
        loaded: The config of the whole.
        setup: What was built from it.
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
    save_config(setup.detector, folder / CONFIG_FILE)
    chosen = replace(loaded, config=setup.detector)
    trained = fit(chosen, detector, folder, display, state=state, what="training the detector")
    threshold = _calibrated_threshold(trained, loaded)
    annotate_model(folder, {SCORE_THRESHOLD: threshold})


def _is_trained(folder: Path) -> bool:
    if not (folder / "manifest.json").is_file():
        return False
    return SCORE_THRESHOLD in read_manifest(folder).extra


def _calibrated_threshold(setup: TrainingSetup, loaded: LoadedConfig) -> float:
    """The score that tells animals of the validation frames best from what is none."""
    accelerator = training_devices(loaded.config.training).accelerator
    handler = PredictionHandler(setup.tracker, device=accelerator)
    dataset = setup.data.dataset.without_augmentation()
    samples = dataset.samples_of(setup.data.split.validation)
    scores, correct, animals = [], [], 0
    for batch in DataLoader(dataset, sampler=samples, collate_fn=collate):
        found = handler.predict_labeled(batch)
        truth = transform(batch["keypoints"], batch["to_frame"][batch["image"]])[:, 0]
        truth = truth[truth.isfinite().all(dim=1)]
        assert found.scores is not None
        order = found.scores.argsort(descending=True)
        points = found.keypoints[order, 0].numpy()
        reach = loaded.config.animals.crop_size or torch.inf
        correct.append(found_animals(points, truth.numpy(), reach / 4))
        scores.append(found.scores[order].numpy())
        animals += len(truth)
    return best_threshold(scores, correct, animals)
