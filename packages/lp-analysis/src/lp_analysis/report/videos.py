"""What a report tells of predicted videos: the course of each metric, and suspicious frames."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path

from lp_analysis.confidence.shown import ShownConfidence
from lp_analysis.metrics.frame_metrics import FrameMetric, PerKeypoint
from lp_analysis.metrics.outliers import Outlier, worst_frames
from lp_analysis.metrics.suspicious import CONFIDENCE_DROP, video_metrics
from lp_analysis.rendering.draw import PoseDrawer
from lp_analysis.rendering.style import DrawingStyle
from lp_analysis.report.content import section, worst_keypoint
from lp_analysis.report.parts import CaptionedPicture, ReportedVideo
from lp_core.poses import confidence_of
from lp_data.video.open import open_video
from lp_io.predictions import VideoPredictions

_TITLES = {
    "temporal_norm": "movement since the frame before",
    "pca_singleview_error": "PCA singleview error",
    "pca_multiview_error": "PCA multiview error",
}
_PICTURES_PER_METRIC = 3
MOST_VIDEOS = 8
"""Videos in a report; each takes half a megabyte."""


def reported_video(
    video: Path, table: Path, metrics: Mapping[str, FrameMetric], style: DrawingStyle
) -> ReportedVideo:
    """The course of the metrics of a predicted video, and pictures of the worst frames.

    The metrics are others than the movement between frames. Keypoints that the style leaves out for
    lack of confidence are not judged.

    Raises:
        LPError: The video or a table cannot be read, or they do not belong together.
    """
    with open_video(video) as source:
        confidence = ShownConfidence.of_table(table)
        predictions = VideoPredictions(table, len(source), confidence)
        style = confidence.reachable_style(style)
        values = _in_pixels(predictions, metrics, style)
        worst = _worst_of_each(values, apart=max(1, round(source.fps / 2)))
        poses = predictions.at([outlier.frame for outlier, _ in worst])
        drawer = PoseDrawer(poses.keypoint_names, source.size, style)
        pictures = []
        for (outlier, metric), pose, sure in zip(
            worst, poses.points, confidence_of(poses), strict=True
        ):
            frame = source.read(outlier.frame, outlier.frame + 1)[0]
            found = worst_keypoint(outlier, poses.keypoint_names)
            caption = f"frame {outlier.frame}: {found} ({_title(metric)})"
            pictures.append(CaptionedPicture(drawer.draw(frame, pose, sure), caption))
        return ReportedVideo(
            name=video.name,
            fps=source.fps,
            keypoint_names=poses.keypoint_names,
            metrics={_title(name): some for name, some in values.items()},
            pictures=pictures,
        )


def _title(metric: str) -> str:
    return _TITLES.get(metric, metric.replace("_", " "))


def _in_pixels(
    predictions: VideoPredictions, metrics: Mapping[str, FrameMetric], style: DrawingStyle
) -> dict[str, PerKeypoint]:
    """The metrics that are lengths, of the keypoints that are drawn."""
    found = video_metrics(predictions, metrics, threshold=style.confidence_threshold).values
    return {name: values for name, values in found.items() if name != CONFIDENCE_DROP}


def _worst_of_each(metrics: Mapping[str, PerKeypoint], apart: int) -> list[tuple[Outlier, str]]:
    """The worst frames and the metric that finds them, every frame once."""
    found: dict[int, tuple[Outlier, str]] = {}
    for name, values in metrics.items():
        for outlier in worst_frames(values, _PICTURES_PER_METRIC, apart=apart):
            found.setdefault(outlier.frame, (outlier, name))
    return list(found.values())


def reported_videos(
    predicted: Sequence[tuple[Path, Path]],
    metrics: Mapping[str, FrameMetric],
    style: DrawingStyle,
    note: Callable[[str], None],
) -> list[ReportedVideo]:
    """`reported_video` of the first `MOST_VIDEOS`; what cannot be read is left out, with a note.

    ``predicted`` has videos with their tables of predictions.
    """
    parts = [
        section(
            f"section on {video.name}", partial(reported_video, video, table, metrics, style), note
        )
        for video, table in predicted[:MOST_VIDEOS]
    ]
    return [part for part in parts if part is not None]
