"""Evaluate a model directory: its labelled frames, other label files, and its predicted videos."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from lp_analysis.confidence.stored import stored_calibration
from lp_analysis.errors import EvaluationError
from lp_analysis.figures.plots import write_error_plot
from lp_analysis.labeled_predictions import (
    LabeledPrediction,
    read_labeled_prediction,
    told_mean_error,
    write_labeled_prediction,
)
from lp_analysis.metrics.frame_metrics import TemporalNorm
from lp_analysis.metrics.metric_files import (
    outdated_tables,
    refuse_outdated,
    write_metric_tables,
)
from lp_analysis.metrics.summary import PixelErrorSummary, write_pixel_error_summary
from lp_analysis.prediction.animals import animal_predictor
from lp_analysis.prediction.labels import predict_labels
from lp_analysis.prediction.space_errors import errors_of_model, write_space_errors
from lp_analysis.terminal_tables import pixel_error_table
from lp_core.display import SILENT, Display
from lp_core.text import quoted
from lp_data.inference.handler import PredictionHandler
from lp_data.sessions import LabelSet, label_sets, read_label_set, told_files
from lp_io.model_directory import (
    ERROR_PLOT,
    PIXEL_ERROR_SUMMARY,
    PREDICTIONS,
    of_view,
    video_tables,
)
from lp_io.predictions import scorer_name
from lp_pipeline.builders.labels import other_label_files
from lp_pipeline.builders.videos import regions_of_labels
from lp_pipeline.evaluation.model_project import ModelProject, training_curves
from lp_pipeline.evaluation.model_report import write_model_report

_HELD_OUT = ("validation", "test")


def evaluate_project(
    project: ModelProject, handler: Callable[[], PredictionHandler], display: Display
) -> None:
    """Evaluate the training's labels, label files beside them, and predicted videos.

    Where the images are not at hand, the predictions that the model directory holds are evaluated,
    and no handler is made.

    Raises:
        EvaluationError: There are neither images nor predictions of the weights as they are now.
        LPError: Another file cannot be read or written.
    """
    if project.has_images:
        runs = handler()
        result = predict_project_labels(project, runs, display=display)
        write_project_evaluation(project, result)
        others = {}
        for files in label_sets(other_label_files(project.config), runs.tracker, project.views):
            found = show_label_files(project, runs, files, project.data_dir, display)
            others[told_files(files)] = found
        result = replace(result, others=others)
    else:
        result = _stored_project_labels(project, display)
        write_project_evaluation(project, result)
    tables = _evaluate_video_tables(project)
    for table in outdated_tables(project.folder, tables):
        display.message(
            f"warning: other weights have predicted {table} than the model has now: the report "
            f"leaves it out; litpose predict {quoted(project.folder)} VIDEO --overwrite predicts "
            "it again"
        )
    report = write_model_report(project, result, display=display)
    show_errors(result, display)
    for table in tables if project.labels.individual is None else ():
        display.message(f"metrics of a predicted video: beside {table}")
    display.message(f"report: {report}")


def show_label_files(
    project: ModelProject,
    handler: PredictionHandler,
    files: LabelSet,
    data_dir: Path | None,
    display: Display,
) -> LabeledPrediction:
    """`evaluate_label_files`, and show the errors."""
    result, paths = evaluate_label_files(
        project, handler, files, data_dir=data_dir, display=display
    )
    show_errors(result, display)
    where = ", ".join(map(str, paths))
    display.message(f"{told_files(files)}: {len(result.labels)} images -> {where}")
    return result


def show_errors(result: LabeledPrediction, display: Display) -> None:
    """Show the table of pixel errors, and the mean over the frames held out."""
    names = result.labels.keypoint_names
    summary = PixelErrorSummary.from_errors(result.visible_errors, names, result.sets)
    display.show(pixel_error_table(summary))
    held_out = told_mean_error(result, _HELD_OUT)
    display.message(f"mean pixel error over held-out frames (validation and test): {held_out}")
    for view, part in result.by_view().items():
        display.message(f"  {view}: {told_mean_error(part, _HELD_OUT)}")


def predict_project_labels(
    project: ModelProject, handler: PredictionHandler, *, display: Display = SILENT
) -> LabeledPrediction:
    """Predict the labelled frames of the training's project."""
    return predict_labels(
        handler,
        project.labels,
        project.data_dir,
        regions=regions_of_labels(project.manifest, project.config, project.labels),
        sets=project.sets,
        animals=animal_predictor(project.folder, project.manifest, handler),
        views=project.views,
        display=display,
    )


def _stored_project_labels(project: ModelProject, display: Display) -> LabeledPrediction:
    path, remedy = project.folder / PREDICTIONS, "say where the images are by --data-dir"
    if not path.is_file():
        raise EvaluationError(
            "there are neither the labelled images nor predictions of them",
            where=f"{project.data_dir}, {path}",
            remedy=remedy,
        )
    result = read_labeled_prediction(path, project.labels, project.sets)
    refuse_outdated(project.folder, path, remedy, ", and the labelled images are not there")
    display.message(
        f"note: the labelled images are not in {project.data_dir}, so nothing is predicted again: "
        "the metrics are those of predictions.csv; --data-dir says where the images are"
    )
    return result


def write_project_evaluation(project: ModelProject, result: LabeledPrediction) -> None:
    """Write ``predictions.csv``, its metric tables, a summary and the error plot.

    Of several cameras, ``predictions_<view>.csv`` and all that goes with it are written too.
    """
    folder, names = project.folder, result.labels.keypoint_names
    _write(project, result, folder / PREDICTIONS)
    for view, part in result.by_view().items():
        _write(project, part, of_view(folder / PREDICTIONS, view))
        own = PixelErrorSummary.from_errors(part.visible_errors, names, part.sets)
        write_pixel_error_summary(own, folder / f"{Path(PIXEL_ERROR_SUMMARY).stem}_{view}.csv")
    summary = PixelErrorSummary.from_errors(result.visible_errors, names, result.sets)
    write_pixel_error_summary(summary, folder / PIXEL_ERROR_SUMMARY)
    write_space_errors(errors_of_model(project.manifest, *result.tables), folder)
    curves = training_curves(project)
    write_error_plot(folder / ERROR_PLOT, result.visible_errors, names, result.sets, curves=curves)


def _write(project: ModelProject, result: LabeledPrediction, path: Path) -> None:
    write_labeled_prediction(
        result,
        path,
        scorer_name(project.manifest.model_type),
        stored_calibration(project.manifest),
        metrics=project.pose_metrics.metrics,
    )


def evaluate_label_files(
    project: ModelProject,
    handler: PredictionHandler,
    files: LabelSet,
    *,
    data_dir: Path | None = None,
    display: Display = SILENT,
) -> tuple[LabeledPrediction, list[Path]]:
    """Predict the images of another label file, or of those of several views, and write its tables.

    Images that the training used keep the name of their split (`ModelProject.use_of`); others count
    as ``test``.

    Its image paths are relative to ``data_dir``, by default to its own folder.

    Returns:
        The predictions, and the tables that were written into the model directory.

    Raises:
        LPError: The file or an image cannot be read, or a table cannot be written.
    """
    folder = data_dir or next(iter(files.values())).absolute().parent
    table = read_label_set(files, project.views)
    sets = project.use_of(table.image_paths, folder)
    regions = regions_of_labels(project.manifest, project.config, table)
    animals = animal_predictor(project.folder, project.manifest, handler)
    result = predict_labels(
        handler,
        table,
        folder,
        regions=regions,
        sets=sets,
        animals=animals,
        views=project.views,
        display=display,
    )
    parts, paths = result.by_view(), []
    for view, file in files.items():
        paths.append(project.predictions_of(file))
        _write(project, result if view is None else parts[view], paths[-1])
    return result, paths


def _evaluate_video_tables(project: ModelProject) -> list[Path]:
    tables = video_tables(project.folder)
    for table in tables:
        metrics = project.pose_metrics.metrics
        write_metric_tables(table, {"temporal_norm": TemporalNorm(), **metrics})
    return tables
