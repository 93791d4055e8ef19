"""COCO keypoint files: images, annotations, and one category with the names of the keypoints."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float, Int, Int8
from numpy import ndarray

from lp_core.poses import Skeleton
from lp_io import strict_json
from lp_io.untrusted.content import ContentError

_MOST_BYTES = 2 * 1024**3
_LARGEST = 1e300
_IMAGE_KEYS = {"id", "file_name", "width", "height"}
_ANNOTATION_KEYS = {
    "id", "image_id", "category_id", "keypoints", "num_keypoints", "bbox", "area", "iscrowd",
    "segmentation",
}  # fmt: skip


@dataclass(frozen=True)
class CocoImage:
    """One image.

    Attributes:
        id: Its number in the file.
        file_name: Its path, as the file has it.
        size: (height, width) in frame px, where the file states it.
        extra: What else the file says about it.
    """

    id: int
    file_name: str
    size: tuple[int, int] | None = None
    extra: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class CocoAnnotation:
    """The keypoints of one animal in one image.

    Attributes:
        id: Its number in the file.
        image_id: The image's number.
        keypoints: K times x, y in frame px and the code 0, 1 or 2.
        extra: What else the file says about it.
    """

    id: int
    image_id: int
    keypoints: tuple[float | int, ...]
    extra: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class CocoFile:
    """The part of a COCO file that is about the keypoints of one category.

    Attributes:
        skeleton: The K keypoints, with edges.
        images: The images.
        annotations: The animals; those without keypoints are left out.
        contributor: Who made it.
        left_out: What the file holds beyond that, in words.
    """

    skeleton: Skeleton
    images: tuple[CocoImage, ...]
    annotations: tuple[CocoAnnotation, ...]
    contributor: str = ""
    left_out: tuple[str, ...] = ()


def keypoint_numbers(
    positions: Float[ndarray, "keypoints 2"],
    codes: Int[ndarray, " keypoints"] | Int8[ndarray, " keypoints"],
) -> tuple[float | int, ...]:
    """x, y and code of each keypoint, as COCO lists them: zeros where there is no position.

    Args:
        positions: (K, 2) frame px.
        codes: (K,) 0, 1 or 2.
    """
    numbers: list[float | int] = []
    for (x, y), code in zip(positions, codes.tolist(), strict=True):
        if np.isinf([x, y]).any():
            raise ContentError("a position is infinite, which JSON cannot say")
        numbers += [float(str(x)), float(str(y)), code] if code else [0.0, 0.0, 0]
    return tuple(numbers)


def positions_of(
    numbers: Sequence[float | int],
) -> tuple[Float[ndarray, "keypoints 2"], Int8[ndarray, " keypoints"]]:
    """(K, 2) positions in frame px, NaN where there is none, and (K,) codes."""
    values = np.array(numbers, dtype=np.float64).reshape(-1, 3)
    codes = values[:, 2].astype(np.int8)
    return np.where(codes[:, None] > 0, values[:, :2], np.nan), codes


def track_of(annotation: CocoAnnotation) -> str:
    """The animal that an annotation is of, by its ``track_id``; empty where it has none."""
    track = annotation.extra.get("track_id")
    return "" if track is None else str(track)


def write_coco(content: CocoFile, path: Path) -> None:
    """Write a COCO file to ``path``, in place.

    Raises:
        ContentError: A name is not a valid text, or a number is not finite.
    """
    category = {
        "id": 1,
        "name": "animal",
        "supercategory": "animal",
        "keypoints": list(content.skeleton.names),
        "skeleton": [
            [place + 1 for place in content.skeleton.places(edge)]  # COCO counts from 1
            for edge in content.skeleton.edges
        ],
    }
    value = {
        "info": {"description": "keypoints", "contributor": content.contributor},
        "licenses": [],
        "images": [_image_entry(image) for image in content.images],
        "annotations": [_annotation_entry(each) for each in content.annotations],
        "categories": [category],
    }
    try:
        path.write_text(strict_json.dump(value), encoding="utf-8")
    except (strict_json.JSONContentError, UnicodeEncodeError) as error:
        raise ContentError(f"JSON cannot say this: {error}") from error


def _image_entry(image: CocoImage) -> dict[str, Any]:
    size = {} if image.size is None else {"height": image.size[0], "width": image.size[1]}
    return {"id": image.id, "file_name": image.file_name, **size, **image.extra}


def _annotation_entry(annotation: CocoAnnotation) -> dict[str, Any]:
    positions, codes = positions_of(annotation.keypoints)
    seen = positions[codes > 0]
    low = seen.min(axis=0) if len(seen) else np.zeros(2)
    sides = (seen.max(axis=0) - low) if len(seen) else np.zeros(2)
    return {
        "id": annotation.id,
        "image_id": annotation.image_id,
        "category_id": 1,
        "keypoints": list(annotation.keypoints),
        "num_keypoints": int((codes > 0).sum()),
        "bbox": [*low.tolist(), *sides.tolist()],
        "area": float(np.prod(sides)),
        "iscrowd": 0,
        **annotation.extra,
    }


def read_coco(path: Path) -> CocoFile:
    """Read a COCO keypoint file.

    Raises:
        ContentError: It is no such file, or several categories have keypoints.
    """
    if path.stat().st_size > _MOST_BYTES:
        raise ContentError("the JSON file is larger than 2 GiB")
    try:
        value = strict_json.parse(path.read_bytes())
    except strict_json.JSONContentError as error:
        raise ContentError(f"this is not a JSON file, or a damaged one: {error}") from error
    if not isinstance(value, dict) or not {"images", "annotations", "categories"} <= set(value):
        raise ContentError(
            "this is no COCO file: it lacks images, annotations or categories",
            "a list of results alone names no keypoints; give the whole dataset",
        )
    images = tuple(_image(entry) for entry in _entries(value, "images"))
    known = {image.id for image in images}
    if len(known) < len(images):
        raise ContentError("two images have the same id")
    category, entries, left_out = _category(value)
    names = _names(category)
    annotations = tuple(_annotation(entry, len(names), known) for entry in entries)
    info = value.get("info")
    contributor = info.get("contributor", "") if isinstance(info, dict) else ""
    return CocoFile(
        skeleton=Skeleton(names, edges=_edges(category, names)),
        images=images,
        annotations=annotations,
        contributor=contributor if isinstance(contributor, str) else "",
        left_out=left_out,
    )


def _entries(value: dict[str, Any], key: str) -> list[dict[str, Any]]:
    entries = value[key]
    if not isinstance(entries, list) or not all(isinstance(entry, dict) for entry in entries):
        raise ContentError(f"'{key}' should be a list of objects")
    return entries


def _category(
    value: dict[str, Any],
) -> tuple[dict[str, Any], list[dict[str, Any]], tuple[str, ...]]:
    """The category with keypoints, its annotations that have some, and what else there is."""
    categories = {_integer(c, "id"): c for c in _entries(value, "categories") if c.get("keypoints")}
    if not categories:
        raise ContentError("no category of the COCO file has keypoints")
    every = _entries(value, "annotations")
    entries = [e for e in every if e.get("keypoints") and _category_id(e) in categories]
    used = {entry["category_id"] for entry in entries} or {min(categories)}
    if len(used) > 1:
        listing = ", ".join(str(categories[number].get("name")) for number in sorted(used))
        raise ContentError(
            f"{len(used)} categories have keypoints: {listing}; lp tracks one kind of animal",
            "write a file with the annotations of one category",
        )
    left_out = []
    if len(every) > len(entries):
        left_out.append(f"{len(every) - len(entries)} annotations without keypoints")
    masks = sum(bool(entry.get("segmentation")) for entry in entries)
    if masks:
        left_out.append(f"{masks} segmentation masks: lp tracks keypoints only")
    return categories[used.pop()], entries, tuple(left_out)


def _category_id(annotation: dict[str, Any]) -> int | None:
    """The category of an annotation, which need not have one."""
    return _integer(annotation, "category_id") if "category_id" in annotation else None


def _names(category: dict[str, Any]) -> tuple[str, ...]:
    names = category["keypoints"]
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise ContentError("the keypoints of the category are not a list of names")
    if len(set(names)) < len(names):
        raise ContentError("a keypoint is named twice")
    return tuple(names)


def _edges(category: dict[str, Any], names: tuple[str, ...]) -> tuple[tuple[str, str], ...]:
    pairs = category.get("skeleton")
    return tuple(
        (names[pair[0] - 1], names[pair[1] - 1])
        for pair in (pairs if isinstance(pairs, list) else [])
        if isinstance(pair, list) and len(pair) == 2 and all(_is_place(p, len(names)) for p in pair)
    )


def _is_place(value: object, count: int) -> bool:
    return isinstance(value, int) and 1 <= value <= count


def _image(entry: dict[str, Any]) -> CocoImage:
    name = entry.get("file_name")
    if not isinstance(name, str):
        raise ContentError("an image has no file_name")
    height, width = entry.get("height"), entry.get("width")
    size = (height, width) if isinstance(height, int) and isinstance(width, int) else None
    extra = {key: value for key, value in entry.items() if key not in _IMAGE_KEYS}
    return CocoImage(_integer(entry, "id"), name, size, extra)


def _annotation(entry: dict[str, Any], count: int, images: set[int]) -> CocoAnnotation:
    number = _integer(entry, "id") if "id" in entry else 0
    image = _integer(entry, "image_id")
    numbers = entry["keypoints"]
    if image not in images:
        raise ContentError(f"annotation {number} belongs to image {image}, which is not there")
    if not isinstance(numbers, list) or len(numbers) != 3 * count:
        raise ContentError(
            f"annotation {number} should have {3 * count} numbers for {count} keypoints"
        )
    if not all(map(is_number, numbers)):
        raise ContentError(f"annotation {number} has a keypoint that is not a number")
    if not set(numbers[2::3]) <= {0, 1, 2}:
        raise ContentError(f"annotation {number} has a visibility that is not 0, 1 or 2")
    extra = {key: value for key, value in entry.items() if key not in _ANNOTATION_KEYS}
    return CocoAnnotation(number, image, tuple(numbers), extra)


def is_number(value: object) -> bool:
    """Whether a JSON value is a number that a float can hold."""
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < _LARGEST


def _integer(entry: dict[str, Any], key: str) -> int:
    value = entry.get(key)
    if not isinstance(value, int) or isinstance(value, bool):
        raise ContentError(f"an entry has no whole number '{key}'")
    return value
