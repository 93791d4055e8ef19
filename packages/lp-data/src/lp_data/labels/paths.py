"""The paths of images as label files write them."""

from __future__ import annotations

import re

_DRIVE = re.compile(r"^[A-Za-z]:")
_FOLDER = "labeled-data"  # of DeepLabCut and Lightning Pose
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")


def join_cells(cells: list[str]) -> str:
    """One path with forward slashes from one cell, or from folder, video and image.

    Windows writes backslashes; they are turned round. A leading ``./`` and doubled slashes go.

    Raises:
        ValueError: The path is empty, absolute, leads out of the project, or cannot be a file name.
    """
    if not all(cells):
        raise ValueError("the image path is empty" if len(cells) == 1 else "part of it is empty")
    path = "/".join(cells).replace("\\", "/")
    if _DRIVE.match(path):
        raise ValueError(f"the image path is an absolute one of Windows: '{'/'.join(cells)}'")
    if path.startswith("/"):
        raise ValueError(f"the image path is absolute: '{path}'")
    if _CONTROL.search(path):
        raise ValueError(f"the image path holds a control character: {path!r}")
    parts = [part for part in path.split("/") if part not in ("", ".")]
    if ".." in parts:
        raise ValueError(f"the image path leads out of its folder: '{path}'")
    if not parts:
        raise ValueError(f"the image path names no file: '{path}'")
    return "/".join(parts)


def relative_part(cells: list[str]) -> str | None:
    """The part of an absolute path from ``labeled-data`` on; None where it has no such part."""
    parts = "/".join(cells).replace("\\", "/").split("/")
    if _FOLDER not in parts or ".." in parts:
        return None
    return "/".join(parts[parts.index(_FOLDER) :])
