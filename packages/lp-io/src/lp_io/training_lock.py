"""Whether a folder may become a model directory, and a file that says which process works in it."""

from __future__ import annotations

import json
import os
import socket
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

from lp_io.errors import CheckpointError, FolderInUseError
from lp_io.model_directory import CONFIG_FILE, LOCK_FILE, MANIFEST_NAME, PROGRESS_FILE, STATE_FOLDER

_MADE_BY_TRAINING = (PROGRESS_FILE, STATE_FOLDER, MANIFEST_NAME)


class Holder(NamedTuple):
    """The process that a lock names, and since when it has the lock.

    Attributes:
        begun: A mark of when the process began, which tells it from a later one of the same id;
            empty where the system does not tell.
    """

    host: str
    process: int
    begun: str
    since: str

    @property
    def has_ended(self) -> bool:
        """Whether the process is known to run no longer; unknown for another machine."""
        if self.host != socket.gethostname() or os.name == "nt":
            return False
        try:
            os.kill(self.process, 0)
        except ProcessLookupError:
            return True
        except OSError:
            return False  # it runs, as somebody else's
        return _begun(self.process) != self.begun

    def __str__(self) -> str:
        return f"process {self.process} on {self.host}, since {self.since}"


class TrainingLock:
    """Keeps other trainings out of a model directory while one works in it.

    Attributes:
        stale: The process that had left its lock behind; None where there was none.
    """

    def __init__(self, folder: Path) -> None:
        self.file = folder / LOCK_FILE
        self.stale: Holder | None = None
        self._held = False

    def acquire(self) -> None:
        """Take the lock of a folder that exists; a second time changes nothing.

        Raises:
            FolderInUseError: Another training works there.
            OSError: The file cannot be written.
        """
        while not self._held:
            self.stale = check_free(self.file.parent) or self.stale
            try:
                number = os.open(self.file, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o644)
            except FileExistsError:
                continue  # another process was faster, and is told now
            with os.fdopen(number, "w", encoding="utf-8") as file:
                now = datetime.now(UTC).isoformat(timespec="seconds")
                me = Holder(socket.gethostname(), os.getpid(), _begun(os.getpid()), now)
                json.dump(me._asdict(), file)
            self._held = True

    def release(self) -> None:
        """Give the lock back."""
        if self._held:
            self.file.unlink(missing_ok=True)
            self._held = False

    def __enter__(self) -> TrainingLock:
        """Nothing is taken yet; a lock that was taken within is given back at the end."""
        return self

    def __exit__(self, *error: object) -> None:
        self.release()


def check_free(folder: Path) -> Holder | None:
    """Refuse a folder in which a training works; remove and return the lock of one that has ended.

    Raises:
        FolderInUseError: A training works there, or may do so on another machine.
    """
    file = folder / LOCK_FILE
    if not file.exists():
        return None
    holder = _read(file)
    if holder is not None and holder.has_ended:
        file.unlink(missing_ok=True)
        return holder
    remedy = "wait for it, stop it, or choose another folder"
    who = str(holder) if holder is not None else "a process that it does not name"
    if holder is None or holder.host != socket.gethostname() or os.name == "nt":
        remedy += f"; if it surely runs no longer, delete {file}"
    raise FolderInUseError(f"a training works in this folder: {who}", where=folder, remedy=remedy)


def _read(file: Path) -> Holder | None:
    """Whom a lock names; None where it does not tell."""
    try:
        said: Any = json.loads(file.read_text(encoding="utf-8"))
        return Holder(str(said["host"]), int(said["process"]), str(said["begun"]), said["since"])
    except (OSError, ValueError, TypeError, KeyError):
        return None


def _begun(process: int) -> str:
    """When a process of this machine began, as Linux tells it; else, or if it is dead, nothing."""
    try:
        status = Path(f"/proc/{process}/stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
    fields = status.rpartition(")")[2].split()
    return "" if fields[0] in ("Z", "X") else fields[19]


def check_model_dir(model_dir: Path, *, overwrite: bool = False, locked: bool = False) -> None:
    """Refuse a folder that holds something that is not to be replaced.

    Args:
        model_dir: The folder.
        overwrite: Whether an earlier model directory may be replaced.
        locked: Whether this process holds the lock of the folder.

    Raises:
        CheckpointError: It is a file, or not empty and no earlier model directory to replace.
        FolderInUseError: Another training works in it.
    """
    if not locked:
        check_free(model_dir)
    if model_dir.is_dir() and not content(model_dir):
        return
    ours = (model_dir / CONFIG_FILE).is_file() and any(
        (model_dir / name).exists() for name in _MADE_BY_TRAINING
    )
    if (overwrite and ours) or not model_dir.exists():
        return
    if overwrite:
        raise CheckpointError(
            "the folder is not a model directory, so it is not replaced",
            where=model_dir,
            remedy="choose another --output-dir (--overwrite replaces model directories only)",
        )
    raise CheckpointError(
        "the model directory exists already",
        where=model_dir,
        remedy="choose another --output-dir"
        + (", go on with it by --resume, or replace it by --overwrite" if ours else ""),
    )


def content(folder: Path) -> list[Path]:
    """What lies in a folder, but for the lock of a training."""
    return [path for path in folder.iterdir() if path.name != LOCK_FILE]
