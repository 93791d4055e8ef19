"""Labelled images as COCO keypoints."""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path, PurePosixPath, PureWindowsPath

import numpy as np

from lp_core.paths import find_file
from lp_io.errors import ConversionError
from lp_io.projects.animals import Animal, one_animal_each
from lp_io.projects.labels import (
    LABEL_FOLDER,
    ImageSource,
    LabeledImages,
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
    path: Path, *, images: Path | None = None, individual: str | None = None
) -> LabeledImages:
    """Read the labels of a COCO keypoint file.

    Args:
        path: The JSON file.
        images: The folder that file names are relative to; by default the JSON file's folder, or
            ``images`` in it, whichever has the first image.
        individual: Which animal to take, by its ``track_id``.

    Raises:
        ConversionError: The file is damaged, or most images show several animals, or an image's
            name leads out of the folder.
    """
    with reading(path, ConversionError, "a COCO file"):
        content = read_coco(path)
        by_image: dict[int, list[Animal]] = defaultdict(list)
        for annotation in content.annotations:
            by_image[annotation.image_id].append(_animal(annotation))
        choice = one_animal_each([by_image[image.id] for image in content.images], individual)
        kept = [
            (image, animal)
            for image, animal in zip(content.images, choice.animals, strict=True)
            if animal is not None
        ]
        root = images or _root(path, [image for image, _ in kept])
        sources = tuple(_source(image, root, path) for image, _ in kept)
        bare = sum(not by_image[image.id] for image in content.images)
        left_out = [*content.left_out, *choice.left_out]
        if bare:
            left_out.append(f"{bare} images without an annotation of keypoints")
        size = (len(kept), len(content.keypoint_names))
        return LabeledImages(
            keypoint_names=content.keypoint_names,
            keypoints=np.array([a.keypoints for _, a in kept], np.float64).reshape(*size, 2),
            visibility=np.array([a.visibility for _, a in kept], np.int8).reshape(size),
            images=sources,
            scorer=content.contributor or "coco",
            skeleton=content.skeleton,
            states_visibility=True,
            left_out=tuple(left_out),
        )


def _animal(annotation: CocoAnnotation) -> Animal:
    return Animal(track_of(annotation), *positions_of(annotation.keypoints))


def _root(path: Path, images: list[CocoImage]) -> Path:
    """The folder that has the first image."""
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
        ContentError: A name is no valid text.
    """
    images, annotations = [], []
    lost = 0
    for row, source in enumerate(labels.images):
        codes = labels.visibility[row]
        without = (codes > 0) & np.isnan(labels.keypoints[row]).any(axis=-1)
        lost += int(without.sum())
        codes = np.where(without, 0, codes)
        images.append(CocoImage(row + 1, source.name, (sizes or {}).get(source.name)))
        numbers = keypoint_numbers(labels.keypoints[row], codes)
        annotations.append(CocoAnnotation(row + 1, row + 1, numbers))
    content = CocoFile(
        labels.keypoint_names,
        tuple(images),
        tuple(annotations),
        skeleton=labels.skeleton,
        contributor=labels.scorer,
    )
    write_coco(content, path)
    return [f"{lost} occluded keypoints without a position: COCO needs one"] if lost else []
