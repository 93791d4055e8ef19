"""Predictions of labelled images beside their labels: compared, written, and used to calibrate."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from lp_analysis.confidence.calibration import ConfidenceCalibration, fit_calibration, usual_radius
from lp_analysis.confidence.stored import CALIBRATION, calibrated_file
from lp_analysis.metrics.frame_metrics import FrameMetric
from lp_analysis.metrics.metric_files import MetricTable, metric_path, write_metric_file
from lp_analysis.metrics.summary import check_sizes
from lp_core.poses import PoseTable, write_pose_csv
from lp_io.checkpoint import annotate_model
from lp_io.predictions.source import write_weights

FEWEST = 10
"""Labelled keypoints of the validation frames below which nothing can be said."""


@dataclass(frozen=True)
class LabeledPrediction:
    """Predictions of labelled images beside the labels.

    Attributes:
        table: The labels, N images of K keypoints.
        keypoints: (N, K, 2) predicted, in frame px.
        confidences: (N, K) from 0 to 1.
        errors: (N, K) distances to the labels in frame px, NaN where there is no label.
        sets: N names of the split that each image belongs to.
        weights: The digest of the tracker's weights; None where it is not known.

    Raises:
        EvaluationError: The sizes disagree.
    """

    table: PoseTable
    keypoints: Float[ndarray, "images keypoints 2"]
    confidences: Float[ndarray, "images keypoints"]
    errors: Float[ndarray, "images keypoints"]
    sets: tuple[str, ...]
    weights: str | None = None

    def __post_init__(self) -> None:
        for values in (self.confidences, self.errors):
            check_sizes(values, self.table.keypoint_names, self.sets)


def mean_error(prediction: LabeledPrediction, sets: Sequence[str]) -> float:
    """Mean pixel error over the images of some splits, in frame px; NaN where there is none."""
    chosen = np.isin(np.array(prediction.sets), list(sets))
    errors = prediction.errors[chosen]
    return float(np.nanmean(errors)) if np.isfinite(errors).any() else float("nan")


def write_labeled_prediction(
    prediction: LabeledPrediction,
    path: Path,
    scorer: str,
    calibration: ConfidenceCalibration | None = None,
    *,
    metrics: Mapping[str, FrameMetric] | None = None,
) -> None:
    """Write ``predictions*.csv`` and its ``_pixel_error.csv``, in Lightning Pose's layout.

    ``predictions*_source.json`` says which weights predicted them.

    Args:
        prediction: What to write.
        path: The table of predictions.
        scorer: Goes into the table's first header row.
        calibration: If the model carries one, ``_calibrated_confidence.csv`` is written as well.
        metrics: Others to write beside, by name, such as ``pca_singleview_error``. Each row is an
            image by itself.

    Raises:
        LPError: A file cannot be written.
    """
    table = prediction.table
    names, images, sets = table.keypoint_names, table.image_paths, prediction.sets
    write_pose_csv(
        PoseTable(
            table.skeleton,
            prediction.keypoints,
            table.frame,
            confidence=prediction.confidences,
            split=sets,
            scorer=scorer,
        ),
        path,
    )
    if prediction.weights is not None:
        write_weights(path, prediction.weights)
    values = {name: metric(prediction.keypoints) for name, metric in (metrics or {}).items()}
    for name, errors in {"pixel_error": prediction.errors, **values}.items():
        write_metric_file(MetricTable(names, images, errors, sets=sets), metric_path(path, name))
    if calibration is not None:
        with calibrated_file(path, names, calibration, with_set=True) as rows:
            rows.append(calibration.probability(prediction.confidences), index=images, sets=sets)


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
