"""The report of a model directory, from what lies in it and, where they are, images and videos."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import TypeVar

from lp_analysis.confidence.stored import stored_calibration
from lp_analysis.labeled_predictions import LabeledPrediction
from lp_analysis.metrics.curves import TrainingCurves
from lp_analysis.metrics.summary import PixelErrorSummary
from lp_analysis.rendering.style import DrawingStyle
from lp_analysis.report.content import reported_confidence, worst_frames_shown
from lp_analysis.report.page import write_report
from lp_analysis.report.parts import ReportedVideo, TrainingReport
from lp_analysis.report.timings import stored_timings
from lp_analysis.report.videos import reported_video
from lp_core.errors import LPError
from lp_io.model_directory import CONFIG_FILE, REPORT_FILE, video_table
from lp_io.training_state.progress import training_seconds
from lp_pipeline.builders.videos import folder_videos
from lp_pipeline.display import SILENT, Display
from lp_pipeline.evaluation.model_project import ModelProject, outdated_tables, training_curves
from lp_pipeline.prediction.drawing import drawing_style

T = TypeVar("T")

_MOST_VIDEOS = 8
"""Videos in a report; each takes half a megabyte."""


def write_model_report(
    project: ModelProject, result: LabeledPrediction, *, display: Display = SILENT
) -> Path:
    """Write ``report.html`` of a model directory.

    A section that cannot be made is left out and told: pictures where the images are not, curves
    where the log is damaged, and videos that cannot be read.

    Raises:
        LPError: The report cannot be written.
    """
    summary = PixelErrorSummary.from_errors(
        result.errors, result.labels.keypoint_names, result.sets
    )
    videos = predicted_videos(project)
    curves = _section("training curves", lambda: training_curves(project), display)
    style, path = drawing_style(project.config), project.folder / REPORT_FILE
    with display.task("report", 1) as update:
        plain = DrawingStyle(skeleton=style.skeleton)
        folder = project.data_dir if project.has_images else None
        worst, missing = worst_frames_shown(result, folder, plain)
        report = TrainingReport(
            title=f"Training of {project.folder.name}",
            facts=_facts(project, summary, videos) | _log_fact(curves) | missing,
            errors=result.metric(result.errors),
            curves=curves,
            worst_frames=worst,
            confidence=reported_confidence(
                result, calibration=stored_calibration(project.manifest)
            ),
            videos=_reported(project, videos, style, display),
            timings=_timings(project),
            config=(project.folder / CONFIG_FILE).read_text(encoding="utf-8"),
        )
        write_report(report, path)
        update(1)
    return path


def predicted_videos(project: ModelProject) -> list[tuple[Path, Path]]:
    """The videos of the config that are predicted, each with its table of predictions.

    Tables that other weights have predicted are left out.
    """
    videos = folder_videos(project.config)
    tables = [video_table(project.folder, video) for video in videos]
    pairs = [pair for pair in zip(videos, tables, strict=True) if pair[1].is_file()]
    outdated = outdated_tables(project.folder, [table for _, table in pairs])
    return [(video, table) for video, table in pairs if table not in outdated]


def reason_of(error: LPError | OSError) -> str:
    """What went wrong and where, without what to do about it."""
    if isinstance(error, LPError):
        return f"{error.problem} ({error.where})" if error.where else error.problem
    reason = error.strerror or str(error)
    return f"{reason} ({error.filename})" if error.filename else reason


def _section(name: str, make: Callable[[], T], display: Display) -> T | None:
    """A part of the report; None, and a note, where it cannot be made."""
    try:
        return make()
    except (LPError, OSError) as error:
        display.message(f"note: the report has no {name}: {reason_of(error)}")
        return None


def _reported(
    project: ModelProject,
    videos: Sequence[tuple[Path, Path]],
    style: DrawingStyle,
    display: Display,
) -> list[ReportedVideo]:
    metrics = project.pose_metrics.metrics
    parts = [
        _section(
            f"section on {video.name}",
            partial(reported_video, video, table, metrics, style),
            display,
        )
        for video, table in videos[:_MOST_VIDEOS]
    ]
    return [part for part in parts if part is not None]


def _log_fact(curves: TrainingCurves | None) -> dict[str, str]:
    """What to say of a training that was too short to log anything."""
    if curves is None or curves.curves:
        return {}
    return {
        "training curves": "nothing was logged: the training had fewer steps than "
        "training.log_every_n_steps, and ended before a validation"
    }


def _facts(
    project: ModelProject, summary: PixelErrorSummary, videos: Sequence[tuple[Path, Path]]
) -> dict[str, str]:
    facts = {
        "tracker": project.config.model.model_type,
        "backbone": project.config.model.backbone,
        "frames": ", ".join(f"{count} {split}" for split, count in summary.frames.items()),
        "keypoints": str(len(summary.keypoint_names)),
    }
    for split in summary.splits:
        facts[f"mean pixel error, {split}"] = f"{summary.overall[split].mean:.2f} px"
    if len(videos) > _MOST_VIDEOS:
        facts["videos"] = f"{len(videos)} are predicted, the first {_MOST_VIDEOS} are shown"
    return facts


def _timings(project: ModelProject) -> dict[str, float | str]:
    timings: dict[str, float | str] = {}
    seconds = training_seconds(project.folder)
    if seconds > 0:
        timings["training"] = seconds
    for timing in stored_timings(project.manifest):
        timings[f"prediction of {timing.video}"] = timing.text
    return timings
