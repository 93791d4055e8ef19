"""Draw a table of predictions on the video that it was made from."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from lp_analysis.errors import RenderingError
from lp_analysis.rendering.draw import Animal, animals_of
from lp_analysis.rendering.labeled_video import write_labeled_video
from lp_analysis.rendering.style import DEFAULT_STYLE, DrawingStyle
from lp_core.video import VideoSource
from lp_io.predictions import AnimalPredictions, VideoPredictions

_ROWS = 256


@dataclass(frozen=True)
class DrawnVideo:
    """What a labelled video shows.

    Attributes:
        frames: How many it has.
        keypoints: How many were predicted in them.
        drawn: How many of those are confident enough to be drawn.
    """

    frames: int
    keypoints: int
    drawn: int

    @property
    def share(self) -> float:
        """The part of the keypoints that is drawn, from 0 to 1."""
        return self.drawn / max(self.keypoints, 1)


def frames_to_draw(video: Path, first: int, last: int | None, total: int) -> range:
    """The frames of a video from ``first`` to ``last``, of ``total``; None is the last one.

    Raises:
        RenderingError: There are no such frames.
    """
    end = total - 1 if last is None else last
    if max(first, end) >= total:
        raise RenderingError(
            f"there is no frame {max(first, end)}: the last one is {total - 1}", where=video
        )
    if end < first:
        raise RenderingError(f"the last frame, {end}, is before the first, {first}")
    return range(first, end + 1)


def draw_predictions(
    source: VideoSource,
    predictions: VideoPredictions | AnimalPredictions,
    path: Path,
    *,
    style: DrawingStyle = DEFAULT_STYLE,
    frames: range | None = None,
    on_progress: Callable[[int], None] | None = None,
) -> DrawnVideo:
    """Write the labelled video of predictions.

    It has the video's frame rate and exactly its frames; those without a row are drawn bare.
    Memory does not grow with its length.

    Args:
        source: The video, opened without ``resize_to``.
        predictions: Of that video.
        path: The MP4 to write.
        style: How to draw.
        frames: Consecutive frames to draw; None draws all.
        on_progress: Called with the number of frames written, now and then.

    Raises:
        LPError: The video or the table cannot be read, or the video has no such frames.
    """
    chosen = range(len(source)) if frames is None else frames
    if len(chosen) == 0 or chosen[0] < 0 or chosen[-1] >= len(source):
        raise RenderingError(
            f"there are no frames {chosen.start} to {chosen.stop - 1} in a video of "
            f"{len(source)} frames"
        )
    individuals = None
    if isinstance(predictions, AnimalPredictions):
        individuals = predictions.individuals
        style = replace(style, skeleton=style.skeleton or predictions.skeleton.edges)
    counts = KeypointCounts(style.confidence_threshold)
    written = write_labeled_video(
        source,
        counts.counted(animals_of_frames(predictions, chosen)),
        path,
        predictions.keypoint_names,
        individuals,
        style=style,
        frames=chosen,
        on_progress=on_progress,
    )
    return DrawnVideo(written, counts.keypoints, counts.drawn)


def animals_of_frames(
    predictions: VideoPredictions | AnimalPredictions, frames: range
) -> Iterator[list[Animal]]:
    """The animals of each of the frames."""
    if isinstance(predictions, AnimalPredictions):
        for rows in predictions.of_frames(frames):
            yield animals_of(rows)
    else:
        for chunk in predictions.chunks(frames, _ROWS):
            yield from ([Animal(*row)] for row in zip(*chunk, strict=True))


@dataclass
class KeypointCounts:
    """Counts the keypoints that pass by, and those that are confident enough to be drawn."""

    threshold: float
    keypoints: int = 0
    drawn: int = 0

    def counted(self, frames: Iterable[list[Animal]]) -> Iterator[list[Animal]]:
        """The same animals of each frame, once their keypoints are counted."""
        for animals in frames:
            for animal in animals:
                assert animal.confidences is not None
                known = np.isfinite(animal.keypoints).all(axis=-1)
                self.keypoints += int(known.sum())
                self.drawn += int((known & ~(animal.confidences < self.threshold)).sum())
            yield animals
