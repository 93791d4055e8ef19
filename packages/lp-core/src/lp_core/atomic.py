"""Files that appear whole or not at all, also after a power cut."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path


def flush_to_disk(path: Path) -> None:
    """Wait until what was written to ``path``, a file or a folder, is on the disk."""
    with suppress(OSError):  # some file systems cannot do it for folders
        descriptor = os.open(path, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def put_in_place(beside: Path, path: Path) -> None:
    """Give the complete file ``beside`` the name ``path``, in the same folder."""
    flush_to_disk(beside)
    beside.replace(path)
    flush_to_disk(path.parent)


@contextmanager
def written_beside(path: Path) -> Iterator[Path]:
    """A name beside ``path`` to write to; it takes the name ``path`` when the block ends well.

    Args:
        path: The final name. Its folder is made if it is missing.

    Yields:
        A path in the same folder. Where the block raises, the file is removed and ``path`` is left
        as it was.
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
    beside = Path(name)
    try:
        beside.chmod(0o666 & ~_umask())
        yield beside
        put_in_place(beside, path)
    finally:
        beside.unlink(missing_ok=True)


def _umask() -> int:
    """The process's file mode mask, which can only be read by setting it."""
    mask = os.umask(0o022)
    os.umask(mask)
    return mask
