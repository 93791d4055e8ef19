"""Where the file of a session's cameras is."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from lp_data.errors import SessionError
from lp_data.sessions.manifest import MANIFEST, Manifest

FOLDER = "calibrations"
"""The folder of a project with ``<session>.toml`` for its sessions."""

WHOLE_PROJECT = "calibration.toml"
"""The file of a project for every session without one of its own."""


def find_calibrations(
    project: Path, sessions: Iterable[str], listed: Manifest | None = None
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
        file = next((each for each in choices if each is not None and each.is_file()), None)
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
