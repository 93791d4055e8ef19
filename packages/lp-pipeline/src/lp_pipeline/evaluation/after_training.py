"""What follows a training: predictions of all labels, tables, plots, and predictions of videos."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

from lp_analysis.confidence.stored import stored_calibration
from lp_analysis.labeled_predictions import LabeledPrediction, calibrate_model
from lp_analysis.prediction.animals import animal_predictor
from lp_analysis.prediction.session_drawing import several_views
from lp_analysis.prediction.session_works import SessionWorks
from lp_analysis.prediction.sessions import predict_group
from lp_analysis.prediction.video_tables import VideoResult
from lp_analysis.prediction.videos import VideoPredictor
from lp_analysis.report.timings import VideoTiming, keep_timings, stored_timings
from lp_core.display import SILENT, Display
from lp_core.errors import LPError, reason_of
from lp_core.memory import explained_memory_errors
from lp_core.paths import is_newer
from lp_core.text import quoted
from lp_core.trackers.supervised import BaseSupervisedTracker
from lp_data.inference.handler import PredictionHandler
from lp_data.sessions import Group, SessionVideo, label_sets, others_of, told_files
from lp_io.model_directory import labeled_video_path, video_table
from lp_io.predictions import scorer_name
from lp_io.predictions.source import is_made_from
from lp_pipeline.builders.devices import training_devices
from lp_pipeline.builders.labels import drawing_style, other_label_files
from lp_pipeline.builders.videos import boxes_of_video, predicted_groups
from lp_pipeline.builders.views import get_views, space_options
from lp_pipeline.config.schema import Config
from lp_pipeline.errors import TrainingError
from lp_pipeline.evaluation.evaluate_model import (
    evaluate_label_files,
    predict_project_labels,
    write_project_evaluation,
)
from lp_pipeline.evaluation.model_project import ModelProject, told_pose_metrics
from lp_pipeline.evaluation.model_report import write_model_report
from lp_pipeline.training.setup import TrainingSetup


@dataclass
class Attempts:
    """Steps after a training whose weights are saved.

    Attributes:
        display: Where to say what failed.
        strict: Raise what fails instead.
        failed: What was not made, each with how to make it.
    """

    display: Display
    strict: bool = False
    failed: list[tuple[str, str]] = field(default_factory=list)

    @contextmanager
    def step(self, what: str, remedy: str) -> Iterator[None]:
        """Try a step that makes ``what``; ``remedy`` is the command that makes it afterwards."""
        smaller = f"{remedy} --batch-size 8 (or fewer)"
        try:
            with explained_memory_errors(TrainingError, smaller):
                yield
        except (LPError, OSError) as error:
            if self.strict:
                raise
            self.failed.append((what, remedy))
            self.display.message(f"warning: {what}: not made, since it failed")
            self.display.message(f"  {reason_of(error)}")

    def say_how_to_go_on(self) -> None:
        """Tell what is missing, and the commands that make it."""
        if not self.failed:
            return
        self.display.message("the tracker is trained and saved, but some of what follows failed:")
        for what, remedy in self.failed:
            self.display.message(f"  {what}; once that is mended: {remedy}")


def evaluate_training(
    setup: TrainingSetup, config: Config, model_dir: Path, *, display: Display = SILENT
) -> LabeledPrediction:
    """Predict all labels; write ``predictions.csv``, its metrics, a summary, a plot and a report.

    The confidences are calibrated, and the model directory keeps how. Label files with frames of
    another distribution are evaluated by themselves.

    Returns:
        The predictions of the project's labels, with their splits.

    Raises:
        LPError: A part of it failed.
    """
    result = _evaluate_labels(setup, config, model_dir, Attempts(display, strict=True))
    assert result is not None  # else it had been raised
    return result


def follow_up(
    setup: TrainingSetup, config: Config, model_dir: Path, *, display: Display = SILENT
) -> tuple[LabeledPrediction | None, list[Path]]:
    """Do all that follows a training; what fails is told with the command that makes it.

    Returns:
        The predictions of the project's labels, None where that failed, and the tables of videos.
    """
    attempts = Attempts(display)
    result = _evaluate_labels(setup, config, model_dir, attempts)
    tables = _predict_videos(setup.tracker, config, model_dir, attempts)
    if tables and result is not None:
        _write_report(result, model_dir, attempts)
    attempts.say_how_to_go_on()
    return result, tables


def _evaluate_labels(
    setup: TrainingSetup, config: Config, model_dir: Path, attempts: Attempts
) -> LabeledPrediction | None:
    handler = _handler(setup.tracker, config, config.training.test_batch_size)
    evaluate, display = f"litpose evaluate {quoted(model_dir)}", attempts.display
    result: LabeledPrediction | None = None
    known: dict[str, LabeledPrediction] = {}
    with attempts.step("predictions and errors of the labelled frames", evaluate):
        result = _evaluate_own_labels(handler, model_dir, display)
    others = label_sets(other_label_files(config), handler.tracker, get_views(config))
    for files in others:
        named = " ".join(map(quoted, files.values()))
        with attempts.step(f"predictions of {told_files(files)}", f"{evaluate} {named}"):
            project = ModelProject.from_dir(model_dir)
            folder = project.data_dir
            found, _ = evaluate_label_files(
                project, handler, files, data_dir=folder, display=display
            )
            known[told_files(files)] = found
    if result is not None:
        result = replace(result, others=known)
        _write_report(result, model_dir, attempts)
    return result


def _handler(tracker: BaseSupervisedTracker, config: Config, chunk: int) -> PredictionHandler:
    """What runs the tracker where it was trained, ``chunk`` images at a time."""
    device = training_devices(config.training).accelerator
    return PredictionHandler(tracker, device=device, chunk=chunk)


def chunk_length(config: Config, kind: type[BaseSupervisedTracker]) -> int:
    """Frames of a video that go through the network at once."""
    clips = config.dali.context if kind.context_frames > 1 else config.dali.base
    return clips.predict.sequence_length


def _evaluate_own_labels(
    handler: PredictionHandler, model_dir: Path, display: Display
) -> LabeledPrediction:
    """Predict the project's labels, calibrate the confidences, and write tables and plot."""
    result = predict_project_labels(ModelProject.from_dir(model_dir), handler, display=display)
    calibrate_model(model_dir, result)
    project = ModelProject.from_dir(model_dir)  # the manifest knows the calibration now
    told_pose_metrics(project, display)
    write_project_evaluation(project, result)
    return result


def _write_report(result: LabeledPrediction, model_dir: Path, attempts: Attempts) -> None:
    with attempts.step("the report", f"litpose evaluate {quoted(model_dir)}"):
        write_model_report(ModelProject.from_dir(model_dir), result, display=attempts.display)


def _predict_videos(
    tracker: BaseSupervisedTracker, config: Config, model_dir: Path, attempts: Attempts
) -> list[Path]:
    """Predict the config's videos into ``video_preds/``, and draw them if the config says so.

    What a run that was stopped has made of the same weights is kept, and gone on with.
    """
    jointly = tracker.views == "jointly"
    asked = config.eval.predict_vids_after_training
    groups = predicted_groups(config, jointly=jointly) if asked else []
    if not groups:
        return []
    project = ModelProject.from_dir(model_dir)
    timings = {timing.video: timing for timing in stored_timings(project.manifest)}
    handler = _handler(tracker, config, chunk_length(config, type(tracker)))
    done: list[SessionVideo] = []
    together = {v for videos in several_views(groups).values() for v in videos}
    for group in groups:
        told = ", ".join(each.video.name for each in group)
        remedy = f"litpose predict {quoted(model_dir)} {' '.join(quoted(v.video) for v in group)}"
        with attempts.step(f"predictions of {told}", remedy):
            predictor = _predictor(project, handler, attempts.display)
            for each, result in _predict_group(predictor, project, group, together).items():
                timings[each.name] = VideoTiming(
                    video=each.name,
                    frames=result.frames - result.resumed,
                    seconds=round(result.seconds, 2),
                    device=handler.device.type,
                )
            done += group
    remedy = f"litpose predict {quoted(model_dir)} {quoted(groups[0][0].video.parent)}"
    options = space_options(config, project.manifest)
    display, style = attempts.display, replace(drawing_style(config), legend=True)
    draw = config.eval.save_vids_after_training
    works = SessionWorks(
        options,
        lambda v: video_table(model_dir, v.table),
        style,
        display.message,
        display.task,
        draw=draw,
        keep=True,
    )
    with attempts.step("what shows the views of sessions together", remedy):
        for _, work in works.of([done]):
            work()
    keep_timings(model_dir, [timings[v.video.name] for v in done if v.video.name in timings])
    return [video_table(model_dir, v.table) for v in done]


def _predictor(
    project: ModelProject, handler: PredictionHandler, display: Display
) -> VideoPredictor:
    return VideoPredictor(
        handler,
        scorer_name(project.config.model.model_type),
        stored_calibration(project.manifest),
        project.pose_metrics.metrics,
        replace(drawing_style(project.config), legend=True),
        project.config.dali.reader,
        display,
        animal_predictor(project.folder, project.manifest, handler),
    )


def _predict_group(
    predictor: VideoPredictor, project: ModelProject, group: Group, together: set[SessionVideo]
) -> dict[Path, VideoResult]:
    """The tables of a video, or of those of a session together, and their metrics and drawings.

    What is there is kept. Videos of ``together`` are drawn together later.

    Returns:
        What was predicted now, by video.
    """
    config, results = project.config, {}
    weights = predictor.handler.weights_digest
    tables = {v.view: video_table(project.folder, v.table) for v in group}
    boxes = {v.view: boxes_of_video(config, v.video, v.boxes) for v in group}

    def is_made(v: SessionVideo) -> bool:
        table, own = tables[v.view], boxes[v.view]
        digest = own.digest if own else None
        others = others_of(group, v)
        return table.is_file() and is_made_from(table, v.video, weights, digest, others)

    if all(map(is_made, group)):
        for table in tables.values():
            predictor.write_metrics(table)
    else:
        views = config.data.view_names or ()
        found = predict_group(predictor, views, group, tables, resume=True, boxes=boxes)
        results = {v.video: found[v.view] for v in group}
    for v in set(group) - together:
        drawing = labeled_video_path(tables[v.view])
        if config.eval.save_vids_after_training and not is_newer(drawing, tables[v.view]):
            predictor.draw(v.video, tables[v.view], drawing)
    return results
