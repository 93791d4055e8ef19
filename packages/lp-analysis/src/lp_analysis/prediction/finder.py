"""Load what finds the animals of frames."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from lp_core.options import OptionError, read_options
from lp_data.inference.finder import AnimalFinder, TopDownOptions
from lp_data.inference.handler import PredictionHandler
from lp_io.checkpoint import load_model
from lp_io.errors import CheckpointError
from lp_io.model_directory import DETECTOR_FOLDER, MANIFEST_NAME, SCORE_THRESHOLD, TOP_DOWN


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
