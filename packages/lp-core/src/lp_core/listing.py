"""List folders as their users see them."""

from __future__ import annotations

from pathlib import Path


def visible(folder: Path, pattern: str = "*") -> list[Path]:
    """The entries of a folder that match ``pattern`` and are not hidden, by name.

    Names that begin with a dot are never input: systems put them beside the files of a user, such
    as ``._a.mp4`` beside ``a.mp4`` on exFAT disks.

    Raises:
        OSError: The folder cannot be read.
    """
    entries = (path for path in folder.iterdir() if path.match(pattern))
    return sorted(path for path in entries if not path.name.startswith("."))


def file_marks(path: Path) -> list[tuple[str, int, int]]:
    """Names, sizes and times of a file, or of those in a folder; reading them would take long."""
    files = visible(path) if path.is_dir() else [path]
    stats = ((file.name, file.stat()) for file in files)
    return [(name, stat.st_size, stat.st_mtime_ns) for name, stat in stats]
