"""What finds the animals of frames: loaded, and followed through unlabelled videos."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from lp_analysis.tracks.centroids import follow_centroids
from lp_core.display import Display
from lp_core.options import OptionError, read_options
from lp_data.datasets.clips import BoxRun, KnownVideo
from lp_data.inference.finder import AnimalFinder, TopDownOptions
from lp_data.inference.handler import PredictionHandler
from lp_data.regions import centred_box
from lp_io.checkpoint import load_model
from lp_io.errors import CheckpointError
from lp_io.model_directory import DETECTOR_FOLDER, MANIFEST_NAME, SCORE_THRESHOLD, TOP_DOWN

_WINDOWS = 100
"""Stretches of each video in which animals are looked for: the detector runs on no other frames."""


def load_finder(folder: Path, known: Mapping[str, Any], **running: Any) -> AnimalFinder:
    """What finds the animals for the tracker of a model directory.

    Args:
        folder: The model directory.
        known: What its manifest says of the animals.
        **running: How to run it, as for `PredictionHandler`.

    Raises:
        CheckpointError: It is missing or cannot be trusted.
    """
    loaded = load_model(folder / DETECTOR_FOLDER)
    found = {SCORE_THRESHOLD: loaded.manifest.extra.get(SCORE_THRESHOLD)}
    try:
        options = read_options(TopDownOptions, {**known, **found}, place=TOP_DOWN)
    except OptionError as error:
        raise CheckpointError(error.problem, where=folder / MANIFEST_NAME) from error
    return AnimalFinder(PredictionHandler(loaded.tracker, **running), options)


def followed_animals(
    finder: AnimalFinder, length: int, seed: int, display: Display, video: KnownVideo
) -> Sequence[BoxRun]:
    """The animals of random stretches of a video, each as long as a clip."""
    starts = np.arange(0, video.length - length + 1, length)
    if len(starts) > _WINDOWS:
        random = np.random.default_rng([seed, video.length])
        starts = np.sort(random.choice(video.length - length + 1, _WINDOWS, replace=False))
    runs = []
    with video.reopen() as source, display.task(f"animals of {video.path.name}", len(starts)) as on:
        for number, start in enumerate(starts.tolist(), 1):
            frames = source.read(start, start + length)
            place, points, _ = finder.find(finder.resized(frames), source.size)
            found = [points[place == frame] for frame in range(length)]
            for centres in follow_centroids(found, finder.options.body_length):
                boxes = [centred_box(xy, finder.options.crop_size) for xy in centres.tolist()]
                runs.append(BoxRun(start, boxes))
            on(number)
    return runs
