"""What a report tells of predicted videos: the course of each metric, and suspicious frames."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from lp_data.video.open import open_video
from lp_io.predictions import PredictionTable, read_prediction_chunks
from lp_pipeline.config.schema import EvalConfig
from lp_pipeline.errors import EvaluationError
from lp_pipeline.evaluation.metrics import FrameMetric, PerKeypoint
from lp_pipeline.evaluation.outliers import Outlier, worst_frames
from lp_pipeline.evaluation.report import CaptionedPicture, ReportedVideo
from lp_pipeline.evaluation.report_content import video_frame_pictures
from lp_pipeline.evaluation.suspicious import CONFIDENCE_DROP, video_metrics
from lp_pipeline.rendering.style import DrawingStyle

_TITLES = {
    "temporal_norm": "movement since the frame before",
    "pca_singleview_error": "PCA singleview error",
    "pca_multiview_error": "PCA multiview error",
}
_PICTURES_PER_METRIC = 3


def reported_video(
    video: Path, table: Path, metrics: Mapping[str, FrameMetric], style: DrawingStyle
) -> ReportedVideo:
    """The course of the metrics of a predicted video, and pictures of the worst frames.

    Args:
        video: The video.
        table: Its predictions.
        metrics: Others than the movement between frames, by name.
        style: How to draw; keypoints that it leaves out for lack of confidence are not judged.

    Raises:
        LPError: The video or a table cannot be read, or they do not belong together.
    """
    values = _in_pixels(table, metrics, style)
    with open_video(video) as source:
        worst = _worst_of_each(values, apart=max(1, round(source.fps / 2)))
        poses = predictions_at(table, [outlier.frame for outlier, _ in worst])
        pictures = video_frame_pictures(
            source,
            poses.keypoints,
            poses.confidences,
            poses.keypoint_names,
            [outlier for outlier, _ in worst],
            style=style,
        )
        return ReportedVideo(
            name=video.name,
            fps=source.fps,
            keypoint_names=poses.keypoint_names,
            metrics={_title(name): some for name, some in values.items()},
            pictures=[
                CaptionedPicture(item.picture, f"{item.caption} ({_title(metric)})")
                for item, (_, metric) in zip(pictures, worst, strict=True)
            ],
        )


def _title(metric: str) -> str:
    return _TITLES.get(metric, metric.replace("_", " "))


def _in_pixels(
    table: Path, metrics: Mapping[str, FrameMetric], style: DrawingStyle
) -> dict[str, PerKeypoint]:
    """The metrics that are lengths, of the keypoints that are drawn."""
    found = video_metrics(table, metrics, threshold=style.confidence_threshold).values
    return {name: values for name, values in found.items() if name != CONFIDENCE_DROP}


def predictions_at(table: Path, frames: Sequence[int]) -> PredictionTable:
    """Some frames of a table of predictions, in the order asked for.

    Memory does not grow with the length of the table.

    Raises:
        PredictionFileError: The table cannot be read.
        EvaluationError: It has no such frame.
    """
    wanted, found = np.array(frames, dtype=np.int64), {}
    start = 0
    for chunk in read_prediction_chunks(table):
        for frame in wanted[(wanted >= start) & (wanted < start + len(chunk))].tolist():
            row = frame - start
            found[frame] = chunk.keypoints[row].copy(), chunk.confidences[row].copy()
        start += len(chunk)
        names = chunk.keypoint_names
    missing = [frame for frame in frames if frame not in found]
    if missing:
        raise EvaluationError(
            f"there is no frame {missing[0]} among the {start} predicted ones", where=table
        )
    return PredictionTable(
        keypoint_names=names,
        keypoints=np.array([found[f][0] for f in frames]).reshape(len(frames), len(names), 2),
        confidences=np.array([found[f][1] for f in frames]).reshape(len(frames), len(names)),
        index=tuple(frames),
    )


def _worst_of_each(metrics: Mapping[str, PerKeypoint], apart: int) -> list[tuple[Outlier, str]]:
    """The worst frames and the metric that finds them, every frame once."""
    found: dict[int, tuple[Outlier, str]] = {}
    for name, values in metrics.items():
        for outlier in worst_frames(values, _PICTURES_PER_METRIC, apart=apart):
            found.setdefault(outlier.frame, (outlier, name))
    return list(found.values())


def drawing_style(options: EvalConfig, skeleton: tuple[tuple[str, str], ...] = ()) -> DrawingStyle:
    """How the config wants predictions drawn.

    Args:
        options: Its section ``eval``.
        skeleton: Pairs of keypoint names to join by a line.
    """
    return DrawingStyle(
        colormap=options.colormap,
        confidence_threshold=options.confidence_thresh_for_vid,
        skeleton=skeleton,
    )
