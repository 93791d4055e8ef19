"""What is wrong inside a file, told by those who read it and placed by those who opened it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from lp_core.errors import LPError, PoseError, unwritable_as


class ContentError(ValueError):
    """A file does not hold what its format says: what is wrong, and what to do about it."""

    def __init__(self, problem: str, remedy: str | None = None) -> None:
        super().__init__(problem)
        self.problem = problem
        self.remedy = remedy


@contextmanager
def reading(path: Path, kind: type[LPError], what: str) -> Iterator[None]:
    """Tell what goes wrong while ``path``, such as ``"a SLEAP file"``, is read.

    Raises:
        LPError: Of ``kind``, for a `ContentError`, `PoseError` or `OSError` inside the block.
    """
    try:
        with _placed(path, kind):
            yield
    except FileNotFoundError as error:
        raise kind("there is no such file", where=path) from error
    except OSError as error:
        raise kind(
            f"{what} cannot be read: {error.strerror or _first_line(error)}", where=path
        ) from error


@contextmanager
def library_reading(library: str) -> Iterator[None]:
    """Tell whatever exception a library meets a damaged file with as a `ContentError`."""
    try:
        yield
    except (ContentError, LPError, OSError, MemoryError):
        raise
    except Exception as error:
        raise ContentError(
            f"{library} cannot make sense of it: {_first_line(error)}",
            "is the file damaged, or from a newer version of its tool?",
        ) from error


@contextmanager
def writing(path: Path, kind: type[LPError]) -> Iterator[None]:
    """Tell what goes wrong while ``path`` is written as an error of ``kind``.

    Raises:
        LPError: Of ``kind``, for a `ContentError`, `PoseError` or `OSError` inside the block.
    """
    with unwritable_as(kind, "the file", path), _placed(path, kind):
        yield


@contextmanager
def _placed(path: Path, kind: type[LPError]) -> Iterator[None]:
    """Raise a `ContentError` or `PoseError` as an error of ``kind`` that names the file."""
    try:
        yield
    except ContentError as error:
        raise kind(error.problem, where=path, remedy=error.remedy) from error
    except PoseError as error:
        raise kind(error.problem, where=error.where or path, remedy=error.remedy) from error


def _first_line(error: Exception) -> str:
    lines = str(error).splitlines()
    return f"{type(error).__name__}: {lines[0][:200]}" if lines else type(error).__name__
