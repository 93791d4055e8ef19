"""Labelled images as COCO keypoints."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path, PurePosixPath, PureWindowsPath

from lp_core.image_source import ImageSource
from lp_core.paths import find_file
from lp_io.errors import ConversionError
from lp_io.projects.labels import (
    LABEL_FOLDER,
    LabeledImages,
    chosen_labels,
    folder_name,
    frame_number,
)
from lp_io.tables.coco import read_coco
from lp_io.untrusted.content import ContentError, reading


def read_coco_labels(
    path: Path,
    *,
    images: Path | None = None,
    individual: str | None = None,
    empty: bool = False,
) -> LabeledImages:
    """Read the labels of a COCO keypoint file.

    Args:
        path: The JSON file.
        images: The folder that file names are relative to; by default the JSON file's folder, or
            ``images`` in it, whichever has the first image.
        individual: Which animal to take, by its ``track_id``; None takes all.
        empty: Keep images without any animal.

    Raises:
        ConversionError: The file is damaged, two animals of an image have one ``track_id``, or an
            image's name leads out of the folder.
    """
    with reading(path, ConversionError, "a COCO file"):
        content = read_coco(path)
        every = content.rows()
        rows = [(image, one) for image, one in every if empty or one is not None]
        used = {image["id"]: image["file_name"] for image, _ in rows}
        root = images or _root(path, used.values())
        sources = {number: _source(name, root, path) for number, name in used.items()}
        names = tuple(sources[image["id"]].name for image, _ in rows)
        table = content.table([one for _, one in rows], names, scorer="coco")
        left_out = list(content.left_out)
        if len(rows) < len(every):
            bare = len(every) - len(rows)
            left_out.append(f"{bare} images without an annotation of keypoints")
        return chosen_labels(table, sources.values(), individual, empty=empty, left_out=left_out)


def _root(path: Path, names: Iterable[str]) -> Path:
    """The folder that has the first image."""
    candidates = [path.parent, path.parent / "images", path.parent.parent]
    for name in names:
        first = name.replace("\\", "/")
        return next((folder for folder in candidates if find_file(folder, first)), path.parent)
    return path.parent


def _source(file_name: str, root: Path, path: Path) -> ImageSource:
    name = file_name.replace("\\", "/")
    parts = [part for part in PurePosixPath(name).parts if part != "."]
    if not parts or name.startswith("/") or ":" in parts[0] or ".." in parts:
        drive = PureWindowsPath(file_name).drive
        what = "an absolute path of Windows" if drive else "not below that folder"
        raise ContentError(
            f"the image '{file_name[:80]}' is {what}; names have to start from the folder of the "
            "images",
            "write the names in the COCO file relative to one folder, with forward slashes, such "
            "as 'session1/0.jpg', and give that folder with --images",
        )
    inner = parts[1:] if parts[0] == LABEL_FOLDER and len(parts) > 2 else parts
    folder = folder_name("_".join(inner[:-1]) or path.stem)
    return ImageSource(
        name=f"{LABEL_FOLDER}/{folder}/{inner[-1]}",
        file=find_file(root, "/".join(parts)),
        frame=frame_number(name),
    )
