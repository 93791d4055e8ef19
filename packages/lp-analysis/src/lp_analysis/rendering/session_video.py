"""One video of all views of a session side by side, and of its poses in space."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import cv2
import numpy as np

from lp_analysis.rendering.draw import Animal, PoseDrawer
from lp_analysis.rendering.labeled_video import labeled_frames, numbered_frames
from lp_analysis.rendering.prediction_video import DrawnVideo, KeypointCounts, animals_of_frames
from lp_analysis.rendering.scene import SceneDrawer
from lp_analysis.rendering.style import DEFAULT_STYLE, DrawingStyle
from lp_analysis.rendering.text import (
    PAPER,
    Picture,
    line_height,
    stamp_text,
    text_width,
    write_on_ground,
)
from lp_core.poses import PoseTable
from lp_data.sessions import ViewSet
from lp_data.video.writer import VideoWriter
from lp_io.predictions import AnimalPredictions, VideoPredictions

_LARGEST = (1080, 1920)
"""(height, width) in px that the panels together have at most."""

Tables = Mapping[str, VideoPredictions | AnimalPredictions]


@dataclass(frozen=True, eq=False)
class SessionDrawing:
    """What is drawn of a session.

    Attributes:
        views: Names of all views of the project; those without a video are black.
        session: The videos, opened in their own size.
        tables: By view, the predictions of its video.
        marks: By view, what points in space say that it shows.
        scene: Draws the poses in space; None without.
        unit: What their coordinates are measured in.
        poses: The poses of each frame of the session from 0 on, in order.
    """

    views: Sequence[str]
    session: ViewSet
    tables: Tables
    marks: Tables
    scene: Callable[[tuple[int, int], DrawingStyle], SceneDrawer] | None = None
    unit: str = ""
    poses: Iterator[tuple[int, PoseTable]] = field(default_factory=lambda: iter(()))


def write_session_video(
    drawing: SessionDrawing,
    path: Path,
    *,
    style: DrawingStyle = DEFAULT_STYLE,
    frames: range | None = None,
    on_progress: Callable[[int, int], None] | None = None,
) -> DrawnVideo:
    """Write a video of all views of a session in step, and of its poses in space.

    Predictions are discs, and what the points in space say is a cross of the same colour. A view
    that is absent in a frame is black. Memory does not grow with the length.

    Args:
        drawing: What to draw.
        path: The MP4 to write.
        style: How to draw; the least confidence counts for crosses too.
        frames: Consecutive frames of the session to draw; None draws all that any view has.
        on_progress: Called with the numbers of frames that are written and wanted, now and then.

    Raises:
        LPError: A video or a table cannot be read.
    """
    session = drawing.session
    frames = session.frames if frames is None else frames
    source = next(iter(session.sources.values()))
    panels = _Panels(drawing, style, frames)
    with VideoWriter(path, fps=source.fps, size=panels.size) as writer:
        for written, picture in enumerate(panels.pictures(), 1):
            writer.write(picture)
            if on_progress is not None and (written % 10 == 0 or written == len(frames)):
                on_progress(written, len(frames))
    return DrawnVideo(len(frames), panels.counts.keypoints, panels.counts.drawn)


class _Panels:
    """The panels of each frame, put together to one picture."""

    def __init__(self, drawing: SessionDrawing, style: DrawingStyle, frames: range) -> None:
        self._drawing, self._frames, self._style = drawing, frames, style
        self.counts = KeypointCounts(style.confidence_threshold)
        sizes = [source.size for source in drawing.session.sources.values()]
        panels = len(drawing.views) + (drawing.scene is not None)
        self._cell, self._columns = _grid(panels, sizes, style)
        self._rows = -(-panels // self._columns)
        self._text = max(12, round(0.04 * min(self._cell)))
        plain = replace(style, legend=False, stamp=False)
        self._views = {view: self._of_view(view, plain) for view in drawing.session.sources}
        free = self._rows * self._columns - len(drawing.views)  # panels for the scene, in a row
        wide = (self._cell[0], min(free, self._columns) * self._cell[1])
        self._scene = None if drawing.scene is None else drawing.scene(wide, plain)
        height = self._rows * self._cell[0]
        legend = np.zeros((height, 0, 3), np.uint8)
        drawers = [drawer for drawer, _ in self._views.values() if drawer is not None]
        if style.legend and drawers:
            legend = drawers[0].legend(height, "by all views" if drawing.marks else "")
        panels_of = np.full((height, self._columns * self._cell[1], 3), PAPER, np.uint8)
        self._ground = np.hstack([panels_of, legend])

    @property
    def size(self) -> tuple[int, int]:
        """(height, width) of the picture in px."""
        height, width = self._ground.shape[:2]
        return height, width

    def _of_view(
        self, view: str, style: DrawingStyle
    ) -> tuple[PoseDrawer | None, Iterator[Picture]]:
        """What draws a view, and its pictures of the frames that it has, one after the other."""
        session, table = self._drawing.session, self._drawing.tables.get(view)
        offset, source = session.videos[view].offset, session.sources[view]
        shown = session.of_video(view)
        start = min(max(self._frames.start, shown.start), shown.stop) + offset
        own = range(start, max(min(self._frames.stop, shown.stop) + offset, start))
        read = numbered_frames(source, own)
        if table is None:
            return None, (frame for _, frame in read)
        individuals = table.individuals if isinstance(table, AnimalPredictions) else None
        if isinstance(table, AnimalPredictions) and not style.skeleton:
            style = replace(style, skeleton=table.skeleton.edges)
        drawer = PoseDrawer(table.keypoint_names, source.size, style, individuals)
        animals = self.counts.counted(animals_of_frames(table, own))
        marks = self._drawing.marks.get(view)
        if marks is not None:
            animals = _marked(animals, animals_of_frames(marks, own), table, marks, style)
        return drawer, labeled_frames(read, animals, drawer, fps=source.fps)

    def pictures(self) -> Iterator[Picture]:
        """The picture of each frame."""
        poses, session = self._drawing.poses, self._drawing.session
        waiting = next(poses, None)
        fps = next(iter(session.sources.values())).fps
        for number in self._frames:
            cells = [self._panel(view, number) for view in self._drawing.views]
            while waiting is not None and waiting[0] < number:
                waiting = next(poses, None)
            if self._scene is not None:
                there = waiting[1] if waiting is not None and waiting[0] == number else None
                title = f"in space, grid {self._scene.stage.grid:g} {self._drawing.unit}".rstrip()
                cells.append(self._titled(self._scene.draw(number, there), title))
            picture = self._together(cells)
            if self._style.stamp:
                stamp = f"frame {number}  {float(number / fps):.3f} s"
                stamp_text(picture, stamp, size=self._text)
            yield picture

    def _panel(self, view: str, number: int) -> Picture:
        """A view of a frame, black where it is absent, with its name."""
        session = self._drawing.session
        if view not in session.sources or number not in session.of_video(view):
            black = np.zeros((*self._cell, 3), np.uint8)
            return self._titled(black, f"{view}: absent")
        drawn = next(self._views[view][1])
        return self._titled(_fitted(drawn, self._cell), view)

    def _titled(self, picture: Picture, title: str) -> Picture:
        width = min(text_width(title, self._text) + self._text, picture.shape[1])
        write_on_ground(picture[: line_height(self._text), :width], title, size=self._text)
        return picture

    def _together(self, cells: Sequence[Picture]) -> Picture:
        height, width = self._cell
        whole = self._ground.copy()
        for place, cell in enumerate(cells):
            row, column = divmod(place, self._columns)
            top, left = row * height, column * width
            whole[top : top + height, left : left + cell.shape[1]] = cell
        return whole


def _marked(
    animals: Iterator[list[Animal]],
    marks: Iterator[list[Animal]],
    table: VideoPredictions | AnimalPredictions,
    marked: VideoPredictions | AnimalPredictions,
    style: DrawingStyle,
) -> Iterator[list[Animal]]:
    """The animals of each frame with what the points in space say of each."""
    order = [marked.keypoint_names.index(name) for name in table.keypoint_names]
    for found, shown in zip(animals, marks, strict=True):
        known = {}
        for mark in shown:
            assert mark.confidences is not None
            unsure = mark.confidences < style.confidence_threshold
            known[mark.individual] = np.where(unsure[:, None], np.nan, mark.keypoints)[order]
        yield [animal._replace(marks=known.get(animal.individual)) for animal in found]


def _grid(
    panels: int, sizes: Sequence[tuple[int, int]], style: DrawingStyle
) -> tuple[tuple[int, int], int]:
    """(height, width) in px of a panel, and how many stand in a row, so that they are large."""
    shape = max(height * width for height, width in sizes)
    height, width = next(size for size in sizes if size[0] * size[1] == shape)
    scale = style.scale((height, width))

    def fit(columns: int) -> float:
        rows = math.ceil(panels / columns)
        return min(_LARGEST[0] / (rows * height), _LARGEST[1] / (columns * width))

    counts = range(1, panels + 1)  # of equally large panels, the one with the fewest empty places
    columns = max(counts, key=lambda count: (round(fit(count), 6), -(-panels % count)))
    factor = min(fit(columns), scale)
    return (max(2, round(height * factor)), max(2, round(width * factor))), columns


def _fitted(picture: Picture, size: tuple[int, int]) -> Picture:
    """A picture as large as fits into (height, width) px, in the middle of a black one."""
    factor = min(size[0] / picture.shape[0], size[1] / picture.shape[1])
    height, width = (max(1, round(factor * side)) for side in picture.shape[:2])
    how = cv2.INTER_AREA if factor < 1 else cv2.INTER_CUBIC
    small = picture if factor == 1 else cv2.resize(picture, (width, height), interpolation=how)
    whole = np.zeros((*size, 3), np.uint8)
    top, left = (size[0] - height) // 2, (size[1] - width) // 2
    whole[top : top + height, left : left + width] = small[: size[0], : size[1]]
    return whole
