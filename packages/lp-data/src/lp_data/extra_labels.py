"""Labels that a model gave: predictions of images that train another one, each with its weight."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from jaxtyping import Bool, Float
from numpy import ndarray

from lp_core.errors import PoseError, suggestion
from lp_core.poses import (
    Content,
    Origin,
    PoseTable,
    Visibility,
    concatenate,
    confidence_of,
    read_pose_csv,
)

SUGGESTED = "_suggested"
DISTILLED = "_distilled"
"""How the names of tables of predictions beside label files end: guesses that wait to be checked,
and extra labels."""


def with_extra_labels(labels: PoseTable, path: Path) -> PoseTable:
    """Labels by hand, and after them predictions of other images.

    An image that is labelled by hand keeps its labels: its predictions are left out, all of them.
    A keypoint without a position or with a weight of 0 teaches nothing.

    Args:
        labels: Labels by hand, of one animal before one camera.
        path: A table of predictions of images, whose likelihoods are the weights of the keypoints.

    Returns:
        The rows with their `origin`. The `confidence` of predictions is their weight.

    Raises:
        PoseError: The table cannot be read, has keypoints that the labels do not have, or weights
            that are not from 0 to 1; or the labels are of several animals.
    """
    if labels.individual is not None or labels.view is not None:
        raise PoseError(
            "extra labels are of one animal before one camera, but the project has several",
            where=path,
            remedy="leave out data.extra_labels",
        )
    extra = read_pose_csv(path, Content.PREDICTIONS)
    unknown = [name for name in extra.keypoint_names if name not in labels.keypoint_names]
    if unknown:
        raise PoseError(
            f"the labels have no keypoint '{unknown[0]}'",
            where=path,
            remedy=suggestion(unknown[0], labels.keypoint_names),
        )
    hand = set(labels.image_paths)
    extra = extra.rows([row for row, image in enumerate(extra.image_paths) if image not in hand])
    own = replace(labels, origin=(Origin.LABELLED,) * len(labels))
    return concatenate([own, _aligned(extra, labels, path)])


def _aligned(extra: PoseTable, labels: PoseTable, path: Path) -> PoseTable:
    """Predictions with the keypoints of the labels, and what each teaches."""
    places = [labels.keypoint_names.index(name) for name in extra.keypoint_names]
    shape = (len(extra), labels.num_keypoints)
    points, weights = np.full((*shape, 2), np.nan), np.zeros(shape)
    points[:, places] = extra.points
    weights[:, places] = np.nan_to_num(confidence_of(extra))
    if ((weights < 0) | (weights > 1)).any():
        raise PoseError("the likelihoods, which are the weights, are not from 0 to 1", where=path)
    taught = np.isfinite(points).all(axis=-1) & (weights > 0)
    return PoseTable(
        labels.skeleton,
        np.where(taught[..., None], points, np.nan),
        extra.frame,
        confidence=np.where(taught, weights, 0.0),
        visibility=np.where(taught, Visibility.VISIBLE, Visibility.UNLABELED).astype(np.int8),
        origin=(Origin.PREDICTED,) * len(extra),
        scorer=labels.scorer,
        read_from=extra.read_from,
    )


def is_extra(table: PoseTable) -> Bool[ndarray, " rows"]:
    """(R,) which rows of a label table are predictions."""
    origin: Sequence[Origin | None] = table.origin or (None,) * len(table)
    return np.array([each is Origin.PREDICTED for each in origin], dtype=bool)


def weights_of(table: PoseTable) -> Float[ndarray, "rows keypoints"] | None:
    """(R, K) how much each label counts; None where all are by hand."""
    extra = is_extra(table)
    return np.where(extra[:, None], confidence_of(table), 1.0) if extra.any() else None
