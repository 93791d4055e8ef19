"""COCO keypoint files: images, annotations, and one category with the names of the keypoints.

COCO has no place for a confidence of each keypoint; MMPose and others add the list
``keypoint_scores``, and so does lp. Frames of a video have no file name; they get a made-up one,
with their number beside it. Individuals are told by ``track_id``.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from lp_core.poses import Animals, Frames, PoseTable, Skeleton, confidence_of
from lp_io import strict_json
from lp_io.animals import check_animals, is_empty_row
from lp_io.untrusted.content import ContentError

Entry = dict[str, Any]
"""An object of the file, such as an image or an annotation."""

_MOST_BYTES = 2 * 1024**3
_LARGEST = 1e300
_FRAME = "frame_number"


def write_coco(
    table: PoseTable, path: Path, sizes: Mapping[str, tuple[int, int]] | None = None
) -> list[str]:
    """Write labels, or predictions where the table has confidences, to ``path``, in place.

    Args:
        table: The poses.
        path: The file.
        sizes: (height, width) in frame px by image path, where known.

    Returns:
        What could not be kept.

    Raises:
        ContentError: A name is not a valid text, or a number is infinite.
    """
    if np.isinf(table.points).any():
        raise ContentError("a position is infinite, which JSON cannot say")
    images: list[Entry] = []
    annotations: list[Entry] = []
    for frame, rows in _groups(table):
        images.append(_image(table, rows[0], frame, len(images) + 1, (sizes or {}).get(str(frame))))
        for row in rows:
            if len(rows) > 1 or not is_empty_row(table, row):
                annotations.append(_annotation(table, row, len(annotations) + 1, len(images)))
    pairs = map(table.skeleton.places, table.skeleton.edges)
    category = {
        "id": 1,
        "name": "animal",
        "supercategory": "animal",
        "keypoints": list(table.keypoint_names),
        "skeleton": [[place + 1 for place in pair] for pair in pairs],  # COCO counts from 1
    }
    value = {
        "info": {"description": "keypoints", "contributor": table.scorer},
        "licenses": [],
        "images": images,
        "annotations": annotations,
        "categories": [category],
    }
    try:
        path.write_text(strict_json.dump(value), encoding="utf-8")
    except (strict_json.JSONContentError, UnicodeEncodeError) as error:
        raise ContentError(f"JSON cannot say this: {error}") from error
    return _lost(table)


def write_coco_predictions(table: PoseTable, path: Path) -> list[str]:
    """Write predictions, also those without confidences; see `write_coco`."""
    return write_coco(replace(table, visibility=None, confidence=confidence_of(table)), path)


def _lost(table: PoseTable) -> list[str]:
    """What COCO has no place for."""
    half = np.isfinite(table.points).any(axis=-1) & ~table.has_position
    hidden = (table.codes > 0) & ~table.has_position
    notes = {
        "positions with only one coordinate: COCO keeps none of it": half & ~hidden,
        "occluded keypoints without a position: COCO needs one": hidden,
    }
    return [f"{int(lost.sum())} {note}" for note, lost in notes.items() if lost.any()]


def _groups(table: PoseTable) -> list[tuple[str | int, list[int]]]:
    """Each frame with its rows; of a table without individuals every row by itself."""
    if table.individual is None:
        return [(table.frame[row], [row]) for row in range(len(table))]
    return [(frame, rows.tolist()) for frame, rows in table.by_frame()]


def _image(
    table: PoseTable, row: int, frame: str | int, number: int, size: tuple[int, int] | None
) -> Entry:
    named = isinstance(frame, str)
    return {
        "id": number,
        "file_name": frame if named else f"frame{frame:08d}",
        **({} if size is None else {"height": size[0], "width": size[1]}),
        **({} if named else {_FRAME: frame}),
        **({} if table.split is None else {"set": table.split[row]}),
    }


def _annotation(table: PoseTable, row: int, number: int, image: int) -> Entry:
    codes = np.where(table.has_position[row], table.codes[row], 0)
    numbers: list[float | int] = []
    for position, code in zip(table.points[row], codes.tolist(), strict=True):
        numbers += [*map(_shortest, position if code else (0, 0)), code]
    seen = np.array(numbers, np.float64).reshape(-1, 3)[codes > 0, :2]
    low = seen.min(axis=0) if len(seen) else np.zeros(2)
    sides = (seen.max(axis=0) - low) if len(seen) else np.zeros(2)
    individual = None if table.individual is None else table.individual[row]
    return {
        "id": number,
        "image_id": image,
        "category_id": 1,
        "keypoints": numbers,
        "num_keypoints": len(seen),
        "bbox": [*low.tolist(), *sides.tolist()],
        "area": float(np.prod(sides)),
        "iscrowd": 0,
        **({} if table.confidence is None else _scores(table, row, table.confidence[row])),
        **({} if individual is None else {"track_id": individual}),
    }


def _scores(table: PoseTable, row: int, confidence: Float[ndarray, " keypoints"]) -> Entry:
    """The confidence of each keypoint, and the score of the animal, which is else their mean."""
    known = confidence[np.isfinite(confidence)]
    found: Entry = {"keypoint_scores": [None if np.isnan(c) else _shortest(c) for c in confidence]}
    if table.score is not None and np.isfinite(table.score[row]):
        found["score"] = float(table.score[row])
    elif len(known):
        found["score"] = float(known.mean(dtype=np.float64))
    return found


def _shortest(number: Any) -> float:
    """The number with as few digits as its type needs."""
    return float(str(number))


@dataclass(frozen=True)
class CocoFile:
    """The part of a COCO file that is about the keypoints of one category.

    Attributes:
        skeleton: The K keypoints, with edges.
        images: The images, with ``id`` and ``file_name``.
        annotations: The animals that have ``keypoints``: K times x, y in frame px and the code 0, 1
            or 2.
        contributor: Who made it.
        left_out: What the file holds beyond that, in words.
    """

    skeleton: Skeleton
    images: Sequence[Entry]
    annotations: Sequence[Entry]
    contributor: str
    left_out: Sequence[str]

    @property
    def is_predicted(self) -> bool:
        """Whether an annotation has a score."""
        return any({"keypoint_scores", "score"} & set(each) for each in self.annotations)

    def rows(self, wanted: str | None = None) -> list[tuple[Entry, Entry | None]]:
        """Each image with each of its annotations, or of those of one animal; or with None."""
        by_image: dict[int, list[Entry | None]] = defaultdict(list)
        for annotation in self.annotations:
            if wanted is None or _track(annotation) == wanted:
                by_image[annotation["image_id"]].append(annotation)
        return [(image, one) for image in self.images for one in by_image[image["id"]] or [None]]

    def table(self, rows: Sequence[Entry | None], frame: Frames, *, scorer: str) -> PoseTable:
        """The poses of some annotations, with no position where there is None.

        Individuals are named where an annotation has a track or a frame has several rows.
        """
        R, K = len(rows), len(self.skeleton)
        nothing = [0] * (3 * K)
        numbers = [nothing if found is None else found["keypoints"] for found in rows]
        values = np.array(numbers, np.float64).reshape(R, K, 3)
        codes = values[..., 2].astype(np.int8)
        tracks = tuple(None if found is None else _track(found) for found in rows)
        return PoseTable(
            self.skeleton,
            np.where(codes[..., None] > 0, values[..., :2], np.nan),
            frame,
            individual=tracks if any(tracks) or len(set(frame)) < R else None,
            visibility=codes,
            scorer=self.contributor or scorer,
        )


def _track(annotation: Entry) -> str | None:
    """The animal that an annotation is of, by its ``track_id``."""
    track = annotation.get("track_id")
    return None if track is None else str(track) or None


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
    images = _entries(value, "images")
    known = {_integer(image, "id") for image in images}
    if len(known) < len(images):
        raise ContentError("two images have the same id")
    if not all(isinstance(image.get("file_name"), str) for image in images):
        raise ContentError("an image has no file_name")
    category, annotations, left_out = _category(value)
    skeleton = _skeleton(category)
    for annotation in annotations:
        _check_annotation(annotation, len(skeleton), known)
    info = value.get("info")
    contributor = info.get("contributor") if isinstance(info, dict) else ""
    maker = contributor if isinstance(contributor, str) else ""
    return CocoFile(skeleton, images, annotations, maker, left_out)


def _entries(value: Entry, key: str) -> list[Entry]:
    entries = value[key]
    if not isinstance(entries, list) or not all(isinstance(entry, dict) for entry in entries):
        raise ContentError(f"'{key}' should be a list of objects")
    return entries


def _category(value: Entry) -> tuple[Entry, list[Entry], list[str]]:
    """The category with keypoints, its annotations that have some, and what else there is."""
    categories = {_integer(c, "id"): c for c in _entries(value, "categories") if c.get("keypoints")}
    if not categories:
        raise ContentError("no category of the COCO file has keypoints")
    every = _entries(value, "annotations")
    posed = [entry for entry in every if entry.get("keypoints") and "category_id" in entry]
    entries = [entry for entry in posed if _integer(entry, "category_id") in categories]
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
    return categories[used.pop()], entries, left_out


def _skeleton(category: Entry) -> Skeleton:
    """The keypoints of a category; of its pairs, those that join two of them."""
    names, pairs = category["keypoints"], category.get("skeleton")
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise ContentError("the keypoints of the category are not a list of names")
    if len(set(names)) < len(names):
        raise ContentError("a keypoint is named twice")
    edges = tuple(
        (names[pair[0] - 1], names[pair[1] - 1])
        for pair in (pairs if isinstance(pairs, list) else [])
        if isinstance(pair, list)
        and len(pair) == 2
        and all(isinstance(place, int) and 1 <= place <= len(names) for place in pair)
    )
    return Skeleton(tuple(names), edges=edges)


def _check_annotation(entry: Entry, count: int, images: set[int]) -> None:
    number = _integer(entry, "id") if "id" in entry else 0
    image = _integer(entry, "image_id")
    numbers = entry["keypoints"]
    if image not in images:
        raise ContentError(f"annotation {number} belongs to image {image}, which is not there")
    where = f"annotation {number}"
    if not isinstance(numbers, list) or len(numbers) != 3 * count:
        raise ContentError(f"{where} should have {3 * count} numbers for {count} keypoints")
    if not all(map(_is_number, numbers)):
        raise ContentError(f"{where} has a keypoint that is not a number")
    if not set(numbers[2::3]) <= {0, 1, 2}:
        raise ContentError(f"{where} has a visibility that is not 0, 1 or 2")


def _is_number(value: object) -> bool:
    """Whether a JSON value is a number that a float can hold."""
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < _LARGEST


def _integer(entry: Entry, key: str) -> int:
    value = entry.get(key)
    if not isinstance(value, int) or isinstance(value, bool):
        raise ContentError(f"an entry has no whole number '{key}'")
    return value


def read_coco_predictions(path: Path, animals: Animals) -> PoseTable:
    """Read predictions that lp or another tool wrote; animals are told by their ``track_id``.

    Raises:
        ContentError: The file is no COCO file, or holds labels.
        PoseError: It holds several animals in an image, of which none is chosen.
    """
    content = read_coco(path)
    if content.annotations and not content.is_predicted:
        raise ContentError("the annotations are labels (without a score), not predictions")
    rows = content.rows(animals.wanted)
    numbers = tuple(image["id"] for image, _ in rows)
    check_animals(animals, map(_track, content.annotations), numbers, "image")
    found, K = [one for _, one in rows], len(content.skeleton)
    images = [image for image, _ in rows]
    sets = [image.get("set") for image in images]
    table = content.table(found, numbers, scorer="tracker")
    return replace(
        table,
        frame=_frames(images),
        individual=table.individual if animals.several else None,
        score=np.array(list(map(_score, found))) if animals.several else None,
        visibility=None,
        confidence=np.array([_confidence(one, K) for one in found]).reshape(len(rows), K),
        split=tuple(map(str, sets)) if sets and set(map(type, sets)) == {str} else None,
    )


def _score(annotation: Entry | None) -> float:
    score = None if annotation is None else annotation.get("score")
    return float(score) if _is_number(score) else np.nan  # type: ignore[arg-type]


def _confidence(annotation: Entry | None, count: int) -> list[float]:
    """The confidence of each of the keypoints; NaN where there is none."""
    scores = None if annotation is None else annotation.get("keypoint_scores")
    if annotation is None or scores is None:
        return [np.nan] * count
    number = annotation.get("id", 0)
    if not isinstance(scores, list) or len(scores) != count:
        raise ContentError(f"annotation {number} has no list of {count} keypoint_scores")
    if not all(score is None or _is_number(score) for score in scores):
        raise ContentError(f"annotation {number} has a score that is not a number")
    return [np.nan if score is None else float(score) for score in scores]


def _frames(images: Sequence[Entry]) -> Frames:
    numbers = [image.get(_FRAME) for image in images]
    if all(isinstance(number, int) and not isinstance(number, bool) for number in numbers):
        return tuple(int(number) for number in numbers if number is not None)
    return tuple(image["file_name"] for image in images)
