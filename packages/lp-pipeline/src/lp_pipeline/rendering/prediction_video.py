"""Draw a table of predictions on the video that it was made from."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from lp_data.video.open import open_video
from lp_io.predictions import read_predictions_csv
from lp_pipeline.display import Display, SilentDisplay
from lp_pipeline.rendering.draw import Edge
from lp_pipeline.rendering.labeled_video import write_labeled_video
from lp_pipeline.rendering.style import DrawingStyle


def render_prediction(
    video: Path,
    table: Path,
    path: Path,
    *,
    reader: str = "auto",
    skeleton: Sequence[Edge] = (),
    style: DrawingStyle | None = None,
    display: Display | None = None,
) -> int:
    """Write the labelled video of a table of predictions.

    Args:
        video: The video.
        table: Its predictions, as ``litpose predict`` writes them.
        path: The MP4 to write.
        reader: A registered video reader, or ``auto``.
        skeleton: Pairs of keypoint names to join by a line.
        style: How to draw.
        display: Where to report to.

    Returns:
        The number of frames written.

    Raises:
        LPError: The video or the table cannot be read, or they do not belong together.
    """
    predictions = read_predictions_csv(table)
    with (
        open_video(video, reader=reader) as source,
        (display or SilentDisplay()).task("labelled video", len(source)) as task,
    ):
        return write_labeled_video(
            source,
            [(predictions.keypoints, predictions.confidences)],
            path,
            predictions.keypoint_names,
            skeleton=skeleton,
            style=style,
            on_progress=task.update,
        )
