"""Rows that show one animal twice."""

from __future__ import annotations

import numpy as np
from jaxtyping import Bool, Float, Int
from numpy import ndarray

from lp_analysis.metrics.oks import COCO_SIGMA, animal_areas, oks
from lp_core.poses import PoseTable

ALIKE = 0.4
"""Object keypoint similarity from which on two rows of a frame are of one animal."""


def without_duplicates(table: PoseTable, body_length: float, alike: float = ALIKE) -> PoseTable:
    """The rows of a table, of rows that show one animal only the one with the highest score.

    Whole poses are compared, and not boxes or centroids, so that two animals in contact both stay.

    Args:
        table: Predictions with scores.
        body_length: Of the animals, in frame px.
        alike: The least object keypoint similarity of two rows of one animal.
    """
    pairs, similarity = similar_pairs(table, body_length)
    kept: Bool[ndarray, " rows"] = np.ones(len(table), dtype=bool)
    for first, second in pairs[similarity >= alike].tolist():
        kept[second] &= not kept[first]
    return table.rows(np.flatnonzero(kept))


def similar_pairs(
    table: PoseTable, body_length: float
) -> tuple[Int[ndarray, "pairs 2"], Float[ndarray, " pairs"]]:
    """All pairs of rows of a frame, and their object keypoint similarity.

    Args:
        table: Predictions.
        body_length: Of the animals, in frame px.

    Returns:
        Pairs of the best rows first, in each the better row first; (P,) from 0 to 1.
    """
    pairs = _pairs(table)
    first, second = pairs.T
    areas = animal_areas(table.points, body_length) if len(table) else np.empty(0)
    sigmas = np.full(len(table.skeleton), COCO_SIGMA)
    points = table.points
    area = np.sqrt(areas[first] * areas[second])
    return pairs, oks(points[first], points[second], area, sigmas)


def _pairs(table: PoseTable) -> Int[ndarray, "pairs 2"]:
    scores = np.zeros(len(table)) if table.score is None else table.score
    pairs = [
        (order[i], order[j])
        for _, rows in table.by_frame()
        for order in [rows[np.argsort(-scores[rows], kind="stable")].tolist()]
        for i in range(len(order))
        for j in range(i + 1, len(order))
    ]
    return np.array(pairs, dtype=np.int64).reshape(-1, 2)
