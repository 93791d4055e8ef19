"""The calibrated confidence that a model carries: fitted after training, used at prediction.

It lies beside the compatible ``likelihood``, in a table of its own:
``<stem>_calibrated_confidence.csv`` has a row per frame and a column per keypoint, and its first
cell states the radius that the probabilities are about, such as ``within 6.1 px``.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from lp_io.checkpoint import Manifest, annotate_model
from lp_pipeline.evaluation.calibration import (
    ConfidenceCalibration,
    fit_calibration,
    usual_radius,
)
from lp_pipeline.evaluation.metric_files import MetricRows, metric_file, metric_path
from lp_pipeline.prediction.labeled import LabeledPrediction

CALIBRATION = "confidence_calibration"
"""Where the manifest's ``extra`` keeps it."""

FEWEST = 10
"""Labelled keypoints of the validation frames below which nothing can be said."""


def stored_calibration(manifest: Manifest) -> ConfidenceCalibration | None:
    """The calibration that a model carries; None where it has none.

    Raises:
        EvaluationError: It is damaged, or of a format that this version does not know.
    """
    content = manifest.extra.get(CALIBRATION)
    return None if content is None else ConfidenceCalibration.from_dict(content)


def calibrate_model(model_dir: Path, result: LabeledPrediction) -> ConfidenceCalibration | None:
    """Fit the calibration on the validation frames, and keep it in the model's manifest.

    It is about 5 % of the animal's size, which the labels tell.

    Args:
        model_dir: The model.
        result: What it predicted of its project's labels.

    Returns:
        None where the validation frames have too few labelled keypoints; the model then carries
        none.

    Raises:
        CheckpointError: The manifest cannot be written.
    """
    validation = np.array(result.sets) == "validation"
    errors, likelihood = result.errors[validation], result.confidences[validation]
    radius = usual_radius(result.table.points)
    if radius is None or np.isfinite(errors).sum() < FEWEST:
        return None
    calibration = fit_calibration(likelihood, errors, radius)
    annotate_model(model_dir, {CALIBRATION: calibration.to_dict()})
    return calibration


def stated_radius(calibration: ConfidenceCalibration) -> str:
    """What the probabilities are about, in words."""
    return f"within {calibration.radius:.4g} px"


@contextmanager
def calibrated_file(
    predictions: Path,
    keypoint_names: tuple[str, ...],
    calibration: ConfidenceCalibration,
    *,
    with_set: bool = False,
) -> Iterator[MetricRows]:
    """The table of calibrated confidences beside a table of predictions, to append rows to.

    Args:
        predictions: The table of predictions.
        keypoint_names: K names.
        calibration: What the probabilities come from.
        with_set: Whether each row tells its split in a last column.

    Raises:
        EvaluationError: The file cannot be written.
    """
    path = metric_path(predictions, "calibrated_confidence")
    corner = stated_radius(calibration)
    with metric_file(path, keypoint_names, with_set=with_set, corner=corner) as rows:
        yield rows
