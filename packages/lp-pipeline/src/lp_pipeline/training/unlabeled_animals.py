"""Clips of single animals of unlabelled videos of several, for semi-supervised training."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

from lp_analysis.prediction.finder import followed_animals, load_finder
from lp_core.display import Display
from lp_core.trackers.supervised import BaseSupervisedTracker
from lp_data.datamodule import SemiSupervisedDataModule
from lp_data.datasets.clips import ClipDataset
from lp_io.model_directory import TOP_DOWN
from lp_pipeline.builders.data import clip_length, get_clips
from lp_pipeline.builders.devices import training_devices
from lp_pipeline.config.schema import Config
from lp_pipeline.training.setup import TrainingSetup


def add_clips(setup: TrainingSetup, model_dir: Path, display: Display) -> None:
    """Give a semi-supervised training of several animals its clips, once their detector is trained.

    Raises:
        VideoError: No animal is followed for as long as a clip.
    """
    if setup.detector is None or not isinstance(setup.data, SemiSupervisedDataModule):
        return
    known, kind = setup.extra[TOP_DOWN], type(setup.tracker)
    setup.data.use_clips(animal_clips(setup.config, kind, model_dir, known, display))


def animal_clips(
    config: Config,
    tracker_class: type[BaseSupervisedTracker],
    model_dir: Path,
    known: Mapping[str, Any],
    display: Display,
) -> ClipDataset:
    """Clips of single animals, which the detector of a model directory finds.

    Args:
        config: Where the videos are, and how they are read.
        tracker_class: What learns from the clips.
        model_dir: The model directory; its detector is trained.
        known: What is known of the animals, as a manifest has it.
        display: Where to report to.

    Raises:
        CheckpointError: There is no detector.
        VideoError: No animal is followed for as long as a clip.
    """
    device = training_devices(config.training).accelerator
    finder = load_finder(model_dir, known, device=device)
    length, seed = clip_length(config, tracker_class), config.dali.general.seed
    return get_clips(
        config, tracker_class, partial(followed_animals, finder, length, seed, display)
    )
