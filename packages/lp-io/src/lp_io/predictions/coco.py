"""Predictions as COCO keypoints: an annotation for each row, with a score for each keypoint.

COCO has no place for a confidence of each keypoint; MMPose and others add the list
``keypoint_scores``, and so does lp. Frames of a video have no file name; they get a made-up one,
with their number beside it. Individuals are told by ``track_id``.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from lp_core.errors import PoseError
from lp_core.poses import Animals, Frames, PoseTable, confidence_of
from lp_core.poses.grid import unknown_individual
from lp_io.untrusted.coco import (
    CocoAnnotation,
    CocoFile,
    CocoImage,
    is_number,
    keypoint_numbers,
    positions_of,
    read_coco,
    track_of,
    write_coco,
)
from lp_io.untrusted.content import ContentError

_FRAME = "frame_number"


def write_coco_predictions(table: PoseTable, path: Path) -> list[str]:
    """Write predictions to ``path``, in place.

    Returns:
        What could not be kept.

    Raises:
        ContentError: A name is not a valid text, or a number is infinite.
    """
    half = np.isnan(table.points).any(axis=-1) & ~np.isnan(table.points).all(axis=-1)
    images: list[CocoImage] = []
    annotations: list[CocoAnnotation] = []
    for frame, rows in _groups(table):
        images.append(_image(table, rows[0], frame, len(images) + 1))
        for row in rows:
            if not (table.individual is not None and len(rows) == 1 and _is_empty(table, row)):
                annotations.append(_annotation(table, row, len(annotations) + 1, len(images)))
    write_coco(
        CocoFile(table.skeleton, tuple(images), tuple(annotations), contributor=table.scorer),
        path,
    )
    if not half.any():
        return []
    return [f"{int(half.sum())} positions with only one coordinate: COCO keeps none of it"]


def _groups(table: PoseTable) -> list[tuple[str | int, list[int]]]:
    """Each frame with its rows; of a table without individuals every row by itself."""
    if table.individual is None:
        return [(table.frame[row], [row]) for row in range(len(table))]
    return [(frame, rows.tolist()) for frame, rows in table.by_frame()]


def _is_empty(table: PoseTable, row: int) -> bool:
    """Whether a row only says that its frame has no animal."""
    name = None if table.individual is None else table.individual[row]
    values = (table.points[row], confidence_of(table)[row])
    return name is None and all(np.isnan(each).all() for each in values)


def _image(table: PoseTable, row: int, frame: object, number: int) -> CocoImage:
    extra: dict[str, Any] = {} if table.split is None else {"set": table.split[row]}
    if isinstance(frame, int):
        return CocoImage(number, f"frame{frame:08d}", extra={_FRAME: frame, **extra})
    return CocoImage(number, str(frame), extra=extra)


def _annotation(table: PoseTable, row: int, number: int, image: int) -> CocoAnnotation:
    points = table.points[row]
    codes = np.where(np.isfinite(points.astype(np.float64)).all(axis=-1), 2, 0)
    scores = confidence_of(table)[row]
    known = scores[np.isfinite(scores)]
    extra: dict[str, Any] = {
        "keypoint_scores": [None if np.isnan(s) else _shortest(s) for s in scores]
    }
    if table.score is not None and np.isfinite(table.score[row]):
        extra["score"] = float(table.score[row])
    elif len(known):
        extra["score"] = float(known.mean(dtype=np.float64))
    if table.individual is not None and table.individual[row] is not None:
        extra["track_id"] = table.individual[row]
    return CocoAnnotation(number, image, keypoint_numbers(points, codes), extra)


def _shortest(score: Any) -> float:
    """The score with as few digits as its type needs."""
    return float(str(score))


def read_coco_predictions(path: Path, animals: Animals) -> PoseTable:
    """Read predictions that lp or another tool wrote as COCO keypoints.

    Args:
        path: The file.
        animals: Which animals to take, by their ``track_id``.

    Raises:
        ContentError: The file is no COCO file, or holds labels.
        PoseError: It holds several animals in an image, of which none is chosen.
    """
    content = read_coco(path)
    by_image: dict[int, list[CocoAnnotation]] = defaultdict(list)
    for annotation in _of_animals(content.annotations, animals):
        by_image[annotation.image_id].append(annotation)
        if not animals.several and len(by_image[annotation.image_id]) > 1:
            raise PoseError(
                f"image {annotation.image_id} has several animals; lp tracks one",
                remedy=_known_tracks(content.annotations),
            )
    scored = any({"keypoint_scores", "score"} & set(a.extra) for a in content.annotations)
    if content.annotations and not scored:
        raise ContentError("the annotations are labels (without a score), not predictions")
    rows: list[tuple[int, CocoAnnotation | None]] = []
    for place, image in enumerate(content.images):
        rows += [(place, found) for found in by_image[image.id]] or [(place, None)]
    K = len(content.skeleton)
    points, confidence = np.full((len(rows), K, 2), np.nan), np.full((len(rows), K), np.nan)
    for row, (_, found) in enumerate(rows):
        if found is not None:
            points[row] = positions_of(found.keypoints)[0]
            confidence[row] = _scores(found, K)
    tracks = tuple(None if found is None else track_of(found) or None for _, found in rows)
    several = animals.several and (any(tracks) or len(rows) > len(content.images))
    images = [content.images[place] for place, _ in rows]
    return PoseTable(
        content.skeleton,
        points,
        _frames(images),
        individual=tracks if several else None,
        score=np.array([_score(found) for _, found in rows]) if animals.several else None,
        confidence=confidence,
        split=_splits(images),
        scorer=content.contributor or "tracker",
    )


def _of_animals(annotations: Sequence[CocoAnnotation], animals: Animals) -> list[CocoAnnotation]:
    """The annotations of the animals that are taken."""
    if animals.wanted is None:
        return list(annotations)
    names = {track_of(annotation) for annotation in annotations}
    if animals.wanted not in names:
        raise unknown_individual(animals.wanted, sorted(names - {""}))
    return [annotation for annotation in annotations if track_of(annotation) == animals.wanted]


def _known_tracks(annotations: Sequence[CocoAnnotation]) -> str | None:
    names = sorted({track_of(annotation) for annotation in annotations} - {""})
    if not names:
        return None
    return f"choose one with litpose convert --individual: {', '.join(names)}"


def _score(annotation: CocoAnnotation | None) -> float:
    score = None if annotation is None else annotation.extra.get("score")
    return float(score) if is_number(score) else np.nan  # type: ignore[arg-type]


def _scores(annotation: CocoAnnotation, count: int) -> list[float]:
    scores = annotation.extra.get("keypoint_scores")
    if scores is None:
        return [np.nan] * count
    if not isinstance(scores, list) or len(scores) != count:
        raise ContentError(f"annotation {annotation.id} has no list of {count} keypoint_scores")
    if not all(score is None or is_number(score) for score in scores):
        raise ContentError(f"annotation {annotation.id} has a score that is not a number")
    return [np.nan if score is None else float(score) for score in scores]


def _frames(images: Sequence[CocoImage]) -> Frames:
    numbers = [image.extra.get(_FRAME) for image in images]
    if all(isinstance(number, int) and not isinstance(number, bool) for number in numbers):
        return tuple(int(number) for number in numbers if number is not None)
    return tuple(image.file_name for image in images)


def _splits(images: Sequence[CocoImage]) -> tuple[str, ...] | None:
    sets = [image.extra.get("set") for image in images]
    if not images or not all(isinstance(name, str) for name in sets):
        return None
    return tuple(str(name) for name in sets)
