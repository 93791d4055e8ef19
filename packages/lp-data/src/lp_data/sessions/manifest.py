"""Which video is which view of which session: the manifest, read from a file or from names.

``sessions.csv`` has a row for each video: its ``session``, ``view`` and ``video``, and where they
are needed its ``calibration`` (a file of the whole session), ``boxes`` and ``frame_offset``: frame
n of the session is frame n + offset of the video. Paths are relative to the folder of the manifest,
or absolute. A view that did not film a session has no row, or one without a video.

Videos that it does not list are read from their names, ``<session>_<view>``.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from lp_core.errors import PoseError, suggestion
from lp_core.paths import find_file
from lp_core.poses.csv_text import opened_csv_rows, place_in
from lp_data.errors import SessionError
from lp_data.sessions.names import ViewNames
from lp_data.video.listing import find_videos, list_inputs

MANIFEST = "sessions.csv"
"""The name of the manifest in the folder of a project."""

_NEEDED = ("session", "view", "video")
_COLUMNS = (*_NEEDED, "calibration", "boxes", "frame_offset")


class SessionVideo(NamedTuple):
    """One view of one session.

    Attributes:
        session: The session; of a video without views its name.
        view: The view; empty where there is one camera.
        video: The file.
        calibration: The file of the session's cameras; None where the manifest names none.
        boxes: The file of its boxes; None likewise.
        offset: Frame n of the session is frame n + offset of the video.
    """

    session: str
    view: str
    video: Path
    calibration: Path | None = None
    boxes: Path | None = None
    offset: int = 0

    @property
    def table(self) -> str:
        """The name of its table of predictions, without the ending."""
        return "_".join(filter(None, (self.session, self.view)))


class LeftOut(NamedTuple):
    """A file that belongs to no session, and why."""

    file: Path
    reason: str


@dataclass(frozen=True)
class SessionManifest:
    """The sessions of a project or a folder.

    Attributes:
        views: V names, in their order.
        videos: By session, and by view in the order of ``views``.
        left_out: Files that are videos of no view.
    """

    views: tuple[str, ...]
    videos: tuple[SessionVideo, ...]
    left_out: tuple[LeftOut, ...] = ()

    @property
    def sessions(self) -> dict[str, tuple[SessionVideo, ...]]:
        """The videos of each session, in the order of the views."""
        names = dict.fromkeys(video.session for video in self.videos)
        return {name: tuple(v for v in self.videos if v.session == name) for name in names}

    @property
    def absent(self) -> tuple[tuple[str, str], ...]:
        """The sessions and views without a video."""
        return tuple(
            (session, view)
            for session, videos in self.sessions.items()
            for view in self.views
            if view not in {video.view for video in videos}
        )

    @property
    def offsets(self) -> dict[tuple[str, str], int]:
        """The frame offsets that are not 0, by session and view."""
        return {(v.session, v.view): v.offset for v in self.videos if v.offset}

    @property
    def view_names(self) -> ViewNames:
        """The views, with the frame offsets."""
        return ViewNames(self.views, self.offsets)

    def text(self) -> str:
        """The sessions as a table, with absent views, and every file left out with the reason."""
        rows = [("session", *self.views)]
        for session, videos in self.sessions.items():
            cells = {video.view: _cell(video) for video in videos}
            rows.append((session or "-", *(cells.get(view, "absent") for view in self.views)))
        widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
        lines = [
            "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
            for row in rows
        ]
        lines += [f"left out: {each.file.name}: {each.reason}" for each in self.left_out]
        return "\n".join(lines)

    def notes(self) -> tuple[str, ...]:
        """Sentences about absent views and files left out."""
        absent = [f"session '{s}' has no video of the view '{v}'" for s, v in self.absent]
        return (*absent, *(f"{e.file} is left out: {e.reason}" for e in self.left_out))


def _cell(video: SessionVideo) -> str:
    shift = f" (frame offset {video.offset:+d})" if video.offset else ""
    return f"{video.video.name}{shift}"


def read_manifest(path: Path, views: Sequence[str] | None = None) -> SessionManifest:
    """Read ``sessions.csv``.

    Args:
        path: The file.
        views: The views of the project, in their order; None takes those of the file.

    Raises:
        SessionError: It cannot be read without guessing: an unknown column or view, a session that
            has a view twice, a file that is not there, an offset that is not a whole number.
    """
    try:
        with opened_csv_rows(path, "manifest of sessions") as rows:
            header = next(rows, None)
            columns = _columns(path, [] if header is None else header.cells)
            found = [_Row(path, row.line, columns, row.cells) for row in rows]
    except PoseError as error:
        raise SessionError(error.problem, where=error.where, remedy=error.remedy) from error
    named = ViewNames(tuple(views or dict.fromkeys(row.cell("view") for row in found)))
    videos = [video for row in found if (video := row.video(named)) is not None]
    places: dict[tuple[str, str], _Row] = {}
    for row in found:
        key = (row.cell("session"), row.cell("view"))
        if key in places:
            problem = f"the session '{key[0]}' has the view '{key[1]}' twice"
            raise SessionError(problem, where=f"{places[key].place}; {row.place}")
        places[key] = row
    return SessionManifest(named.names, _ordered(videos, named))


def videos_in(folder: Path, listed: SessionManifest | None = None) -> list[Path]:
    """The videos in a folder, and those within it that a manifest lists, wherever they are.

    Raises:
        VideoError: There is none.
    """
    known = [each.video for each in (listed.videos if listed else ())]
    within = [path for path in known if path.resolve().is_relative_to(folder.resolve())]
    found = [] if within and not find_videos(folder).files else list_inputs(folder)
    here = {path.resolve() for path in found}
    return [*found, *(path for path in within if path.resolve() not in here)]


def listed_sessions(views: Sequence[str] | None, folders: Iterable[Path]) -> SessionManifest:
    """What the manifests in some folders list, of those that have one.

    Args:
        views: The views of the project; None takes those that the manifests name.
        folders: The folders.

    Raises:
        SessionError: One cannot be read.
    """
    files = dict.fromkeys(folder.absolute() / MANIFEST for folder in folders)
    found = [read_manifest(file, views) for file in files if file.is_file()]
    names = views or dict.fromkeys(view for each in found for view in each.views)
    return SessionManifest(tuple(names), tuple(video for each in found for video in each.videos))


def find_sessions(
    views: Sequence[str], inputs: Sequence[Path], folders: Iterable[Path] = ()
) -> SessionManifest:
    """The sessions that videos are of, as manifests beside them list them, or by their names.

    Args:
        views: The views.
        inputs: Videos, or folders of them.
        folders: Where manifests may be besides the folders of the inputs.

    Raises:
        SessionError: A manifest cannot be read, or two videos are the same view of a session.
        VideoError: There is no video in a folder.
    """
    beside = (path if path.is_dir() else path.parent for path in inputs)
    listed = listed_sessions(views, [*folders, *beside])
    videos: list[Path] = []
    for path in inputs:
        videos += videos_in(path, listed) if path.is_dir() else [path]
    return group_videos(videos, ViewNames(tuple(views)), listed)


Group = tuple[SessionVideo, ...]
"""Videos that a tracker predicts together: one, or those of a session."""


def others_of(videos: Group, one: SessionVideo) -> list[Path]:
    """The videos that are predicted together with one."""
    return [other.video for other in videos if other.view != one.view]


def prediction_groups(
    inputs: Sequence[Path],
    views: Sequence[str] | None,
    *,
    jointly: bool = False,
    folders: Iterable[Path] = (),
) -> tuple[list[Group], str]:
    """Videos and those of folders as a tracker predicts them, and the table of their sessions.

    Args:
        inputs: Videos, or folders of them.
        views: The cameras; None of one.
        jointly: Whether the tracker looks at the videos of a session together. Then those of no
            view are left out; else they are predicted under their own names.
        folders: Where manifests may be besides the folders of the inputs.

    Raises:
        SessionError: As `find_sessions`.
        VideoError: There is no video in a folder.
    """
    if views is None:
        videos = [video for path in inputs for video in list_inputs(path)]
        return [(SessionVideo(video.stem, "", video),) for video in videos], ""
    found = find_sessions(views, inputs, folders)
    if jointly:
        return list(found.sessions.values()), found.text()
    others = [SessionVideo(left.file.stem, "", left.file) for left in found.left_out]
    return [(video,) for video in (*found.videos, *others)], found.text()


def group_videos(
    videos: Sequence[Path], views: ViewNames, listed: SessionManifest | None = None
) -> SessionManifest:
    """The sessions that videos are of: as a manifest lists them, else by the end of their names.

    Args:
        videos: The files.
        views: The views of the project.
        listed: The manifest of the project; None where it has none.

    Raises:
        SessionError: Two videos are the same view of the same session.
    """
    known = {each.video.resolve(): each for each in (listed.videos if listed else ())}
    found: dict[tuple[str, str], SessionVideo] = {}
    left_out: list[LeftOut] = []
    endings = ", ".join(f"_{view}" for view in views.names)
    for video in videos:
        named = views.split(video.stem if video.is_file() else video.name)
        if (entry := known.get(video.resolve())) is None:
            if named is None:
                left_out.append(LeftOut(video, f"its name does not end in {endings}"))
                continue
            entry = SessionVideo(named.session, named.view, video)
        key = (entry.session, entry.view)
        if key in found and found[key].video.resolve() != entry.video.resolve():
            raise SessionError(
                f"two videos are the view '{key[1]}' of the session '{key[0]}'",
                where=f"{found[key].video}, {video}",
                remedy=f"remove one, or say in {MANIFEST} which it is",
            )
        found[key] = entry
    return SessionManifest(views.names, _ordered(list(found.values()), views), tuple(left_out))


def _ordered(videos: Sequence[SessionVideo], views: ViewNames) -> tuple[SessionVideo, ...]:
    sessions = list(dict.fromkeys(video.session for video in videos))
    order = {view: number for number, view in enumerate(views.names)}
    return tuple(
        sorted(videos, key=lambda video: (sessions.index(video.session), order[video.view]))
    )


def _columns(path: Path, header: Sequence[str]) -> dict[str, int]:
    names = [cell.strip() for cell in header]
    place = place_in(path, 1)
    for number, name in enumerate(names):
        if name not in _COLUMNS or name in names[:number]:
            again = "comes twice" if name in _COLUMNS else "is unknown"
            hint = suggestion(name, _COLUMNS)
            raise SessionError(f"the column '{name}' {again}", where=place, remedy=hint)
    absent = [name for name in _NEEDED if name not in names]
    if absent:
        remedy = f"the columns are {', '.join(_COLUMNS)}, the first three are needed"
        raise SessionError(f"there is no column '{absent[0]}'", where=place, remedy=remedy)
    return {name: number for number, name in enumerate(names)}


class _Row(NamedTuple):
    """A row of the manifest, and where it is."""

    path: Path
    line: int
    columns: dict[str, int]
    cells: list[str]

    @property
    def place(self) -> str:
        return place_in(self.path, self.line)

    def cell(self, name: str) -> str:
        """The text of a cell; empty where the file has no such column."""
        if len(self.cells) != len(self.columns):
            problem = f"the row has {len(self.cells)} cells, the header {len(self.columns)}"
            raise SessionError(problem, where=self.place)
        number = self.columns.get(name)
        return "" if number is None else self.cells[number].strip()

    def file(self, name: str) -> Path | None:
        """The file that a cell names; None where it is empty."""
        text = self.cell(name)
        if not text:
            return None
        path = self.path.parent / Path(text).expanduser()
        found = find_file(path.parent, path.name) or (path if path.is_dir() else None)
        if found is None:
            raise SessionError(f"there is no {name} '{text}'", where=self.place)
        return found

    def video(self, views: ViewNames) -> SessionVideo | None:
        """What the row says; None where the view did not film the session."""
        session, view, offset = self.cell("session"), self.cell("view"), self.cell("frame_offset")
        if not session:
            raise SessionError("the row does not name its session", where=self.place)
        if view not in views.names:
            hint = suggestion(view, views.names)
            raise SessionError(f"there is no view '{view}'", where=self.place, remedy=hint)
        video = self.file("video")
        if offset and not offset.lstrip("+-").isdecimal():
            raise SessionError(f"'{offset}' is not a number of frames", where=self.place)
        calibration, boxes = self.file("calibration"), self.file("boxes")
        if video is None:
            return None
        return SessionVideo(session, view, video, calibration, boxes, int(offset or 0))
