"""Predictions as COCO keypoints: one annotation for each image, with a score for each keypoint.

COCO has no place for a confidence of each keypoint; MMPose and others add the list
``keypoint_scores``, and so does lp. Frames of a video have no file name; they get a made-up one,
with their number beside it.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from lp_io.predictions.table import PredictionTable
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
from lp_io.untrusted.individuals import unknown_individual

_FRAME = "frame_number"


def write_coco_predictions(table: PredictionTable, path: Path) -> list[str]:
    """Write predictions to ``path``, in place.

    Returns:
        What could not be kept.

    Raises:
        ContentError: A name is no valid text, or a number is infinite.
    """
    half = np.isnan(table.keypoints).any(axis=-1) & ~np.isnan(table.keypoints).all(axis=-1)
    images, annotations = [], []
    for row, item in enumerate(table.index):
        images.append(_image(table, row, item))
        annotations.append(_annotation(table, row))
    write_coco(
        CocoFile(
            keypoint_names=table.keypoint_names,
            images=tuple(images),
            annotations=tuple(annotations),
            contributor=table.scorer,
        ),
        path,
    )
    if not half.any():
        return []
    return [f"{int(half.sum())} positions with only one coordinate: COCO keeps none of it"]


def _image(table: PredictionTable, row: int, item: object) -> CocoImage:
    extra: dict[str, Any] = {} if table.sets is None else {"set": table.sets[row]}
    if isinstance(item, int):
        return CocoImage(row + 1, f"frame{item:08d}", extra={_FRAME: item, **extra})
    return CocoImage(row + 1, str(item), extra=extra)


def _annotation(table: PredictionTable, row: int) -> CocoAnnotation:
    positions = table.keypoints[row].astype(np.float64)
    codes = np.where(np.isfinite(positions).all(axis=-1), 2, 0)
    scores = table.confidences[row]
    known = scores[np.isfinite(scores)]
    extra: dict[str, Any] = {
        "keypoint_scores": [None if np.isnan(s) else _shortest(s) for s in scores]
    }
    if len(known):
        extra["score"] = float(known.mean(dtype=np.float64))
    return CocoAnnotation(row + 1, row + 1, keypoint_numbers(table.keypoints[row], codes), extra)


def _shortest(score: Any) -> float:
    """The score with as few digits as its type needs."""
    return float(str(score))


def read_coco_predictions(path: Path, individual: str | None = None) -> PredictionTable:
    """Read predictions that lp or another tool wrote as COCO keypoints.

    Args:
        path: The file.
        individual: Which animal to take, by its ``track_id``.

    Raises:
        ContentError: The file is no COCO file, or holds several animals in an image, or labels.
    """
    content = read_coco(path)
    by_image: dict[int, CocoAnnotation] = {}
    for annotation in _of_individual(content.annotations, individual):
        if by_image.setdefault(annotation.image_id, annotation) is not annotation:
            raise ContentError(
                f"image {annotation.image_id} has several animals; lp tracks one",
                _known_tracks(content.annotations),
            )
    scored = any({"keypoint_scores", "score"} & set(a.extra) for a in content.annotations)
    if content.annotations and not scored:
        raise ContentError("the annotations are labels (without a score), not predictions")
    K = len(content.keypoint_names)
    positions = np.full((len(content.images), K, 2), np.nan)
    confidences = np.full((len(content.images), K), np.nan)
    for row, image in enumerate(content.images):
        found = by_image.get(image.id)
        if found is not None:
            positions[row] = positions_of(found.keypoints)[0]
            confidences[row] = _scores(found, K)
    return PredictionTable(
        keypoint_names=content.keypoint_names,
        keypoints=positions,
        confidences=confidences,
        index=_index(content.images),
        sets=_sets(content.images),
        scorer=content.contributor or "tracker",
    )


def _of_individual(
    annotations: Sequence[CocoAnnotation], individual: str | None
) -> list[CocoAnnotation]:
    """The annotations of one animal; all of them where none is wanted."""
    if individual is None:
        return list(annotations)
    names = {track_of(annotation) for annotation in annotations}
    if individual not in names:
        raise unknown_individual(individual, sorted(names - {""}))
    return [annotation for annotation in annotations if track_of(annotation) == individual]


def _known_tracks(annotations: Sequence[CocoAnnotation]) -> str | None:
    names = sorted({track_of(annotation) for annotation in annotations} - {""})
    if not names:
        return None
    return f"choose one with litpose convert --individual: {', '.join(names)}"


def _scores(annotation: CocoAnnotation, count: int) -> list[float]:
    scores = annotation.extra.get("keypoint_scores")
    if scores is None:
        return [np.nan] * count
    if not isinstance(scores, list) or len(scores) != count:
        raise ContentError(f"annotation {annotation.id} has no list of {count} keypoint_scores")
    if not all(score is None or is_number(score) for score in scores):
        raise ContentError(f"annotation {annotation.id} has a score that is no number")
    return [np.nan if score is None else float(score) for score in scores]


def _index(images: tuple[CocoImage, ...]) -> tuple[str, ...] | tuple[int, ...]:
    numbers = [image.extra.get(_FRAME) for image in images]
    if all(isinstance(number, int) and not isinstance(number, bool) for number in numbers):
        return tuple(int(number) for number in numbers if number is not None)
    return tuple(image.file_name for image in images)


def _sets(images: tuple[CocoImage, ...]) -> tuple[str, ...] | None:
    sets = [image.extra.get("set") for image in images]
    if not images or not all(isinstance(name, str) for name in sets):
        return None
    return tuple(str(name) for name in sets)
