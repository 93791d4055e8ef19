"""The cameras of each session: of one file for all of them, or of a project that has many."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from lp_analysis.errors import TriangulationError
from lp_core.errors import CameraError, LPError, reason_of
from lp_core.geometry.cameras import Rig
from lp_core.poses import PoseTable
from lp_data.sessions import (
    MANIFEST,
    ViewNames,
    calibrations_of_labels,
    find_calibrations,
    listed_sessions,
    sizes_of_views,
)
from lp_data.sessions.calibrations import FOLDER, WHOLE_PROJECT
from lp_data.sessions.names import session_of
from lp_io.calibration import read_rig


class SessionRigs:
    """The cameras of sessions, and how many frames later each video begins.

    ``sessions.csv`` is read where it is in the folder of the project, or next to the tables.

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


@dataclass(frozen=True, eq=False)
class LabelRigs:
    """The cameras of labelled frames, as a model directory keeps them.

    Attributes:
        rigs: Those that differ, each with the cameras of all views.
        files: For each the name of the file that it was read from.
        numbers: The place of the rig of each session, or of each frame where the frames of a
            session have different ones.
    """

    rigs: tuple[Rig, ...]
    files: tuple[str, ...]
    numbers: Mapping[str, int]

    @classmethod
    def read(cls, files: Mapping[str, Path], views: Sequence[str]) -> LabelRigs:
        """The cameras in the file of each labelled frame.

        Args:
            files: By frame, as `ViewNames.moment` names it.
            views: The views that each must have a camera of.

        Raises:
            CalibrationFileError: A file cannot be read.
            CameraError: A file lacks a view.
        """
        places = {file: place for place, file in enumerate(dict.fromkeys(files.values()))}
        of_session: dict[str, set[int]] = {}
        for moment, file in files.items():
            of_session.setdefault(session_of(moment), set()).add(places[file])
        numbers = {
            session_of(moment) if len(of_session[session_of(moment)]) == 1 else moment: places[file]
            for moment, file in files.items()
        }
        rigs = tuple(read_rig(file).subset(views) for file in places)
        return cls(rigs, tuple(file.name for file in places), numbers)

    def number(self, moment: str) -> int | None:
        """The place of the rig of a frame; None where its cameras are not known."""
        known = self.numbers.get(moment)
        return self.numbers.get(session_of(moment)) if known is None else known

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        named = zip(self.files, self.rigs, strict=True)
        rigs = [{"file": file, **rig.to_dict()} for file, rig in named]
        return {"rigs": rigs, "sessions": dict(self.numbers)}

    @classmethod
    def from_dict(cls, values: object) -> LabelRigs | None:
        """What `to_dict` gave; None of None.

        Raises:
            TriangulationError: The values are not such.
        """
        if values is None:
            return None
        try:
            known = cast("dict[str, Any]", values)
            rigs = tuple(Rig.from_dict(each) for each in known["rigs"])
            numbers = {str(name): int(place) for name, place in known["sessions"].items()}
            files = tuple(str(each["file"]) for each in known["rigs"])
        except (KeyError, TypeError, ValueError, AttributeError, CameraError) as error:
            raise TriangulationError("what is kept of the cameras is damaged") from error
        if any(not 0 <= place < len(rigs) for place in numbers.values()):
            raise TriangulationError("what is kept of the cameras is damaged")
        return cls(rigs, files, numbers)

    @property
    def told(self) -> tuple[str, ...]:
        """A line for each set of cameras that are alike: their files, sessions and sizes."""
        groups: dict[str, list[int]] = {}
        for place, rig in enumerate(self.rigs):
            cameras = ", ".join(f"{c.name} ({c.model}, {c.size[0]}×{c.size[1]} px)" for c in rig)
            text = f"{cameras}, in {rig.unit or 'a unit that is not known'}"
            groups.setdefault(text, []).append(place)
        lines = []
        for text, places in groups.items():
            files = ", ".join(dict.fromkeys(self.files[place] for place in places))
            own = ", ".join(name for name, number in self.numbers.items() if number in places)
            lines.append(f"{text}; {files} of {own}")
        return tuple(lines)


def label_rigs(
    project: Path, labels: PoseTable, views: ViewNames | None, table: str | None = None
) -> tuple[LabelRigs | None, tuple[str, ...]]:
    """The cameras of labelled frames, and a note where they are there, but cannot be used.

    Args:
        project: The folder of the project.
        labels: The labels of all views.
        views: The views; None of one camera.
        table: ``camera_params_file``, relative to the project.
    """
    if views is None:
        return None, ()
    try:
        files = calibrations_of_labels(project, labels, views, table)
        sizes = sizes_of_views(project, labels, views, files)
        rigs = LabelRigs.read(files, views.names)
        for rig, known in zip(rigs.rigs, sizes.values(), strict=True):
            rig.check_sizes(known)
    except LPError as error:
        return None, (f"note: there will be no errors in space: {reason_of(error)}",)
    return (rigs if files else None), ()


def offsets_of_views(texts: Iterable[str]) -> dict[str, int]:
    """By view the frames that its video begins earlier, of texts ``VIEW=FRAMES``.

    Raises:
        TriangulationError: A text is not such a one.
    """
    found = {}
    for text in texts:
        view, _, frames = text.rpartition("=")
        if not view or not re.fullmatch(r"[+-]?\d+", frames, re.ASCII):
            raise TriangulationError(f"'{text}' is not an offset", remedy="write it like side=-12")
        found[view] = int(frames)
    return found


def size_of(text: str | None) -> tuple[int, int] | None:
    """(width, height) of a text like ``640x480``; None of None.

    Raises:
        TriangulationError: It is not such a text.
    """
    if text is None:
        return None
    found = re.fullmatch(r"(\d+)x(\d+)", text, re.ASCII)
    if found is None:
        raise TriangulationError(f"'{text}' is not a size", remedy="write it like 640x480")
    return int(found[1]), int(found[2])
