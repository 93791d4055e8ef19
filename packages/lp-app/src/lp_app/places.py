"""Which files the app may read and write: those of the project, and of the folders it was given."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from lp_app.errors import OutsideError


@dataclass(frozen=True)
class Places:
    """The folders that the app may look into, links resolved.

    Attributes:
        folders: The folders.
    """

    folders: tuple[Path, ...]

    @classmethod
    def of(cls, folders: Sequence[Path]) -> Places:
        """The places of folders, each once."""
        return cls(tuple(dict.fromkeys(folder.resolve() for folder in folders)))

    def holds(self, path: Path) -> bool:
        """Whether a file, wherever links lead, lies in one of the folders."""
        place = path.resolve()
        return any(place.is_relative_to(folder) for folder in self.folders)

    def checked(self, path: Path) -> Path:
        """The path, if it lies in one of the folders.

        Raises:
            OutsideError: It does not, perhaps because a link leads out of them.
        """
        if not self.holds(path):
            place = path.resolve()
            raise OutsideError(
                "this lies outside the project and the folders that the app was given",
                where=path,
                remedy=f"start it again with --videos {place.parent}",
            )
        return path
