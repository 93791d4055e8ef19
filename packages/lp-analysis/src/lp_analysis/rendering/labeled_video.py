"""Write a video with the predicted poses drawn on it."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from fractions import Fraction
from pathlib import Path

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from lp_analysis.errors import RenderingError
from lp_analysis.rendering.draw import Confidences, Pose, PoseDrawer
from lp_analysis.rendering.style import DEFAULT_STYLE, DrawingStyle
from lp_analysis.rendering.text import Picture
from lp_core.video import Frames, VideoSource
from lp_data.video.writer import VideoWriter

PredictedChunk = tuple[Float[ndarray, "_chunk _keypoints 2"], Float[ndarray, "_chunk _keypoints"]]
"""Keypoints (n, K, 2) in frame px and confidences (n, K) of consecutive frames."""

_CHUNK_BYTES = 32 * 2**20


def write_labeled_video(
    source: VideoSource,
    predictions: Iterable[PredictedChunk],
    path: str | Path,
    keypoint_names: Sequence[str],
    *,
    style: DrawingStyle = DEFAULT_STYLE,
    frames: range | None = None,
    on_progress: Callable[[int], None] | None = None,
) -> int:
    """Write the frames of a video with their poses, at its frame rate, one for one.

    The chunks of predictions may have any length; together they have one row for each of
    ``frames``, by default of all. Memory does not grow with the length of the video.

    Returns:
        The number of frames written.

    Raises:
        RenderingError: There are fewer or more predictions than frames.
        VideoError: A frame cannot be read, or the video cannot be written.
    """
    frames = range(len(source)) if frames is None else frames
    drawer = PoseDrawer(keypoint_names, source.size, style)
    rows = _rows(predictions)
    with VideoWriter(path, fps=source.fps, size=drawer.picture_size) as writer:
        pictures = labeled_frames(_numbered(source, frames), rows, drawer, fps=source.fps)
        for written, picture in enumerate(pictures, 1):
            writer.write(picture)
            if on_progress is not None and (written % 10 == 0 or written == len(frames)):
                on_progress(written)
        if next(rows, None) is not None:
            raise RenderingError(
                f"there are more predictions than the {len(frames)} frames of the video",
                where=path,
                remedy="check that the predictions are those of this video",
            )
    return len(frames)


def labeled_frames(
    frames: Iterable[tuple[int, Picture]],
    rows: Iterator[tuple[Pose, Confidences]],
    drawer: PoseDrawer,
    *,
    fps: Fraction,
) -> Iterator[Picture]:
    """Pictures of consecutive, numbered frames with their poses, trails and stamps.

    Raises:
        RenderingError: There are fewer rows than frames.
    """
    past: deque[Pose] = deque(maxlen=drawer.memory)
    for number, frame in frames:
        row = next(rows, None)
        if row is None:
            raise RenderingError(
                f"there is no prediction for frame {number}",
                remedy="check that the predictions are those of this video",
            )
        keypoints, confidences = row
        stamp = f"frame {number}  {float(number / fps):.3f} s" if drawer.style.stamp else ""
        yield drawer.draw(frame, keypoints, confidences, past=list(past), stamp=stamp)
        past.append(drawer.shown(keypoints, confidences))


def _rows(predictions: Iterable[PredictedChunk]) -> Iterator[tuple[Pose, Confidences]]:
    for keypoints, confidences in predictions:
        yield from zip(keypoints, confidences, strict=True)


def _numbered(source: VideoSource, frames: range) -> Iterator[tuple[int, Picture]]:
    """The chosen frames with their numbers, read in chunks of bounded size."""
    height, width = source.size
    chunk = int(np.clip(_CHUNK_BYTES // (3 * height * width), 1, 64))
    for start in range(frames.start, frames.stop, chunk):
        part: Frames = source.read(start, min(start + chunk, frames.stop))
        yield from enumerate(part, start)
