"""Which file has the cameras of which frames."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from lp_core.errors import PoseError
from lp_core.poses import PoseTable
from lp_core.poses.csv_text import opened_csv_rows, place_in
from lp_data.errors import SessionError
from lp_data.images import image_file, image_size
from lp_data.sessions.manifest import MANIFEST, SessionManifest, SessionVideo, listed_sessions
from lp_data.sessions.names import ViewNames, session_of

FOLDER = "calibrations"
"""The folder of a project with ``<session>.toml`` for its sessions."""

WHOLE_PROJECT = "calibration.toml"
"""The file of a project for every session without one of its own."""

_KEY = "data.camera_params_file"


def calibrations_of(
    project: Path,
    moments: Iterable[str],
    views: ViewNames,
    *,
    listed: SessionManifest | None = None,
    table: Path | None = None,
) -> dict[str, Path]:
    """For each labelled frame the file of its cameras: all of them, or none.

    Args:
        project: The folder of the project.
        moments: The frames, as `ViewNames.moment` names them.
        views: The views of the project.
        listed: The manifest of the project; None where it has none.
        table: Lightning Pose's ``camera_params_file``, which names a file for each frame; None
            finds the files by the sessions, see `find_calibrations`.

    Raises:
        SessionError: Some frames have a file and others have none, or the table cannot be read.
    """
    frames = list(dict.fromkeys(moments))
    if table is None:
        found = find_calibrations(project, map(session_of, frames), listed)
        return {moment: found[session_of(moment)] for moment in frames} if found else {}
    named = _read_table(table, project, views)
    absent = sorted({session_of(m) for m in frames if _frame(m) not in named})
    if absent:
        raise SessionError(
            f"there are frames without cameras, of the sessions {', '.join(map(repr, absent))}",
            where=f"{_KEY}: {table}",
            remedy="give every labelled frame a row",
        )
    return {moment: named[_frame(moment)] for moment in frames}


def calibrations_of_labels(
    project: Path, labels: PoseTable, views: ViewNames, table: str | None = None
) -> dict[str, Path]:
    """`calibrations_of` the labelled frames of a project, with its manifest.

    Args:
        project: The folder of the project.
        labels: The labels of all views.
        views: The views of the project.
        table: ``camera_params_file`` as the config has it, relative to the project; None without.

    Raises:
        SessionError: As `calibrations_of`.
    """
    listed = listed_sessions(views.names, [project])
    named = project / Path(table).expanduser() if table else None
    return calibrations_of(project, views.moments(labels), views, listed=listed, table=named)


def _frame(moment: str) -> tuple[str, str]:
    """The session and the name of the image."""
    return session_of(moment), moment.rpartition("/")[2]


def _read_table(path: Path, project: Path, views: ViewNames) -> dict[tuple[str, str], Path]:
    """The file of each frame that a ``camera_params_file`` lists."""
    found: dict[tuple[str, str], Path] = {}
    try:
        with opened_csv_rows(path, "table of cameras") as rows:
            header = next(rows, None)
            columns = [] if header is None else [cell.strip() for cell in header.cells]
            if "file" not in columns[1:]:
                raise SessionError(f"there is no column 'file' in {_KEY}", where=path)
            place = columns.index("file", 1)
            for row in rows:
                where = place_in(path, row.line)
                if len(row.cells) <= place:
                    raise SessionError("the row names no file of cameras", where=where)
                file = project / Path(row.cells[place].strip()).expanduser()
                if not file.is_file():
                    raise SessionError(f"there is no file of cameras {file}", where=where)
                frame = _frame(_moment(row.cells[0].strip(), views))
                if found.setdefault(frame, file) != file:
                    raise SessionError("one frame has two files of cameras", where=where)
    except PoseError as error:
        raise SessionError(error.problem, where=error.where, remedy=error.remedy) from error
    return found


def _moment(path: str, views: ViewNames) -> str:
    """A frame that a path names, with a view or without."""
    path = path.replace("\\", "/")
    named = [of.view for folder in path.split("/")[:-1] if (of := views.split(folder)) is not None]
    return views.moment(path, named[-1]) if named else path


def sizes_of_views(
    project: Path, table: PoseTable, views: ViewNames, files: Mapping[str, Path]
) -> dict[Path, dict[str, tuple[int, int]]]:
    """For each file of cameras (width, height) of the images of each view, of the first of them.

    Args:
        project: The folder that the table's paths are relative to.
        table: The labels.
        views: The views.
        files: The file of each frame, as `calibrations_of` gives it.

    Raises:
        ImageFileError: An image cannot be decoded.
    """
    sizes: dict[Path, dict[str, tuple[int, int]]] = {file: {} for file in files.values()}
    rows = zip(views.moments(table), table.view or (), table.image_paths, strict=True)
    for moment, view, path in rows if files else ():
        known = sizes[files[moment]]
        if view is not None and view not in known:
            height, width = image_size(image_file(project, path))
            known[view] = (width, height)
    return sizes


def find_calibrations(
    project: Path, sessions: Iterable[str], listed: SessionManifest | None = None
) -> dict[str, Path]:
    """For each session the file of its cameras: all of them, or none.

    The first counts of ``sessions.csv``, ``calibrations/<session>.toml`` and ``calibration.toml``.

    Args:
        project: The folder of the project.
        sessions: The sessions.
        listed: The manifest of the project; None where it has none.

    Raises:
        SessionError: Some sessions have a file and others have none.
    """
    named = {each.session: each.calibration for each in (listed.videos if listed else ())}
    found: dict[str, Path] = {}
    absent: list[str] = []
    for session in dict.fromkeys(sessions):
        choices = (
            named.get(session),
            project / FOLDER / f"{session}.toml",
            project / WHOLE_PROJECT,
        )
        file = next((each for each in choices if each is not None and each.exists()), None)
        if file is None:
            absent.append(session)
        else:
            found[session] = file
    if found and absent:
        raise SessionError(
            f"{len(found)} sessions are calibrated, but not {', '.join(map(repr, absent))}",
            where=project,
            remedy=f"add {FOLDER}/SESSION.toml or {WHOLE_PROJECT}, or name them in {MANIFEST}",
        )
    return found


def calibration_of_videos(
    videos: Sequence[SessionVideo],
    views: ViewNames,
    project: Path | None = None,
    table: str | None = None,
) -> Path | None:
    """The file of the cameras that filmed the videos of a session; None where none is found.

    The first counts of what ``camera_params_file`` names for frames of the session,
    ``sessions.csv``, ``calibrations/<session>.toml`` and ``calibration.toml``, the last two in the
    folder of the videos and then in the project.

    Args:
        videos: The videos of one session, with what manifests say of them.
        views: The views of the project.
        project: The folder of the project that the tracker was trained on; None without one.
        table: Its ``camera_params_file``, relative to it; None without one. A file that is gone
            counts as none.

    Raises:
        SessionError: The table cannot be read, or frames of the session have different cameras.
    """
    session = videos[0].session
    file = project / Path(table).expanduser() if table and project else None
    if file is not None and project is not None and file.is_file():
        rows = _read_table(file, project, views).items()
        named = {rig for (of, _), rig in rows if of == session}
        if len(named) > 1:
            raise SessionError(
                f"frames of the session '{session}' have different cameras",
                where=f"{_KEY}: {file}",
                remedy="say by --rig which cameras filmed the videos",
            )
        if named:
            return named.pop()
    listed = [video.calibration for video in videos if video.calibration is not None]
    folders = [*dict.fromkeys(video.video.parent for video in videos), project]
    beside = [folder for folder in folders if folder is not None]
    choices = [
        *listed,
        *(folder / FOLDER / f"{session}.toml" for folder in beside),
        *(folder / WHOLE_PROJECT for folder in beside),
    ]
    return next((file for file in choices if file.exists()), None)
