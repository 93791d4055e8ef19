"""Write a video with the predicted poses drawn on it."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from fractions import Fraction
from pathlib import Path

import numpy as np

from lp_analysis.errors import RenderingError
from lp_analysis.rendering.draw import Animal, Pose, PoseDrawer
from lp_analysis.rendering.style import DEFAULT_STYLE, DrawingStyle
from lp_analysis.rendering.text import Picture
from lp_core.video import Frames, VideoSource
from lp_data.video.writer import VideoWriter

_CHUNK_BYTES = 32 * 2**20


def write_labeled_video(
    source: VideoSource,
    animals: Iterable[Sequence[Animal]],
    path: str | Path,
    keypoint_names: Sequence[str],
    individuals: Sequence[str | None] | None = None,
    *,
    style: DrawingStyle = DEFAULT_STYLE,
    frames: range | None = None,
    on_progress: Callable[[int], None] | None = None,
) -> int:
    """Write the frames of a video with their animals, at its frame rate, one for one.

    ``animals`` are those of each of ``frames``, by default of all; ``individuals`` are as for
    `PoseDrawer`. Memory does not grow with the length of the video.

    Returns:
        The number of frames written.

    Raises:
        RenderingError: There are fewer or more predictions than frames.
        VideoError: A frame cannot be read, or the video cannot be written.
    """
    frames = range(len(source)) if frames is None else frames
    drawer = PoseDrawer(keypoint_names, source.size, style, individuals)
    rows = iter(animals)
    with VideoWriter(path, fps=source.fps, size=drawer.picture_size) as writer:
        pictures = labeled_frames(numbered_frames(source, frames), rows, drawer, fps=source.fps)
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
    animals: Iterator[Sequence[Animal]],
    drawer: PoseDrawer,
    *,
    fps: Fraction,
) -> Iterator[Picture]:
    """Pictures of consecutive, numbered frames with the animals of each, trails and stamps.

    Raises:
        RenderingError: There are animals for fewer frames.
    """
    past = _Past(drawer)
    for number, frame in frames:
        found = next(animals, None)
        if found is None:
            raise RenderingError(
                f"there is no prediction for frame {number}",
                remedy="check that the predictions are those of this video",
            )
        stamp = f"frame {number}  {float(number / fps):.3f} s" if drawer.style.stamp else ""
        yield drawer.draw_animals(frame, past.with_past(found), stamp=stamp)
        past.append(found)


class _Past:
    """Where the animals were in the last frames, as many as the drawer makes use of."""

    def __init__(self, drawer: PoseDrawer) -> None:
        self._drawer = drawer
        self._of: dict[str | None, deque[Pose]] = {}

    def with_past(self, animals: Sequence[Animal]) -> list[Animal]:
        """The animals, each with what is known of it."""
        return [
            animal._replace(past=list(self._of.get(animal.individual, ()))) for animal in animals
        ]

    def append(self, animals: Sequence[Animal]) -> None:
        """Remember the animals of a frame; those that were not seen for long are forgotten."""
        now = {animal.individual: self._drawer.remembered(animal) for animal in animals}
        if self._drawer.several:
            now.pop(None, None)
        for name in self._of.keys() - now.keys():
            now[name] = np.full_like(self._of[name][-1], np.nan)
        for name, pose in now.items():
            self._of.setdefault(name, deque(maxlen=self._drawer.memory)).append(pose)
        if self._drawer.several:
            self._of = {name: past for name, past in self._of.items() if np.isfinite(past).any()}


def numbered_frames(source: VideoSource, frames: range) -> Iterator[tuple[int, Picture]]:
    """The chosen frames with their numbers, read in chunks of bounded size."""
    height, width = source.size
    chunk = int(np.clip(_CHUNK_BYTES // (3 * height * width), 1, 64))
    for start in range(frames.start, frames.stop, chunk):
        part: Frames = source.read(start, min(start + chunk, frames.stop))
        yield from enumerate(part, start)
