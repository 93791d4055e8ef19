"""Draw a table of predictions on the video that it was made from."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from lp_data.video.open import open_video
from lp_io.predictions import read_prediction_chunks
from lp_pipeline.display import Display, SilentDisplay
from lp_pipeline.errors import RenderingError
from lp_pipeline.rendering.draw import Edge
from lp_pipeline.rendering.labeled_video import PredictedChunk, write_labeled_video
from lp_pipeline.rendering.style import DrawingStyle

_ROWS = 256


def labeled_video_path(table: Path) -> Path:
    """Where the labelled video of a table of predictions lies by its public name."""
    return table.parent / "labeled_videos" / f"{table.stem}_labeled.mp4"


def render_prediction(
    video: Path,
    table: Path,
    path: Path,
    *,
    reader: str = "auto",
    skeleton: Sequence[Edge] = (),
    style: DrawingStyle | None = None,
    frames: range | None = None,
    display: Display | None = None,
) -> int:
    """Write the labelled video of a table of predictions.

    It has the video's frame rate and exactly its frames. Memory does not grow with its length.

    Args:
        video: The video.
        table: Its predictions, as ``litpose predict`` writes them.
        path: The MP4 to write.
        reader: A registered video reader, or ``auto``.
        skeleton: Pairs of keypoint names to join by a line.
        style: How to draw.
        frames: Consecutive frames to draw; None draws all.
        display: Where to report to.

    Returns:
        The number of frames written.

    Raises:
        LPError: The video or the table cannot be read, or they do not belong together.
    """
    names = next(read_prediction_chunks(table, 1)).keypoint_names
    with open_video(video, reader=reader) as source:
        chosen = range(len(source)) if frames is None else frames
        if len(chosen) == 0 or chosen[0] < 0 or chosen[-1] >= len(source):
            raise RenderingError(
                f"there are no frames {chosen.start} to {chosen.stop - 1} in a video of "
                f"{len(source)} frames",
                where=video,
            )
        with (display or SilentDisplay()).task("labelled video", len(chosen)) as task:
            return write_labeled_video(
                source,
                _predictions(table, frames),
                path,
                names,
                skeleton=skeleton,
                style=style,
                frames=chosen,
                on_progress=task.update,
            )


def _predictions(table: Path, frames: range | None) -> Iterator[PredictedChunk]:
    """The rows of the frames, or all rows, some at a time."""
    start = 0
    for chunk in read_prediction_chunks(table, _ROWS):
        first, last = 0, len(chunk)
        if frames is not None:
            first, last = max(frames.start - start, 0), max(frames.stop - start, 0)
        yield chunk.keypoints[first:last], chunk.confidences[first:last]
        start += len(chunk)
        if frames is not None and start >= frames.stop:
            return
