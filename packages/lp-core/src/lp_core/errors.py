"""The base class of the errors of all lp packages, and the errors of lp-core."""

from __future__ import annotations

import difflib
import errno
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar


class LPError(Exception):
    """Something a user can understand and mend.

    Args:
        problem: What is wrong, in one sentence.
        where: The place: a file, or a file with a line, row, column or frame.
        remedy: What to do about it.
    """

    def __init__(
        self, problem: str, *, where: str | Path | None = None, remedy: str | None = None
    ) -> None:
        super().__init__(problem)
        self.problem = problem
        self.where = None if where is None else str(where)
        self.remedy = remedy

    def __str__(self) -> str:
        lines = [self.problem]
        if self.where:
            lines.append(f"in: {self.where}")
        if self.remedy:
            lines.append(f"try: {self.remedy}")
        return "\n".join(lines)


class CoreError(LPError):
    """Base class of the errors of lp-core."""


class UnknownNameError(CoreError):
    """A name that no plug-in registers."""


class BackboneError(CoreError):
    """A backbone that cannot be built, or weights that cannot be had."""


class BatchError(CoreError):
    """A batch that does not have the keys, shapes or types of its contract."""


class PoseError(CoreError):
    """A table of poses whose sizes disagree, or a file of poses that cannot be read or written."""


class CameraError(CoreError):
    """A camera or a rig whose values contradict each other, or that does not fit the images."""


class LossError(CoreError):
    """A loss that cannot run as it was configured."""


class TrackerError(CoreError):
    """A tracker that was given options it cannot work with."""


Kind = TypeVar("Kind", bound=LPError)

_WRITING = {
    "make room on that disk, or choose another place": (errno.ENOSPC, errno.EDQUOT, errno.EFBIG),
    "choose a place that you may write to": (errno.EACCES, errno.EPERM, errno.EROFS),
    "choose a shorter name": (errno.ENAMETOOLONG,),
    "choose another name: a file or a folder is in the way": (
        errno.EEXIST,
        errno.ENOTDIR,
        errno.EISDIR,
        errno.ENOTEMPTY,
    ),
}


def writing_remedy(error: OSError) -> str | None:
    """What helps where something cannot be written; None where the error does not tell."""
    found = (remedy for remedy, numbers in _WRITING.items() if error.errno in numbers)
    return next(found, None)


def unwritable(
    kind: type[Kind], what: str, where: str | Path, error: OSError, *, kept: str = ""
) -> Kind:
    """An error for a file or folder that cannot be written, with the remedy that fits its cause.

    Args:
        kind: The class of the error.
        what: What it is, such as ``the report``.
        where: Its place.
        error: What the system says.
        kept: What is not lost, as a clause before the remedy.
    """
    problem = f"{what} cannot be written: {error.strerror or error}"
    hints = (kept, writing_remedy(error))
    return kind(problem, where=where, remedy="; ".join(filter(None, hints)) or None)


@contextmanager
def unwritable_as(kind: type[LPError], what: str, where: str | Path) -> Iterator[None]:
    """Raise an `OSError` of the block as the error that `unwritable` makes of it."""
    try:
        yield
    except OSError as error:
        raise unwritable(kind, what, where, error) from error


def reason_of(error: LPError | OSError) -> str:
    """What went wrong and where, without what to do about it."""
    if isinstance(error, LPError):
        return f"{error.problem} ({error.where})" if error.where else error.problem
    reason = error.strerror or str(error)
    return f"{reason} ({error.filename})" if error.filename else reason


def nearest_name(name: str, known: Iterable[str]) -> str | None:
    """The known name most like ``name``, or None where none is alike."""
    matches = difflib.get_close_matches(name, list(known), n=1, cutoff=0.6)
    return matches[0] if matches else None


def suggestion(name: str, known: Iterable[str], rest: str | None = None) -> str:
    """What to do about an unknown name: the nearest known one, then ``rest``, or all of them."""
    names = list(known)
    guess = nearest_name(name, names)
    hint = f"did you mean '{guess}'? " if guess else ""
    return hint + (rest or f"known: {', '.join(names) or 'none'}")


def unknown_name(kind: str, name: str, known: Iterable[str]) -> UnknownNameError:
    """An error for a ``kind`` of name that is not known; it tells the nearest and all that are."""
    names = sorted(known)
    rest = None if names else "known: none is registered"
    return UnknownNameError(f"unknown {kind} '{name}'", remedy=suggestion(name, names, rest))
