"""The rows of one frame as the tracker compares them."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Int
from numpy import ndarray

LEAST_WEIGHT = 0.05
_MOST_PAIRS = 32
_COMPLETE = 0.75  # share of the keypoints that a row needs for its size to count


class Detections(NamedTuple):
    """N rows that have a position, in an order that does not depend on that of the table.

    Attributes:
        row: (N,) their places among the rows of the frame.
        points: (N, 2, K) frame px; NaN where there is none.
        weight: (N, K) confidences, `LEAST_WEIGHT` at least; 0 where there is no position.
        centre: (N, 2) medians of the positions.
        size: (N,) diagonals of the boxes around the positions, in frame px; NaN where too few
            keypoints are known to tell.
        limbs: (N, E) logarithms of the distances between pairs of keypoints; NaN where unknown.
        score: (N,) how certain a row is, from 0 to 1; NaN where nothing tells it.
        appearance: (N, D) vectors of what the animals look like; D is 0 without any.
    """

    row: Int[ndarray, " rows"]
    points: Float[ndarray, "rows 2 keypoints"]
    weight: Float[ndarray, "rows keypoints"]
    centre: Float[ndarray, "rows 2"]
    size: Float[ndarray, " rows"]
    limbs: Float[ndarray, "rows limbs"]
    score: Float[ndarray, " rows"]
    appearance: Float[ndarray, "rows features"]

    def __len__(self) -> int:
        """N."""
        return len(self.row)


def detections_of(
    points: Float[ndarray, "rows keypoints 2"],
    confidence: Float[ndarray, "rows keypoints"] | None,
    score: Float[ndarray, " rows"] | None,
    appearance: Float[ndarray, "rows features"] | None,
    pairs: Int[ndarray, "2 limbs"],
) -> Detections:
    """The rows of a frame that have any position.

    Args:
        points: Frame px; NaN where there is none.
        confidence: From 0 to 1; NaN counts as certain.
        score: From 0 to 1; where it is missing the mean confidence is taken.
        appearance: Vectors whose variance within an individual is 1.
        pairs: Keypoints whose distances tell individuals apart.
    """
    by_axis = np.ascontiguousarray(points.transpose(0, 2, 1), np.float64)
    known: Bool[ndarray, "rows keypoints"] = np.all(np.isfinite(by_axis), axis=1)
    by_axis = np.where(known[:, None], by_axis, np.nan)
    centre = masked_median(by_axis, known[:, None])
    weight = known.astype(np.float64)
    certain = np.full(len(known), np.nan)
    if confidence is not None:
        given = np.where(np.isnan(confidence), 1.0, confidence)
        weight = np.where(known, np.clip(given, LEAST_WEIGHT, 1.0), 0.0)
        certain = weight.sum(axis=1) / np.maximum(known.sum(axis=1), 1)
    if score is not None:
        certain = np.where(np.isnan(score), certain, score)
    row = np.lexsort((certain, centre[:, 1], centre[:, 0]))
    row = row[known[row].any(axis=1)]
    return Detections(
        row,
        by_axis[row],
        weight[row],
        centre[row],
        body_sizes(by_axis[row], known[row]),
        limbs_of(by_axis[row], pairs),
        certain[row],
        np.zeros((len(row), 0)) if appearance is None else appearance[row],
    )


def masked_median(
    values: Float[ndarray, "*rows keypoints"], known: Bool[ndarray, "*same keypoints"]
) -> Float[ndarray, "*rows"]:
    """The medians over the last axis of what is known; NaN where nothing is.

    Args:
        values: NaN where it is not known.
        known: Broadcasts with ``values``.
    """
    ordered = np.sort(values, axis=-1)
    count = np.broadcast_to(known, values.shape).sum(axis=-1)
    low, high = np.maximum(count - 1, 0) // 2, count // 2
    high = np.minimum(high, values.shape[-1] - 1)
    flat = ordered.reshape(-1, values.shape[-1])
    at = np.arange(len(flat))
    middle = (flat[at, low.ravel()] + flat[at, high.ravel()]) / 2
    return middle.reshape(count.shape)


def body_sizes(
    points: Float[ndarray, "rows 2 keypoints"], known: Bool[ndarray, "rows keypoints"]
) -> Float[ndarray, " rows"]:
    """The diagonals of the boxes around poses, px; NaN where too few keypoints are known.

    Args:
        points: Frame px.
        known: Which keypoints have a position.
    """
    low = np.where(known[:, None], points, np.inf).min(axis=2)
    high = np.where(known[:, None], points, -np.inf).max(axis=2)
    diagonal = np.hypot(*(high - low).T)
    enough = known.sum(axis=1) >= max(2.0, _COMPLETE * known.shape[1])
    return np.where(enough & (diagonal > 0), diagonal, np.nan)


def limbs_of(
    points: Float[ndarray, "rows 2 keypoints"], pairs: Int[ndarray, "2 limbs"]
) -> Float[ndarray, "rows limbs"]:
    """The logarithms of the distances between pairs of keypoints; NaN where one is unknown."""
    between = points[:, :, pairs[0]] - points[:, :, pairs[1]]
    return 0.5 * np.log((between * between).sum(axis=1) + 1e-6)


def limb_pairs(keypoints: int, edges: ndarray | None = None) -> Int[ndarray, "2 limbs"]:
    """The pairs of keypoints whose distances describe a body.

    Args:
        keypoints: K.
        edges: (E, 2) those that a skeleton joins; without any, pairs spread over all of them.
    """
    if edges is not None and len(edges):
        return np.asarray(edges, np.int64).reshape(-1, 2).T
    pairs = np.array(np.triu_indices(keypoints, 1), dtype=np.int64)
    if pairs.shape[1] > _MOST_PAIRS:
        pairs = pairs[:, np.linspace(0, pairs.shape[1] - 1, _MOST_PAIRS).round().astype(int)]
    return pairs
