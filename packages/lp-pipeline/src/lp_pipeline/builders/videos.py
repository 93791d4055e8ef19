"""Which videos a path stands for."""

from __future__ import annotations

import logging
from pathlib import Path

from lp_core.video import video_suffixes
from lp_data.video.listing import FolderListing, find_images, find_videos
from lp_pipeline.errors import PredictionError

_log = logging.getLogger(__name__)


def list_videos(path: Path) -> list[Path]:
    """The videos that ``path`` stands for: itself, or those directly in a folder, by name.

    What else is in the folder is named in the log.

    Raises:
        PredictionError: There is nothing there, or no video in the folder.
    """
    if path.is_file():
        return [path]
    if not path.is_dir():
        raise PredictionError("there is no such file or folder", where=path)
    found = find_videos(path)
    if not found.files:
        raise _no_video(found)
    _name_left_out(found, "videos")
    return list(found.files)


def list_inputs(path: Path) -> list[Path]:
    """As `list_videos`; a folder of images without any video is one video itself.

    Raises:
        PredictionError: There is nothing there, or neither a video nor an image in the folder.
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


def _no_video(found: FolderListing) -> PredictionError:
    """The error, with a folder within that holds videos as the remedy."""
    within = next((each for each in found.folders_within if find_videos(each).files), None)
    holds = f"; it holds {found.names_left_out}" if found.left_out else ""
    remedy = f"videos end in {', '.join(sorted(video_suffixes()))}"
    if within is not None:
        remedy = f"folders within it are not searched: name one that holds videos, such as {within}"
    return PredictionError(
        f"there is no video in this folder{holds}", where=found.folder, remedy=remedy
    )
