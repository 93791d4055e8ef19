"""Which files count as videos."""

from __future__ import annotations

from pathlib import Path

from lp_pipeline.errors import PredictionError

VIDEO_SUFFIXES = frozenset({".avi", ".m4v", ".mkv", ".mov", ".mp4", ".mpeg", ".mpg", ".webm"})
IMAGE_SUFFIXES = frozenset({".bmp", ".jpeg", ".jpg", ".png", ".tif", ".tiff"})


def list_videos(path: Path) -> list[Path]:
    """The videos that ``path`` stands for: itself, or those directly in a folder, by name.

    Raises:
        PredictionError: There is nothing there, or no video in the folder.
    """
    if path.is_file():
        return [path]
    if not path.is_dir():
        raise PredictionError("there is no such file or folder", where=path)
    found = sorted(file for file in path.iterdir() if file.suffix.lower() in VIDEO_SUFFIXES)
    if not found:
        raise PredictionError(
            "there is no video in this folder",
            where=path,
            remedy=f"videos end in {', '.join(sorted(VIDEO_SUFFIXES))}",
        )
    return found
