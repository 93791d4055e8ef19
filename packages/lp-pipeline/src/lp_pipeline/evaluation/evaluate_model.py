"""Evaluate a model directory: its labelled frames, other label files, and its predicted videos."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from lp_analysis.confidence.stored import stored_calibration
from lp_analysis.errors import EvaluationError
from lp_analysis.figures.plots import write_error_plot
from lp_analysis.labeled_predictions import (
    LabeledPrediction,
    read_labeled_prediction,
    write_labeled_prediction,
)
from lp_analysis.metrics.curves import TrainingCurves, read_training_curves
from lp_analysis.metrics.frame_metrics import TemporalNorm
from lp_analysis.metrics.metric_files import write_metric_tables
from lp_analysis.metrics.summary import PixelErrorSummary, write_pixel_error_summary
from lp_data.labels import read_labels
from lp_io.checkpoint.digest import stored_weights_digest
from lp_io.model_directory import (
    ERROR_PLOT,
    PIXEL_ERROR_SUMMARY,
    PREDICTIONS,
    metrics_log,
    video_tables,
)
from lp_io.predictions import scorer_name
from lp_io.predictions.source import is_of_other_weights
from lp_pipeline.builders.videos import get_boxes
from lp_pipeline.display import SILENT, Display
from lp_pipeline.evaluation.model_project import ModelProject
from lp_pipeline.prediction.handler import PredictionHandler
from lp_pipeline.prediction.labeled import predict_labels


def predict_project_labels(
    project: ModelProject, handler: PredictionHandler, *, display: Display = SILENT
) -> LabeledPrediction:
    """Predict the labelled frames of the training's project.

    Raises:
        DataError: An image is missing or no image.
    """
    return predict_labels(
        handler,
        project.labels,
        project.data_dir,
        regions=get_boxes(project.config),
        sets=project.sets,
        display=display,
    )


def stored_project_labels(project: ModelProject) -> LabeledPrediction:
    """The predictions of the labelled frames as ``predictions.csv`` holds them.

    With them the metrics can be computed where the images are not.

    Raises:
        EvaluationError: The table is missing, or lacks a labelled image or a keypoint.
        PoseError: It is damaged.
    """
    path = project.folder / PREDICTIONS
    if not path.is_file():
        raise EvaluationError(
            "there are neither the labelled images nor predictions of them",
            where=f"{project.data_dir}, {path}",
            remedy="say where the images are by --data-dir",
        )
    return read_labeled_prediction(path, project.labels, project.sets)


def write_project_evaluation(project: ModelProject, result: LabeledPrediction) -> PixelErrorSummary:
    """Write ``predictions.csv``, its metric tables, a summary and the error plot.

    Returns:
        The summary.

    Raises:
        LPError: A file cannot be written.
    """
    folder, names = project.folder, result.labels.keypoint_names
    _write(project, result, folder / PREDICTIONS)
    summary = PixelErrorSummary.from_errors(result.errors, names, result.sets)
    write_pixel_error_summary(summary, folder / PIXEL_ERROR_SUMMARY)
    curves = training_curves(project)
    write_error_plot(folder / ERROR_PLOT, result.errors, names, result.sets, curves=curves)
    return summary


def training_curves(project: ModelProject) -> TrainingCurves | None:
    """What the training logged; None where the log is gone.

    Raises:
        EvaluationError: The log is damaged.
    """
    log = metrics_log(project.folder)
    return read_training_curves(log) if log.is_file() else None


def _write(project: ModelProject, result: LabeledPrediction, path: Path) -> None:
    write_labeled_prediction(
        result,
        path,
        scorer_name(project.manifest.model_type),
        stored_calibration(project.manifest),
        metrics=project.pose_metrics.metrics,
    )


def evaluate_label_file(
    project: ModelProject,
    handler: PredictionHandler,
    file: Path,
    *,
    data_dir: Path | None = None,
    display: Display = SILENT,
) -> tuple[LabeledPrediction, Path]:
    """Predict the images of another label file, and write the tables of it.

    Images that the training used keep the name of their split (`ModelProject.use_of`); others count
    as ``test``.

    Args:
        project: The model directory, where the tables go.
        handler: Runs its tracker.
        file: The label file.
        data_dir: The folder that its image paths are relative to; None takes the file's own folder.
        display: Where to report to.

    Returns:
        The predictions, and the table that was written.

    Raises:
        LPError: The file or an image cannot be read, or a table cannot be written.
    """
    folder = data_dir or file.absolute().parent
    table = read_labels(file)
    sets = project.use_of(table.image_paths, folder)
    boxes = get_boxes(project.config)
    result = predict_labels(handler, table, folder, regions=boxes, sets=sets, display=display)
    path = project.predictions_of(file)
    _write(project, result, path)
    return result, path


def evaluate_video_tables(project: ModelProject) -> list[Path]:
    """Compute the metric tables of all predicted videos again, from their predictions alone.

    Returns:
        The tables of predictions.

    Raises:
        LPError: A table cannot be read, or a metric table cannot be written.
    """
    tables = video_tables(project.folder)
    for table in tables:
        metrics = project.pose_metrics.metrics
        write_metric_tables(table, {"temporal_norm": TemporalNorm(), **metrics})
    return tables


def outdated_tables(folder: Path, tables: Sequence[Path]) -> list[Path]:
    """Those tables of a model directory that other weights have predicted than it has now."""
    now = stored_weights_digest(folder) if tables else None
    return [table for table in tables if is_of_other_weights(table, now)]
