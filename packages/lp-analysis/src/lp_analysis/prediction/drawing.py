"""Draw a table of predictions on its video, and show how far the drawing is."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

from lp_analysis.confidence.shown import ShownConfidence
from lp_analysis.rendering.draw import parse_edge
from lp_analysis.rendering.prediction_video import draw_predictions
from lp_analysis.rendering.style import DrawingStyle
from lp_core.display import SILENT, Display
from lp_data.video.open import open_video
from lp_io.predictions import predictions_of_video


def draw_video(
    video: Path,
    table: Path,
    path: Path,
    *,
    style: DrawingStyle,
    reader: str = "auto",
    edges: Sequence[str] = (),
    threshold: float | None = None,
    frames: Callable[[int], range] = range,
    display: Display = SILENT,
) -> None:
    """Write the labelled video of a table in a file, and tell how many keypoints are drawn.

    Args:
        video: The video.
        table: Its predictions, in any of the formats.
        path: The MP4 to write.
        style: How to draw, with the threshold of a config; see `ShownConfidence.reachable`.
        reader: A registered video reader, or ``auto``.
        edges: Keypoints to join, each as ``FIRST-SECOND``; none takes the skeleton of the style.
        threshold: The least confidence of a keypoint to draw, in place of the style's.
        frames: Gives the consecutive frames to draw, of that many.
        display: Where to report to.

    Raises:
        LPError: The video or the table cannot be read, or they do not belong together.
    """
    confidence = ShownConfidence.of_table(table)
    style = confidence.reachable_style(style)
    if threshold is not None:
        style = replace(style, confidence_threshold=threshold)
    with open_video(video, reader=reader) as source:
        predictions = predictions_of_video(table, len(source), confidence)
        if predictions.note:
            display.message(f"note: {predictions.note}; they are drawn without keypoints")
        if edges:
            asked = [parse_edge(text, predictions.keypoint_names) for text in edges]
            style = replace(style, skeleton=tuple(asked))
        chosen = frames(len(source))
        with display.task("labelled video", len(chosen)) as update:
            drawn = draw_predictions(
                source, predictions, path, style=style, frames=chosen, on_progress=update
            )
    display.message(f"labelled video: {path} ({drawn.frames} frames)")
    display.message(confidence.told(drawn.share, style.confidence_threshold, "drawn"))
