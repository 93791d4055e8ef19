"""One app for one project: the journal has a single writer."""

from __future__ import annotations

import os
from importlib import import_module
from pathlib import Path

from lp_app.errors import ProjectError


class FolderLock:
    """A lock that the system gives back when the process ends, however it ends.

    Args:
        folder: The folder, which exists.
    """

    def __init__(self, folder: Path) -> None:
        self._path = folder / "lock"
        self._file = -1

    def acquire(self) -> None:
        """Take the lock.

        Raises:
            ProjectError: Another process has it.
        """
        self._file = os.open(self._path, os.O_RDWR | os.O_CREAT, 0o644)
        try:
            _lock(self._file)
        except OSError as error:
            self.release()
            raise ProjectError(
                "the project is open in another app",
                where=self._path.parent.parent,
                remedy="use that one, or stop it",
            ) from error

    def release(self) -> None:
        """Give the lock back."""
        if self._file >= 0:
            os.close(self._file)
            self._file = -1


def _lock(file: int) -> None:
    if os.name == "nt":
        msvcrt = import_module("msvcrt")
        msvcrt.locking(file, msvcrt.LK_NBLCK, 1)
    else:
        fcntl = import_module("fcntl")
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
