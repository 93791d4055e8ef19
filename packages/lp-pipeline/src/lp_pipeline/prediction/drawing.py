"""Draw a table of predictions on its video, and show how far the drawing is."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from lp_analysis.rendering.draw import Edge
from lp_analysis.rendering.prediction_video import DrawnVideo, draw_predictions
from lp_analysis.rendering.style import DrawingStyle
from lp_core.video import VideoSource
from lp_data.video.open import open_video
from lp_io.predictions import VideoPredictions
from lp_io.predictions.video import Likelihood
from lp_pipeline.config.schema import EvalConfig
from lp_pipeline.display import SILENT, Display


def render_prediction(
    video: Path,
    table: Path,
    path: Path,
    *,
    reader: str = "auto",
    style: DrawingStyle | None = None,
    confidence: Callable[[Likelihood], Likelihood] | None = None,
    display: Display = SILENT,
) -> DrawnVideo:
    """Write the labelled video of a table in a file.

    Args:
        video: The video.
        table: Its predictions, in any of the formats.
        path: The MP4 to write.
        reader: A registered video reader, or ``auto``.
        style: How to draw.
        confidence: What is taken for the confidence instead of the likelihood.
        display: Where to report to.

    Raises:
        LPError: The video or the table cannot be read, or they do not belong together.
    """
    with open_video(video, reader=reader) as source:
        predictions = VideoPredictions(table, len(source), confidence)
        return draw_with_progress(source, predictions, path, style=style, display=display)


def draw_with_progress(
    source: VideoSource,
    predictions: VideoPredictions,
    path: Path,
    *,
    skeleton: Sequence[Edge] = (),
    style: DrawingStyle | None = None,
    frames: range | None = None,
    display: Display,
) -> DrawnVideo:
    """`draw_predictions`, while the display shows a bar; it is told of frames without a row."""
    if predictions.note:
        display.message(f"note: {predictions.note}; they are drawn without keypoints")
    with display.task("labelled video", len(source if frames is None else frames)) as update:
        return draw_predictions(
            source,
            predictions,
            path,
            skeleton=skeleton,
            style=style,
            frames=frames,
            on_progress=update,
        )


def drawing_style(
    options: EvalConfig, skeleton: tuple[tuple[str, str], ...] = (), *, legend: bool = False
) -> DrawingStyle:
    """How the config wants predictions drawn.

    Args:
        options: Its section ``eval``.
        skeleton: Pairs of keypoint names to join by a line.
        legend: Whether a panel names the keypoints.
    """
    return DrawingStyle(
        colormap=options.colormap,
        confidence_threshold=options.confidence_thresh_for_vid,
        skeleton=skeleton,
        legend=legend,
    )
