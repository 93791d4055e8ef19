"""Labelled images as COCO keypoints."""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path, PurePosixPath, PureWindowsPath

import numpy as np

from lp_core.image_source import ImageSource
from lp_core.paths import find_file
from lp_core.poses import PoseTable
from lp_io.errors import ConversionError
from lp_io.projects.animals import one_animal_each
from lp_io.projects.labels import (
    LABEL_FOLDER,
    LabeledImages,
    first_repeated,
    folder_name,
    frame_number,
)
from lp_io.untrusted.coco import (
    CocoAnnotation,
    CocoFile,
    CocoImage,
    keypoint_numbers,
    positions_of,
    read_coco,
    track_of,
    write_coco,
)
from lp_io.untrusted.content import ContentError, reading


def read_coco_labels(
    path: Path,
    *,
    images: Path | None = None,
    individual: str | None = None,
    several: bool = False,
) -> LabeledImages:
    """Read the labels of a COCO keypoint file.

    Args:
        path: The JSON file.
        images: The folder that file names are relative to; by default the JSON file's folder, or
            ``images`` in it, whichever has the first image.
        individual: Which animal to take, by its ``track_id``.
        several: Take all animals, and images without any.

    Raises:
        ConversionError: The file is damaged, or most images show several animals, or an image's
            name leads out of the folder.
    """
    with reading(path, ConversionError, "a COCO file"):
        content = read_coco(path)
        root = images or _root(path, content)
        sources = {image.id: _source(image, root, path) for image in _used(content, several)}
        table = _table(content, sources)
        left_out = list(content.left_out)
        if not several:
            table, others = one_animal_each(table, individual)
            left_out += others
            bare = len(content.images) - len({a.image_id for a in content.annotations})
            if bare:
                left_out.append(f"{bare} images without an annotation of keypoints")
        named = {source.name: source for source in sources.values()}
        if len(named) < len(sources):
            twice = first_repeated(source.name for source in sources.values())
            raise ContentError(f"the picture '{twice}' occurs twice")
        kept = tuple(named[name] for name in dict.fromkeys(table.image_paths))
        return LabeledImages(table, kept, left_out=tuple(left_out))


def _used(content: CocoFile, several: bool) -> list[CocoImage]:
    """The images with an annotation; of several animals all of them."""
    annotated = {annotation.image_id for annotation in content.annotations}
    return [image for image in content.images if several or image.id in annotated]


def _table(content: CocoFile, sources: dict[int, ImageSource]) -> PoseTable:
    """A row for each annotation, in the order of the images, and one for each image without any."""
    by_image: dict[int, list[CocoAnnotation]] = defaultdict(list)
    for annotation in content.annotations:
        by_image[annotation.image_id].append(annotation)
    rows: list[tuple[int, CocoAnnotation | None]] = []
    for number in sources:
        rows += [(number, found) for found in by_image[number]] or [(number, None)]
    K = len(content.skeleton)
    nothing = (np.full((K, 2), np.nan), np.zeros(K, np.int8))
    poses = [nothing if a is None else positions_of(a.keypoints) for _, a in rows]
    tracks = tuple(None if a is None else track_of(a) or None for _, a in rows)
    return PoseTable(
        content.skeleton,
        np.array([points for points, _ in poses], np.float64).reshape(len(rows), K, 2),
        tuple(sources[number].name for number, _ in rows),
        individual=tracks if any(tracks) or len(rows) > len(sources) else None,
        visibility=np.array([codes for _, codes in poses], np.int8).reshape(len(rows), K),
        scorer=content.contributor or "coco",
    )


def _root(path: Path, content: CocoFile) -> Path:
    """The folder that has the first image."""
    images = _used(content, several=False)
    candidates = [path.parent, path.parent / "images", path.parent.parent]
    if not images:
        return path.parent
    name = images[0].file_name.replace("\\", "/")
    return next((folder for folder in candidates if find_file(folder, name)), path.parent)


def _source(image: CocoImage, root: Path, path: Path) -> ImageSource:
    name = image.file_name.replace("\\", "/")
    parts = [part for part in PurePosixPath(name).parts if part != "."]
    if not parts or name.startswith("/") or ":" in parts[0] or ".." in parts:
        raise _elsewhere(image.file_name)
    inner = parts[1:] if parts[0] == LABEL_FOLDER and len(parts) > 2 else parts
    folder = folder_name("_".join(inner[:-1]) or path.stem)
    return ImageSource(
        name=f"{LABEL_FOLDER}/{folder}/{inner[-1]}",
        file=find_file(root, "/".join(parts)),
        frame=frame_number(name),
    )


def _elsewhere(name: str) -> ContentError:
    """The error that an image's name leads out of the folder of the images."""
    what = "an absolute path of Windows" if PureWindowsPath(name).drive else "not below that folder"
    return ContentError(
        f"the image '{name[:80]}' is {what}; names have to start from the folder of the images",
        "write the names in the COCO file relative to one folder, with forward slashes, such as "
        "'session1/0.jpg', and give that folder with --images",
    )


def write_coco_labels(
    labels: LabeledImages, path: Path, sizes: dict[str, tuple[int, int]] | None = None
) -> list[str]:
    """Write labels to ``path``, in place; file names are the pictures' paths in their project.

    Args:
        labels: The labels.
        path: The file.
        sizes: For each picture's path its (height, width) in frame px, where known.

    Returns:
        What could not be kept.

    Raises:
        ContentError: A name is not a valid text.
    """
    table = labels.table
    images: list[CocoImage] = []
    annotations: list[CocoAnnotation] = []
    without = (table.codes > 0) & np.isnan(table.points).any(axis=-1)
    codes = np.where(without, 0, table.codes)
    for number, (frame, rows) in enumerate(table.by_frame(), 1):
        images.append(CocoImage(number, str(frame), (sizes or {}).get(str(frame))))
        for row in rows.tolist():
            name = None if table.individual is None else table.individual[row]
            if table.individual is not None and name is None and not codes[row].any():
                continue  # an image without animals
            numbers = keypoint_numbers(table.points[row], codes[row])
            extra = {} if name is None else {"track_id": name}
            annotations.append(CocoAnnotation(len(annotations) + 1, number, numbers, extra))
    write_coco(
        CocoFile(table.skeleton, tuple(images), tuple(annotations), contributor=table.scorer), path
    )
    lost = int(without.sum())
    return [f"{lost} occluded keypoints without a position: COCO needs one"] if lost else []
