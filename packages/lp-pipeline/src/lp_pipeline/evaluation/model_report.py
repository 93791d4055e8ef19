"""The report of a model directory, from what lies in it and, where they are, images and videos."""

from __future__ import annotations

from pathlib import Path

from lp_analysis.confidence.stored import stored_calibration
from lp_analysis.labeled_predictions import LabeledPrediction
from lp_analysis.metrics.metric_files import outdated_tables
from lp_analysis.prediction.space_errors import errors_of_model
from lp_analysis.rendering.style import DrawingStyle
from lp_analysis.report.animals import animal_facts, errors_by_contact, reported_several
from lp_analysis.report.content import (
    section,
    training_facts,
    worst_frames_shown,
)
from lp_analysis.report.page import write_report
from lp_analysis.report.parts import TrainingReport
from lp_analysis.report.reliability import reported_confidence
from lp_analysis.report.timings import told_timings
from lp_analysis.report.videos import MOST_VIDEOS, reported_videos
from lp_core.display import SILENT, Display
from lp_io.model_directory import CONFIG_FILE, REPORT_FILE, video_table
from lp_pipeline.builders.labels import drawing_style
from lp_pipeline.builders.videos import folder_videos
from lp_pipeline.evaluation.model_project import ModelProject, training_curves


def write_model_report(
    project: ModelProject, result: LabeledPrediction, *, display: Display = SILENT
) -> Path:
    """Write ``report.html`` of a model directory.

    A section that cannot be made is left out and told: pictures where the images are not, curves
    where the log is damaged, and videos that cannot be read.

    Raises:
        LPError: The report cannot be written.
    """
    videos, path = predicted_videos(project), project.folder / REPORT_FILE
    config, note = project.config, display.message
    style, metrics = drawing_style(config), project.pose_metrics.metrics
    errors = errors_by_contact(result)
    with display.task("report", 1) as update:
        curves = section("training curves", lambda: training_curves(project), note)
        folder = project.data_dir if project.has_images else None
        worst, missing = worst_frames_shown(result, folder, DrawingStyle(skeleton=style.skeleton))
        facts = {"tracker": config.model.model_type, "backbone": config.model.backbone}
        facts |= training_facts(result, curves) | animal_facts(project.folder, project.manifest)
        if len(videos) > MOST_VIDEOS:
            facts["videos"] = f"{len(videos)} are predicted, the first {MOST_VIDEOS} are shown"
        calibration = stored_calibration(project.manifest)
        confidence = reported_confidence(result, calibration=calibration)
        for warning in confidence.warnings if confidence else ():
            note(f"warning: {warning}")
        report = TrainingReport(
            title=f"Training of {project.folder.name}",
            facts=facts | missing,
            errors=result.metric(result.visible_errors),
            curves=curves,
            worst_frames=worst,
            space=errors_of_model(project.manifest, *result.tables),
            confidence=confidence,
            videos=reported_videos([] if errors else videos, metrics, style, note),
            animal_errors=errors,
            animals=reported_several(videos, errors, style, note),
            timings=told_timings(project.folder, project.manifest),
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
    tables = [video_table(project.folder, name) for name in videos.values()]
    pairs = [pair for pair in zip(videos, tables, strict=True) if pair[1].is_file()]
    outdated = outdated_tables(project.folder, [table for _, table in pairs])
    return [(video, table) for video, table in pairs if table not in outdated]
