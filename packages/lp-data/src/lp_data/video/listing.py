"""Which entries of a folder are videos, or the images of one: the only search of folders."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from lp_core.listing import visible
from lp_core.video import video_suffixes
from lp_data.images import IMAGE_FILES

_MOST_NAMES = 5


@dataclass(frozen=True)
class FolderListing:
    """What a folder holds of one kind; hidden files count as not there.

    Attributes:
        folder: The folder. Folders within it are not searched.
        files: The videos by name, or the images in natural order.
        left_out: Its other entries, by name.
    """

    folder: Path
    files: tuple[Path, ...]
    left_out: tuple[Path, ...]

    @property
    def folders_within(self) -> tuple[Path, ...]:
        """The folders among what is left out."""
        return tuple(path for path in self.left_out if path.is_dir())

    @property
    def names_left_out(self) -> str:
        """The first names of what is left out, in one line; empty where nothing is."""
        names = [f"{path.name}/" if path.is_dir() else path.name for path in self.left_out]
        more = len(names) - _MOST_NAMES
        return ", ".join(names[:_MOST_NAMES]) + (f" and {more} more" if more > 0 else "")


def find_videos(folder: Path) -> FolderListing:
    """The videos directly in a folder: the files with an ending that an installed reader names.

    Raises:
        OSError: The folder cannot be read.
        PluginError: A reader cannot be imported.
    """
    suffixes = video_suffixes()
    return _split(folder, lambda path: path.suffix.lower() in suffixes and not path.is_dir())


def find_images(folder: Path) -> FolderListing:
    """The images directly in a folder, in natural order: ``img2.png`` before ``img10.png``.

    Raises:
        OSError: The folder cannot be read.
    """
    found = _split(folder, lambda path: path.suffix.lower() in IMAGE_FILES and not path.is_dir())
    ordered = sorted(found.files, key=lambda file: (_natural(file.name), file.name))
    return FolderListing(folder, tuple(ordered), found.left_out)


def _split(folder: Path, is_wanted: Callable[[Path], bool]) -> FolderListing:
    entries = visible(folder)
    wanted = [is_wanted(path) for path in entries]
    files, others = (
        tuple(path for path, is_file in zip(entries, wanted, strict=True) if is_file is kind)
        for kind in (True, False)
    )
    return FolderListing(folder, files, others)


def _natural(name: str) -> list[str | int]:
    """A key that sorts the numbers within names by value."""
    parts = re.split(r"(\d+)", name.casefold())
    return [int(part) if place % 2 else part for place, part in enumerate(parts)]
