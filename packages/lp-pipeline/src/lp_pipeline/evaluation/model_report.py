"""The report of a model directory, from what lies in it and, where they are, images and videos."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from lp_data.video.listing import find_videos
from lp_pipeline.builders.labels import get_skeleton
from lp_pipeline.config.paths import CONFIG_FILE, test_videos_directory
from lp_pipeline.display import Display, SilentDisplay
from lp_pipeline.evaluation.evaluate_model import VIDEO_FOLDER, training_curves
from lp_pipeline.evaluation.model_project import ModelProject
from lp_pipeline.evaluation.report import ReportedVideo
from lp_pipeline.evaluation.summary import PixelErrorSummary
from lp_pipeline.evaluation.video_report import drawing_style, reported_video
from lp_pipeline.prediction.calibrated import stored_calibration
from lp_pipeline.prediction.labeled import LabeledPrediction
from lp_pipeline.training.progress import training_seconds
from lp_pipeline.training.report import write_training_report
from lp_pipeline.training.timing import stored_timings

_MOST_VIDEOS = 8
"""Videos in a report; each takes half a megabyte."""


def write_model_report(
    project: ModelProject, result: LabeledPrediction, *, display: Display | None = None
) -> Path:
    """Write ``report.html`` of a model directory.

    Pictures are left out where the images are not, and videos where the videos are not.

    Args:
        project: The model directory.
        result: The predictions of its labelled frames.
        display: Where to report to.

    Raises:
        LPError: A table or an image is damaged, or the report cannot be written.
    """
    display = display or SilentDisplay()
    summary = PixelErrorSummary.from_errors(result.errors, result.table.keypoint_names, result.sets)
    videos = predicted_videos(project)
    with display.task("report", 1) as task:
        path = write_training_report(
            result,
            project.data_dir,
            project.folder,
            curves=training_curves(project),
            facts=_facts(project, summary, videos),
            config_text=(project.folder / CONFIG_FILE).read_text(encoding="utf-8"),
            calibration=stored_calibration(project.manifest),
            with_images=project.has_images,
            skeleton=get_skeleton(project.config),
            videos=_reported(project, videos),
            timings=_timings(project),
        )
        task.update(1)
    return path


def predicted_videos(project: ModelProject) -> list[tuple[Path, Path]]:
    """The videos of the config that are predicted, each with its table of predictions."""
    folder = test_videos_directory(project.config)
    if folder is None or not folder.exists():
        return []
    videos = find_videos(folder).files if folder.is_dir() else (folder,)
    tables = [project.folder / VIDEO_FOLDER / f"{video.stem}.csv" for video in videos]
    pairs = zip(videos, tables, strict=True)
    return [(video, table) for video, table in pairs if table.is_file()]


def _reported(project: ModelProject, videos: Sequence[tuple[Path, Path]]) -> list[ReportedVideo]:
    style = drawing_style(project.config.eval, get_skeleton(project.config))
    metrics = project.pose_metrics.metrics
    return [reported_video(video, table, metrics, style) for video, table in videos[:_MOST_VIDEOS]]


def _facts(
    project: ModelProject, summary: PixelErrorSummary, videos: Sequence[tuple[Path, Path]]
) -> dict[str, str]:
    """What the report says at its top."""
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
    """How long the training took, and how fast the videos were predicted."""
    timings: dict[str, float | str] = {}
    seconds = training_seconds(project.folder)
    if seconds > 0:
        timings["training"] = seconds
    for timing in stored_timings(project.manifest):
        timings[f"prediction of {timing.video}"] = timing.text
    return timings
