"""What follows a training: predictions of all labels, tables, plots, and predictions of videos."""

from __future__ import annotations

import time
from pathlib import Path

from lp_core.trackers.supervised import BaseSupervisedTracker
from lp_io.checkpoint import read_manifest
from lp_io.checkpoint.files import WEIGHTS_NAME
from lp_io.predictions import scorer_name
from lp_pipeline.builders.labels import get_skeleton
from lp_pipeline.builders.videos import list_videos
from lp_pipeline.config.paths import test_videos_directory
from lp_pipeline.config.schema import Config
from lp_pipeline.display import Display, SilentDisplay
from lp_pipeline.evaluation.evaluate_model import (
    VIDEO_FOLDER,
    evaluate_label_file,
    predict_project_labels,
    write_project_evaluation,
)
from lp_pipeline.evaluation.model_project import ModelProject, pose_metrics_of
from lp_pipeline.evaluation.model_report import write_model_report
from lp_pipeline.evaluation.video_report import drawing_style
from lp_pipeline.prediction.calibrated import calibrate_model, stored_calibration
from lp_pipeline.prediction.handler import PredictionHandler
from lp_pipeline.prediction.labeled import LabeledPrediction
from lp_pipeline.prediction.metric_tables import write_metric_tables
from lp_pipeline.prediction.videos import VideoResult, predict_video_file
from lp_pipeline.rendering.prediction_video import labeled_video_path, render_prediction
from lp_pipeline.training.setup import TrainingSetup
from lp_pipeline.training.timing import VideoTiming, keep_timings, stored_timings


def evaluate_training(
    setup: TrainingSetup, config: Config, model_dir: Path, *, display: Display | None = None
) -> LabeledPrediction:
    """Predict all labels; write ``predictions.csv``, its metrics, a summary, a plot and a report.

    The confidences are calibrated, and the model directory keeps how. Label files with frames of
    another distribution are evaluated by themselves.

    Returns:
        The predictions of the project's labels, with their splits.
    """
    display = display or SilentDisplay()
    handler = PredictionHandler(setup.tracker, device=config.training.accelerator)
    result = predict_project_labels(ModelProject.from_dir(model_dir), handler, display=display)
    calibrate_model(model_dir, result)
    project = ModelProject.from_dir(model_dir)  # the manifest knows the calibration now
    for note in project.pose_metrics.notes:
        display.message(f"note: {note}")
    write_project_evaluation(project, result)
    for file in project.other_label_files():
        evaluate_label_file(project, handler, file, data_dir=project.data_dir, display=display)
    write_model_report(project, result, display=display)
    return result


def report_with_videos(
    model_dir: Path, result: LabeledPrediction, *, display: Display | None = None
) -> Path:
    """Write the report again, once there are predictions of videos."""
    return write_model_report(ModelProject.from_dir(model_dir), result, display=display)


def videos_to_predict(config: Config) -> list[Path]:
    """The videos that the config wants predicted after training."""
    if not config.eval.predict_vids_after_training:
        return []
    folder = test_videos_directory(config)
    return list_videos(folder) if folder is not None and folder.exists() else []


def predict_videos(
    tracker: BaseSupervisedTracker,
    config: Config,
    model_dir: Path,
    *,
    display: Display | None = None,
) -> list[Path]:
    """Predict the config's videos into ``video_preds/``, and draw them if the config says so.

    What a run that was stopped has made of the same weights is kept, and gone on with.

    Returns:
        The tables.
    """
    display = display or SilentDisplay()
    videos = videos_to_predict(config)
    if not videos:
        return []
    handler = PredictionHandler(tracker, device=config.training.accelerator)
    calibration = stored_calibration(read_manifest(model_dir))
    metrics = pose_metrics_of(model_dir).metrics
    timings = {timing.video: timing for timing in stored_timings(read_manifest(model_dir))}
    tables = {video: model_dir / VIDEO_FOLDER / f"{video.stem}.csv" for video in videos}
    for video, table in tables.items():
        if not is_newer(table, model_dir / WEIGHTS_NAME):
            start, scorer = time.perf_counter(), scorer_name(config.model.model_type)
            result = predict_video_file(
                handler,
                video,
                table,
                scorer=scorer,
                calibration=calibration,
                display=display,
                resume=True,
            )
            timings[video.name] = _timing(result, video, time.perf_counter() - start, handler)
            if result.damage:
                display.message(f"warning: {video.name}: {result.damage}")
        write_metric_tables(table, metrics)
        drawing = labeled_video_path(table)
        if config.eval.save_vids_after_training and not is_newer(drawing, table):
            style = drawing_style(config.eval, get_skeleton(config))
            render_prediction(video, table, drawing, style=style, display=display)
    keep_timings(model_dir, [timings[video.name] for video in videos if video.name in timings])
    return list(tables.values())


def is_newer(path: Path, other: Path) -> bool:
    """Whether a file is there and was made after another one, from which it follows."""
    return path.exists() and path.stat().st_mtime_ns >= other.stat().st_mtime_ns


def _timing(
    result: VideoResult, video: Path, seconds: float, handler: PredictionHandler
) -> VideoTiming:
    return VideoTiming(
        video=video.name,
        frames=result.frames - result.resumed,
        seconds=round(seconds, 2),
        device=handler.device.type,
    )
