"""The report of a training: one HTML file in its model directory."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from lp_analysis.confidence.calibration import ConfidenceCalibration
from lp_analysis.labeled_predictions import LabeledPrediction
from lp_analysis.metrics.curves import TrainingCurves
from lp_analysis.rendering.draw import Edge
from lp_analysis.report.content import (
    reported_confidence,
    worst_frame_pictures,
)
from lp_analysis.report.parts import (
    CaptionedPicture,
    ReportedVideo,
    TrainingReport,
    write_report,
)
from lp_data.errors import DataError
from lp_data.images import image_file
from lp_io.model_directory import REPORT_FILE


def write_training_report(
    result: LabeledPrediction,
    data_dir: Path,
    model_dir: Path,
    *,
    curves: TrainingCurves | None,
    facts: dict[str, str],
    config_text: str,
    calibration: ConfidenceCalibration | None = None,
    with_images: bool = True,
    skeleton: Sequence[Edge] = (),
    videos: Sequence[ReportedVideo] = (),
    timings: Mapping[str, float | str] | None = None,
) -> Path:
    """Write ``report.html``, which holds all that it shows and opens offline.

    Args:
        result: The predictions of the project's labels.
        data_dir: The folder of the labelled images.
        model_dir: Where the report goes.
        curves: How losses and errors fell.
        facts: What to say at the top, by name.
        config_text: The resolved config.
        calibration: Of the confidences, if the model carries one.
        with_images: Whether to show the worst frames; else no image is read.
        skeleton: Pairs of keypoint names that they join by a line.
        videos: Metrics of predicted videos.
        timings: By what took them, seconds, or the time in words.

    Raises:
        EvaluationError: The report cannot be written.
    """
    pictures, missing = _worst_frames(result, data_dir, skeleton) if with_images else ([], {})
    report = TrainingReport(
        title=f"Training of {model_dir.name}",
        facts=facts | missing,
        errors=result.metric(result.errors),
        curves=curves,
        worst_frames=pictures,
        confidence=reported_confidence(result, calibration=calibration),
        videos=videos,
        timings=timings or {},
        config=config_text,
    )
    path = model_dir / REPORT_FILE
    write_report(report, path)
    return path


def _worst_frames(
    result: LabeledPrediction, data_dir: Path, skeleton: Sequence[Edge]
) -> tuple[list[CaptionedPicture], dict[str, str]]:
    """Pictures of the worst frames; where an image is gone, none, and a fact that says so."""
    try:
        images = [image_file(data_dir, name) for name in result.labels.image_paths]
        return worst_frame_pictures(result, images, skeleton=skeleton), {}
    except DataError as error:
        return [], {"worst frames": f"not shown: {error.problem} ({error.where})"}
