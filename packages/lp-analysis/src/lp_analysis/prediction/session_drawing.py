"""Draw what was predicted of a session: its views side by side, and its poses in space."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import NamedTuple

import numpy as np

from lp_analysis.confidence.shown import ShownConfidence
from lp_analysis.errors import RenderingError
from lp_analysis.prediction.space import read_said, sessions_of
from lp_analysis.rendering.prediction_video import DrawnVideo
from lp_analysis.rendering.scene import SceneDrawer, Stage
from lp_analysis.rendering.session_video import SessionDrawing, write_session_video
from lp_analysis.rendering.style import DEFAULT_STYLE, DrawingStyle
from lp_core.geometry.cameras import Rig
from lp_core.poses import PoseTable
from lp_data.sessions import SessionVideo, ViewNames, ViewSet, find_sessions
from lp_data.video.open import open_video
from lp_io.model_directory import labeled_video_path, points3d_path, reprojected_path
from lp_io.points3d import read_points3d_chunks
from lp_io.predictions import predictions_of_video
from lp_io.predictions.source import source_path

_TOLD = 200_000
"""Points that tell what part of space is shown, about."""


def several_views(groups: Iterable[Iterable[SessionVideo]]) -> dict[str, list[SessionVideo]]:
    """The sessions of which two or more views are there, which one video shows together."""
    return {name: each for name, each in sessions_of(groups).items() if len(each) > 1}


def session_video_path(session: str, table: Path) -> Path:
    """Where the labelled video of a session lies; ``table`` is one of its tables."""
    return labeled_video_path(table.with_name(f"{session or 'session'}.csv"))


class DrawableSession(NamedTuple):
    """A session that is predicted.

    Attributes:
        videos: Its videos.
        views: The views to show.
        tables: By view, the predictions of its video.
        rig: The cameras; None where they are not known.
    """

    videos: Sequence[SessionVideo]
    views: Sequence[str]
    tables: Mapping[str, Path]
    rig: Rig | None

    @classmethod
    def of_points(cls, points: Path, folder: Path) -> DrawableSession:
        """The session of a file of points in space that ``litpose predict`` wrote.

        Args:
            points: The file, ``<session>_points3d.csv``.
            folder: A folder with the videos.

        Raises:
            RenderingError: Nothing beside the file says what it was made from, or a video is not
                in the folder.
            VideoError: There is no video in the folder.
        """
        said = read_said(source_path(points))
        if said is None:
            raise RenderingError(
                "nothing says which cameras these points were made from",
                where=source_path(points),
                remedy="draw those that litpose predict wrote",
            )
        rig, shifts = Rig.from_dict(said["cameras"]), said["frame_offsets"]
        session = points.stem.removesuffix("points3d").removesuffix("_")
        views = ViewNames(tuple(said["tables"]))
        known = {v.view: v for v in find_sessions(views.names, [folder]).sessions.get(session, ())}
        missing = [view for view in views.names if view not in known]
        if missing:
            raise RenderingError(
                f"there is no video of the views {', '.join(missing)} of session '{session}'",
                where=folder,
            )
        videos = [known[view]._replace(offset=int(shifts[view])) for view in views.names]
        tables = {v.view: points.with_name(f"{v.table}.csv") for v in videos}
        return cls(videos, views.names, tables, rig)


def draw_session(
    videos: Sequence[SessionVideo],
    views: Sequence[str],
    tables: Mapping[str, Path],
    path: Path,
    *,
    rig: Rig | None = None,
    style: DrawingStyle = DEFAULT_STYLE,
    reader: str = "auto",
    frames: Callable[[range], range] = lambda whole: whole,
    on_progress: Callable[[int, int], None] | None = None,
) -> DrawnVideo:
    """Write one video of all views of a session.

    Reprojected points are drawn where their tables lie beside those of the views, and poses in
    space where ``<session>_points3d.csv`` does.

    Args:
        videos: Those of the session.
        views: All views of the project.
        tables: By view, the predictions of its video; views without a table are drawn bare.
        path: The MP4 to write.
        rig: The cameras, which tell which way is up in space; None draws no poses in space.
        style: How to draw.
        reader: A registered video reader, or ``auto``.
        frames: Of the frames of the session, those to draw, which are consecutive.
        on_progress: Called with the numbers of frames that are written and wanted, now and then.

    Raises:
        LPError: A video or a table cannot be read, or they do not belong together.
    """
    with ExitStack() as stack:
        sources = {v.view: stack.enter_context(open_video(v.video, reader=reader)) for v in videos}
        session = ViewSet(videos, sources)
        known = {
            view: predictions_of_video(table, len(sources[view]), ShownConfidence.of_table(table))
            for view, table in tables.items()
            if view in sources and table.is_file()
        }
        marked = {view: reprojected_path(tables[view]) for view in known}
        marks = {
            view: predictions_of_video(file, len(sources[view]))
            for view, file in marked.items()
            if file.is_file()
        }
        drawing = SessionDrawing(views, session, known, marks)
        file = points3d_path(next(iter(tables.values())).parent, videos[0].session)
        if rig is not None and file.is_file():
            drawing = _with_scene(drawing, file, rig)
        chosen = frames(session.frames)
        return write_session_video(
            drawing, path, style=style, frames=chosen, on_progress=on_progress
        )


def _with_scene(drawing: SessionDrawing, file: Path, rig: Rig) -> SessionDrawing:
    """The drawing with the poses in a file of points in space, if it has any."""
    first = next(iter(drawing.session.sources.values()))
    names, individuals, stage = _stage(file, rig)
    if stage is None:
        return drawing

    def scene(size: tuple[int, int], style: DrawingStyle) -> SceneDrawer:
        return SceneDrawer(names, stage, size, style, individuals or None, fps=float(first.fps))

    return SessionDrawing(
        drawing.views,
        drawing.session,
        drawing.tables,
        drawing.marks,
        scene,
        rig.unit,
        _poses(file),
    )


def _stage(file: Path, rig: Rig) -> tuple[tuple[str, ...], tuple[str | None, ...], Stage | None]:
    """The keypoints and individuals of a file, and what part of space most points are in."""
    parts: list[np.ndarray] = []
    names: tuple[str, ...] = ()
    individuals: dict[str | None, None] = {}
    for chunk in read_points3d_chunks(file):
        names = chunk.table.keypoint_names
        individuals |= dict.fromkeys(chunk.table.individual or ())
        parts.append(chunk.table.points.reshape(-1, 3))
        if sum(map(len, parts)) > 2 * _TOLD:
            parts = [np.concatenate(parts)[::2]]
    return names, tuple(individuals), Stage.around(np.concatenate(parts), rig)


def _poses(file: Path) -> Iterator[tuple[int, PoseTable]]:
    """The frames of a file of points in space that have poses, in order, and their poses."""
    for chunk in read_points3d_chunks(file):
        for frame, rows in chunk.table.by_frame():
            yield int(frame), chunk.table.rows(rows)
