"""Predictions of labelled images beside their labels: compared, written, and used to calibrate."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from lp_analysis.confidence.calibration import ConfidenceCalibration, fit_calibration, label_radii
from lp_analysis.confidence.stored import CALIBRATION, calibrated_file
from lp_analysis.errors import EvaluationError
from lp_analysis.metrics.frame_metrics import FrameMetric, pixel_error
from lp_analysis.metrics.metric_files import MetricTable, metric_path, write_metric_file
from lp_core.poses import PoseTable, Visibility, confidence_of, write_pose_csv
from lp_io.checkpoint import annotate_model, read_manifest
from lp_io.predictions import read_predictions
from lp_io.predictions.covariance import covariance_path, write_covariance
from lp_io.predictions.source import weights_of, write_weights

FEWEST = 10
"""Labelled keypoints of the validation frames below which nothing can be said."""


@dataclass(frozen=True)
class LabeledPrediction:
    """Labels, and predictions of the same N rows and K keypoints.

    Attributes:
        labels: The labels.
        predictions: The predictions, with a confidence and a split.
        weights: The digest of the tracker's weights; None where it is not known.
        others: Predictions of label files that are evaluated by themselves, by their names.
    """

    labels: PoseTable
    predictions: PoseTable
    weights: str | None = None
    others: Mapping[str, LabeledPrediction] = field(default_factory=dict)

    @classmethod
    def of(
        cls,
        labels: PoseTable,
        points: Float[ndarray, "images keypoints 2"],
        confidence: Float[ndarray, "images keypoints"],
        sets: Sequence[str],
        weights: str | None = None,
        covariance: Float[ndarray, "images keypoints 2 2"] | None = None,
    ) -> LabeledPrediction:
        """Labels with the ``points`` in frame px that were predicted of each row, and its split.

        An ensemble states the covariances of its points, px².

        Raises:
            PoseError: The sizes disagree.
        """
        predictions = PoseTable(
            labels.skeleton,
            points,
            labels.frame,
            view=labels.view,
            individual=labels.individual,
            confidence=confidence,
            covariance=covariance,
            split=tuple(sets),
        )
        return cls(labels, predictions, weights)

    def by_view(self) -> dict[str, LabeledPrediction]:
        """The rows of each camera, as those of a project of one; empty where there is one."""
        views = self.labels.view or ()
        rows = {view: [row for row, of in enumerate(views) if of == view] for view in views if view}
        return {
            view: LabeledPrediction(
                replace(self.labels.rows(some), view=None),
                replace(self.predictions.rows(some), view=None),
                self.weights,
            )
            for view, some in rows.items()
        }

    @property
    def tables(self) -> tuple[PoseTable, PoseTable]:
        """The labels, and the predictions."""
        return self.labels, self.predictions

    @cached_property
    def errors(self) -> Float[ndarray, "images keypoints"]:
        """(N, K) distances to the labels in frame px, NaN where there is no label."""
        return pixel_error(self.labels.points, self.predictions.points)

    @cached_property
    def visible_errors(self) -> Float[ndarray, "images keypoints"]:
        """(N, K) `errors`, NaN also of keypoints labelled as occluded, which are often guesses."""
        return np.where(self.labels.codes == Visibility.OCCLUDED, np.nan, self.errors)

    @property
    def confidences(self) -> Float[ndarray, "images keypoints"]:
        """(N, K) from 0 to 1."""
        return confidence_of(self.predictions)

    @property
    def sets(self) -> tuple[str, ...]:
        """N names of the split that each row belongs to."""
        return self.predictions.split or ()

    def metric(self, values: Float[ndarray, "images keypoints"]) -> MetricTable:
        """A metric of the predictions, (N, K), with the names of its rows and columns."""
        labels, names = self.labels, self.labels.image_paths
        if labels.individual is not None:
            pairs = zip(names, labels.individual, strict=True)
            names = tuple(f"{path} ({name})" if name else path for path, name in pairs)
        return MetricTable(labels.keypoint_names, names, values, self.sets)


def told_mean_error(prediction: LabeledPrediction, sets: Sequence[str]) -> str:
    """The mean pixel error of visible keypoints in the images of some splits, in words.

    Where keypoints are labelled as occluded, the mean over these as well follows.
    """
    chosen = np.isin(np.array(prediction.sets), list(sets))
    seen, every = (
        _mean(errors[chosen]) for errors in (prediction.visible_errors, prediction.errors)
    )
    hidden = np.isfinite(prediction.errors) & np.isnan(prediction.visible_errors)
    more = f" (with keypoints labelled as occluded: {every:.2f} px)" if hidden[chosen].any() else ""
    return f"{seen:.2f} px{more}"


def _mean(errors: Float[ndarray, "images keypoints"]) -> float:
    return float(np.nanmean(errors)) if np.isfinite(errors).any() else float("nan")


def read_labeled_prediction(
    path: Path, table: PoseTable, sets: tuple[str, ...]
) -> LabeledPrediction:
    """The predictions of the labels in ``table``, of the splits ``sets``, as a file holds them.

    Raises:
        EvaluationError: It lacks a labelled image or a keypoint.
        PoseError: It is damaged.
    """
    several = table.individual is not None
    stored = read_predictions(path, several=several)
    known = {row: place for place, row in enumerate(_animals(stored))}
    rows = _animals(table)
    missing = [image for image, animal in rows if (image, animal) not in known]
    if missing:
        raise EvaluationError(
            f"{len(missing)} labelled images have no prediction, such as {missing[0]}",
            where=path,
            remedy="say where the images are by --data-dir, to predict them again",
        )
    absent = [name for name in table.keypoint_names if name not in stored.keypoint_names]
    if absent:
        raise EvaluationError(f"there is no prediction of the keypoint '{absent[0]}'", where=path)
    found = stored.select_keypoints(table.keypoint_names).rows([known[row] for row in rows])
    return LabeledPrediction.of(table, found.points, confidence_of(found), sets, weights_of(path))


def _animals(table: PoseTable) -> list[tuple[str, str | None]]:
    """For each row its image and its individual."""
    return list(zip(table.image_paths, table.individual or (None,) * len(table), strict=True))


def write_labeled_prediction(
    prediction: LabeledPrediction,
    path: Path,
    scorer: str,
    calibration: ConfidenceCalibration | None = None,
    *,
    metrics: Mapping[str, FrameMetric] | None = None,
) -> None:
    """Write ``predictions*.csv`` and its ``_pixel_error.csv``, in Lightning Pose's layout.

    ``predictions*_source.json`` says which weights predicted them. Where an ensemble states
    covariances, they are in ``predictions*_covariance.csv``.

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
    predictions = replace(prediction.predictions, scorer=scorer)
    write_pose_csv(predictions, path)
    covariance_path(path).unlink(missing_ok=True)
    if predictions.covariance is not None:
        index, names = predictions.image_paths, predictions.keypoint_names
        write_covariance(path, names, index, predictions.covariance)
    if prediction.weights is not None:
        write_weights(path, prediction.weights)
    values = {name: metric(predictions.points) for name, metric in (metrics or {}).items()}
    for name, errors in {"pixel_error": prediction.errors, **values}.items():
        write_metric_file(prediction.metric(errors), metric_path(path, name))
    if calibration is not None:
        with calibrated_file(path, predictions.keypoint_names, calibration, with_set=True) as rows:
            probabilities = calibration.probability(prediction.confidences)
            rows.append(probabilities, index=predictions.image_paths, sets=prediction.sets)


def calibrate_model(model_dir: Path, result: LabeledPrediction) -> ConfidenceCalibration | None:
    """Fit the calibration on the validation frames, and keep it in the model's manifest.

    It is about the radius of each keypoint that `label_radii` gives.

    Returns:
        None where the validation frames have too few labelled keypoints; the model then carries
        none.

    Raises:
        CheckpointError: The manifest cannot be written.
    """
    validation = np.array(result.sets) == "validation"
    errors, likelihood = result.errors[validation], result.confidences[validation]
    skeleton = read_manifest(model_dir).skeleton or result.labels.skeleton
    radii = label_radii(result.labels.points, errors, skeleton)
    if radii is None or np.isfinite(errors).sum() < FEWEST:
        return None
    calibration = fit_calibration(likelihood, errors, radii)
    annotate_model(model_dir, {CALIBRATION: calibration.to_dict()})
    return calibration
