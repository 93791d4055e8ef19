"""Which entries of a folder are videos, or the images of one: the only search of folders."""

from __future__ import annotations

import logging
import re
from collections.abc import Collection
from pathlib import Path
from typing import NamedTuple

from lp_core.listing import visible
from lp_core.video import video_suffixes
from lp_data.errors import VideoError
from lp_data.images import IMAGE_FILES

_log = logging.getLogger(__name__)

_MOST_NAMES = 5


class FolderListing(NamedTuple):
    """The videos by name, or the images in natural order, directly in a folder.

    ``left_out`` are its other entries, by name; hidden files count as not there.
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
    return _split(folder, video_suffixes())


def find_images(folder: Path) -> FolderListing:
    """The images directly in a folder, in natural order: ``img2.png`` before ``img10.png``.

    Raises:
        OSError: The folder cannot be read.
    """
    found = _split(folder, IMAGE_FILES)
    ordered = sorted(found.files, key=lambda file: (_natural(file.name), file.name))
    return found._replace(files=tuple(ordered))


def list_videos(path: Path) -> list[Path]:
    """The videos that ``path`` stands for: itself, or those directly in a folder, by name.

    What else is in the folder is named in the log.

    Raises:
        VideoError: There is nothing there, or no video in the folder.
    """
    if path.is_file():
        return [path]
    if not path.is_dir():
        raise VideoError("there is no such file or folder", where=path)
    found = find_videos(path)
    if not found.files:
        raise _no_video(found)
    _name_left_out(found, "videos")
    return list(found.files)


def list_inputs(path: Path) -> list[Path]:
    """As `list_videos`; a folder of images without any video is one video itself.

    Raises:
        VideoError: There is nothing there, or neither a video nor an image in the folder.
    """
    if path.is_dir() and not find_videos(path).files:
        images = find_images(path)
        if images.files:
            _name_left_out(images, "images")
            return [path]
    return list_videos(path)


def _name_left_out(found: FolderListing, kind: str) -> None:
    if found.left_out:
        unsearched = "; folders within it are not searched" if found.folders_within else ""
        _log.info(
            "%s: left out, not %s: %s%s", found.folder, kind, found.names_left_out, unsearched
        )


def _no_video(found: FolderListing) -> VideoError:
    """The error, with a folder within that holds videos as the remedy."""
    within = next((each for each in found.folders_within if find_videos(each).files), None)
    holds = f"; it holds {found.names_left_out}" if found.left_out else ""
    remedy = f"videos end in {', '.join(sorted(video_suffixes()))}"
    if within is not None:
        remedy = f"folders within it are not searched: name one that holds videos, such as {within}"
    return VideoError(f"there is no video in this folder{holds}", where=found.folder, remedy=remedy)


def _split(folder: Path, suffixes: Collection[str]) -> FolderListing:
    entries = visible(folder)
    files = tuple(p for p in entries if p.suffix.lower() in suffixes and not p.is_dir())
    known = set(files)
    return FolderListing(folder, files, tuple(p for p in entries if p not in known))


def _natural(name: str) -> list[str | int]:
    """A key that sorts the numbers within names by value."""
    parts = re.split(r"(\d+)", name.casefold())
    return [int(part) if place % 2 else part for place, part in enumerate(parts)]
