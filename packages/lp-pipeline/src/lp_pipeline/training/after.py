"""What follows a training: predictions of all labels, tables, plots, and predictions of videos."""

from __future__ import annotations

from pathlib import Path

from lp_core.trackers.supervised import BaseSupervisedTracker
from lp_data.labels import read_labels
from lp_io.checkpoint import read_manifest
from lp_io.predictions import scorer_name
from lp_pipeline.builders.videos import list_videos
from lp_pipeline.config.paths import CONFIG_FILE, csv_files, test_videos_directory
from lp_pipeline.config.schema import Config
from lp_pipeline.display import Display, SilentDisplay
from lp_pipeline.evaluation.curves import read_training_curves
from lp_pipeline.evaluation.plots import write_error_plot
from lp_pipeline.evaluation.summary import PixelErrorSummary
from lp_pipeline.evaluation.tables import write_pixel_error_summary
from lp_pipeline.prediction.calibrated import calibrate_model, stored_calibration
from lp_pipeline.prediction.handler import PredictionHandler
from lp_pipeline.prediction.labeled import LabeledPrediction, predict_labels
from lp_pipeline.prediction.labeled_files import write_labeled_prediction
from lp_pipeline.prediction.videos import predict_video_file
from lp_pipeline.training.report import write_training_report
from lp_pipeline.training.setup import TrainingSetup
from lp_pipeline.training.trainer import CSV_FOLDER

OUT_OF_DISTRIBUTION = ("new", "test")
"""Label files ``<name>_new.csv`` and ``<name>_test.csv`` are evaluated by themselves."""


def evaluate_training(
    setup: TrainingSetup, config: Config, model_dir: Path, *, display: Display | None = None
) -> LabeledPrediction:
    """Predict all labels; write ``predictions.csv``, its metrics, a summary, a plot and a report.

    The confidences are calibrated, and the model directory keeps how.

    Returns:
        The predictions of the project's labels, with their splits.
    """
    handler = PredictionHandler(setup.tracker, device=config.training.accelerator)
    scorer = scorer_name(config.model.model_type)
    dataset = setup.data.dataset
    sets = setup.data.split.use_of_rows()
    result = predict_labels(handler, dataset.table, dataset.data_dir, sets=sets, display=display)
    calibration = calibrate_model(model_dir, result)
    write_labeled_prediction(result, model_dir / "predictions.csv", scorer, calibration)
    summary = PixelErrorSummary.from_errors(result.errors, result.table.keypoint_names, sets)
    write_pixel_error_summary(summary, model_dir / "pixel_error_summary.csv")
    curves = read_training_curves(model_dir / CSV_FOLDER / "metrics.csv")
    write_error_plot(
        model_dir / "error_plot.png",
        result.errors,
        result.table.keypoint_names,
        sets,
        curves=curves,
    )
    write_training_report(
        result,
        dataset.data_dir,
        model_dir,
        curves=curves,
        facts=_facts(config, summary),
        config_text=(model_dir / CONFIG_FILE).read_text(encoding="utf-8"),
        calibration=calibration,
    )
    for name, file in other_label_files(config):
        other = predict_labels(handler, read_labels(file), dataset.data_dir, display=display)
        path = model_dir / f"predictions_{name}.csv"
        write_labeled_prediction(other, path, scorer, calibration)
    return result


def _facts(config: Config, summary: PixelErrorSummary) -> dict[str, str]:
    """What the report says at its top."""
    errors = {
        f"mean pixel error, {split}": f"{summary.overall[split].mean:.2f} px"
        for split in summary.splits
    }
    return {
        "tracker": config.model.model_type,
        "backbone": config.model.backbone,
        "frames": ", ".join(f"{count} {split}" for split, count in summary.frames.items()),
        "keypoints": str(len(summary.keypoint_names)),
        **errors,
    }


def other_label_files(config: Config) -> list[tuple[str, Path]]:
    """Label files beside the project's own that hold frames of another distribution."""
    found = []
    for file in csv_files(config):
        for name in OUT_OF_DISTRIBUTION:
            other = file.with_name(f"{file.stem}_{name}.csv")
            if other.is_file():
                found.append((name, other))
    return found


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
    """Predict the config's videos into ``video_preds/``.

    Returns:
        The tables written.
    """
    display = display or SilentDisplay()
    handler = PredictionHandler(tracker, device=config.training.accelerator)
    calibration = stored_calibration(read_manifest(model_dir))
    tables = []
    for video in videos_to_predict(config):
        table = model_dir / "video_preds" / f"{video.stem}.csv"
        scorer = scorer_name(config.model.model_type)
        result = predict_video_file(
            handler, video, table, scorer=scorer, calibration=calibration, display=display
        )
        if result.damage:
            display.message(f"warning: {video.name}: {result.damage}")
        tables.append(result.path)
    return tables
