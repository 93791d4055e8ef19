"""What follows the predictions of sessions of several cameras: points in space, and drawings."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import NamedTuple

from lp_analysis.confidence.shown import ShownConfidence
from lp_analysis.prediction.session_drawing import (
    DrawableSession,
    draw_session,
    session_video_path,
    several_views,
)
from lp_analysis.prediction.space import (
    CalibratedSession,
    SpaceOptions,
    Tell,
    calibrated_sessions,
    write_session_points,
)
from lp_analysis.rendering.draw import parse_edge
from lp_analysis.rendering.prediction_video import frames_to_draw
from lp_analysis.rendering.style import DrawingStyle
from lp_core.geometry.cameras import Rig
from lp_core.paths import is_newer
from lp_data.sessions import SessionVideo
from lp_io.points3d import read_points3d_chunks

Task = Callable[[str, int], AbstractContextManager[Callable[..., None]]]
"""Shows a piece of work of a size; see `lp_pipeline.display.Display.task`."""

Work = tuple[Path, Callable[[], None]]
"""A video, and what does a piece of work that it is part of."""


@dataclass(frozen=True)
class SessionWorks:
    """What is done with the sessions of predicted videos, once all of their tables are there.

    Attributes:
        options: How points in space are made.
        table: Gives the table of a video.
        style: How to draw.
        tell: Called with a line for what was done.
        task: Shows the work.
        draw: Whether sessions are drawn, their views side by side.
        keep: Whether drawings that are newer than their tables are kept.
    """

    options: SpaceOptions
    table: Callable[[SessionVideo], Path]
    style: DrawingStyle
    tell: Tell
    task: Task
    draw: bool = False
    keep: bool = False

    def of(self, groups: Sequence[Sequence[SessionVideo]]) -> list[Work]:
        """What is to be done, in this order, with videos in any grouping.

        Raises:
            LPError: A calibration cannot be read, or lacks a view.
        """
        spaces = calibrated_sessions(groups, self.options, self.tell)
        works: list[Work] = [(s.videos[0].video, partial(self._write, s)) for s in spaces]
        rigs = {space.name: space.rig for space in spaces}
        for name, videos in several_views(groups).items() if self.draw else ():
            works.append((videos[0].video, partial(self._draw, videos, rigs.get(name))))
        return works

    def _tables(self, videos: Sequence[SessionVideo]) -> dict[str, Path]:
        return {video.view: self.table(video) for video in videos}

    def _write(self, session: CalibratedSession) -> None:
        write_session_points(session, self._tables(session.videos), self.tell)

    def _draw(self, videos: Sequence[SessionVideo], rig: Rig | None) -> None:
        tables = self._tables(videos)
        there = [table for table in tables.values() if table.is_file()]
        path = session_video_path(videos[0].session, tables[videos[0].view])
        if self.keep and all(is_newer(path, table) for table in there):
            return
        views = self.options.views.names if self.options.views else tuple(tables)
        show = _Shown(self.style, self.options.reader, self.tell, self.task)
        show.draw(DrawableSession(videos, views, tables, rig), path)


def render_session(
    points: Path,
    folder: Path,
    path: Path,
    *,
    style: DrawingStyle,
    reader: str,
    edges: Sequence[str],
    threshold: float | None,
    frames: tuple[int, int | None],
    tell: Tell,
    task: Task,
) -> None:
    """Draw a session again, whose points in space are there, as `SessionWorks` does.

    Args:
        points: ``<session>_points3d.csv``, with the tables beside it.
        folder: Where the videos are.
        path: The MP4 to write.
        style: How to draw, with the threshold of a config; see `ShownConfidence.reachable`.
        reader: A registered video reader, or ``auto``.
        edges: Keypoints to join, each as ``FIRST-SECOND``; none takes the skeleton of the style.
        threshold: The least confidence of a keypoint to draw, in place of the style's.
        frames: The first and the last frame of the session to draw; (0, None) draws all.
        tell: Called with a line for what was done.
        task: Shows the work.

    Raises:
        LPError: A video or a table cannot be read, or they do not belong together.
    """
    session = DrawableSession.of_points(points, folder)
    if edges:
        names = next(read_points3d_chunks(points, 1)).table.keypoint_names
        style = replace(style, skeleton=tuple(parse_edge(edge, names) for edge in edges))

    def chosen(whole: range) -> range:
        return whole if frames == (0, None) else frames_to_draw(folder, *frames, whole.stop)

    _Shown(style, reader, tell, task, threshold).draw(session, path, chosen)


class _Shown(NamedTuple):
    """How sessions are drawn, and where it is reported."""

    style: DrawingStyle
    reader: str
    tell: Tell
    task: Task
    threshold: float | None = None

    def draw(
        self,
        session: DrawableSession,
        path: Path,
        frames: Callable[[range], range] = lambda whole: whole,
    ) -> None:
        """Write the video of a session, and tell what it shows."""
        shown = ShownConfidence.of_table(session.tables[session.videos[0].view])
        style = shown.reachable_style(self.style)
        if self.threshold is not None:
            style = replace(style, confidence_threshold=self.threshold)
        with self.task(path.name, 100) as update:
            drawn = draw_session(
                session.videos,
                session.views,
                session.tables,
                path,
                rig=session.rig,
                style=style,
                reader=self.reader,
                frames=frames,
                on_progress=lambda done, total: update(100 * done // total),
            )
        self.tell(f"labelled video: {path} ({drawn.frames} frames)")
        self.tell(shown.told(drawn.share, style.confidence_threshold, "drawn"))
