"""The cameras of each session: of one file for all of them, or of a project that has many."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from lp_analysis.errors import TriangulationError
from lp_core.geometry.cameras import Rig
from lp_data.sessions import MANIFEST, find_calibrations, listed_sessions
from lp_data.sessions.calibrations import FOLDER, WHOLE_PROJECT
from lp_io.calibration import read_rig


class SessionRigs:
    """The cameras of sessions, and how many frames later each video begins.

    ``sessions.csv`` is read where it is in the folder of the project, or beside the tables.

    Args:
        path: A calibration for all sessions, as `read_rig` takes it; or a project, which is a
            folder with ``calibrations/``, ``calibration.toml`` or ``sessions.csv``.
        size: (width, height) of the images, where the calibration does not say it.
        beside: Tables of what the cameras saw.

    Attributes:
        views: Names of all cameras, in the order of the first calibration.

    Raises:
        CalibrationFileError: A calibration cannot be read.
        SessionError: A manifest cannot be read.
        TriangulationError: There is no calibration in the project.
    """

    def __init__(
        self, path: Path, size: tuple[int, int] | None = None, beside: Sequence[Path] = ()
    ) -> None:
        self.path, self._size = path, size
        home = path if path.is_dir() else path.parent
        home = home.parent if home.name == FOLDER else home
        self._listed = listed_sessions(None, [home, *(table.parent for table in beside)])
        kept = (FOLDER, WHOLE_PROJECT, MANIFEST)
        self._is_project = path.is_dir() and any((path / name).exists() for name in kept)
        self._read: dict[Path, Rig] = {}
        names = dict.fromkeys(name for file in self._files() for name in self._rig(file).names)
        self.views = tuple(names)

    def of(self, session: str) -> Rig:
        """The cameras of a session.

        Raises:
            TriangulationError: The project has no calibration of it.
        """
        if not self._is_project:
            return self._rig(self.path)
        found = find_calibrations(self.path, [session], self._listed)
        if not found:
            raise TriangulationError(
                f"there is no calibration of the session '{session}'",
                where=self.path,
                remedy=f"add {FOLDER}/{session}.toml or {WHOLE_PROJECT}, or name one in {MANIFEST}",
            )
        return self._rig(found[session])

    @property
    def offsets(self) -> dict[tuple[str, str], int]:
        """The frame offsets that are not 0, by session and view."""
        return self._listed.offsets

    def _files(self) -> list[Path]:
        if not self._is_project:
            return [self.path]
        files = [*sorted((self.path / FOLDER).glob("*.toml")), self.path / WHOLE_PROJECT]
        named = [v.calibration for v in self._listed.videos if v.calibration is not None]
        found = [file for file in (*files, *named) if file.exists()]
        if not found:
            raise TriangulationError("there is no calibration in this project", where=self.path)
        return list(dict.fromkeys(found))

    def _rig(self, file: Path) -> Rig:
        if file not in self._read:
            self._read[file] = read_rig(file, self._size)
        return self._read[file]
