"""Files that appear whole or not at all, also after a power cut."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TextIO


def flush_to_disk(path: Path) -> None:
    """Wait until what was written to ``path``, a file or a folder, is on the disk."""
    with suppress(OSError):  # some file systems cannot do it for folders
        descriptor = os.open(path, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def put_in_place(temporary: Path, path: Path) -> None:
    """Give the complete file ``temporary`` the name ``path``, in the same folder."""
    flush_to_disk(temporary)
    temporary.replace(path)
    flush_to_disk(path.parent)


@contextmanager
def atomic_write(path: Path) -> Iterator[Path]:
    """A temporary name in the same folder, which becomes ``path`` when the block ends well.

    The folder is made if it is missing. Where the block raises, ``path`` is left as it was.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        handle, name = tempfile.mkstemp(
            dir=path.parent, prefix=f".{path.stem}.", suffix=path.suffix
        )
    except OSError as error:
        error.filename = str(path)  # the name that the user knows
        raise
    os.close(handle)
    temporary = Path(name)
    try:
        temporary.chmod(0o666 & ~_umask())
        yield temporary
        put_in_place(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


@contextmanager
def atomic_text(path: Path) -> Iterator[TextIO]:
    """A text file in UTF-8, with line ends as they are given, as `atomic_write` writes it."""
    with atomic_write(path) as temporary, temporary.open("w", encoding="utf-8", newline="") as file:
        yield file


def _umask() -> int:
    """The process's file mode mask, which can only be read by setting it."""
    mask = os.umask(0o022)
    os.umask(mask)
    return mask


def remove_leftovers(*paths: Path) -> None:
    """Remove what `atomic_write` of these paths left behind in a process that was killed."""
    for path in paths:
        for leftover in path.parent.glob(f".{path.stem}.????????{path.suffix}"):
            with suppress(OSError):
                leftover.unlink()
