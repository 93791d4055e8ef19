"""From which score on something that was found counts as an animal."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float
from numpy import ndarray
from scipy.optimize import linear_sum_assignment

LEAST, MOST = 0.1, 0.5
"""Thresholds stay in this range, whatever few frames say."""


class FoundAnimals(NamedTuple):
    """What was found in a frame, and what is there."""

    points: Float[ndarray, "found 2"]
    """Centroids in frame px."""

    scores: Float[ndarray, " found"]
    """From 0 to 1."""

    truth: Float[ndarray, "animals 2"]
    """The labelled centroids in frame px, NaN where there is none."""


def calibrated_threshold(frames: Iterable[FoundAnimals], reach: float) -> float:
    """The score that separates animals best from false detections.

    Args:
        frames: Frames that were not trained on.
        reach: Px between a point and its animal at most.
    """
    scores, correct, animals = [], [], 0
    for frame in frames:
        order = np.argsort(-frame.scores, kind="stable")
        truth = frame.truth[np.isfinite(frame.truth).all(axis=1)]
        correct.append(found_animals(frame.points[order], truth, reach))
        scores.append(frame.scores[order])
        animals += len(truth)
    return best_threshold(scores, correct, animals)


def found_animals(
    points: Float[ndarray, "found 2"], truth: Float[ndarray, "animals 2"], reach: float
) -> Bool[ndarray, " found"]:
    """Which of the points found in a frame are animals: each is matched with one at most.

    Args:
        points: In frame px, in the order in which they are matched.
        truth: The centroids of the labelled animals, in frame px.
        reach: Px between a point and its animal at most.
    """
    distance = np.linalg.norm(points[:, None] - truth[None], axis=-1)
    # as many within reach as possible, and of these the nearest
    cost = np.where(distance <= reach, distance / max(reach, 1e-9) - len(points) - 1, 0.0)
    rows, columns = linear_sum_assignment(cost)
    correct = np.zeros(len(points), dtype=bool)
    correct[rows] = distance[rows, columns] <= reach
    return correct


def best_threshold(
    scores: Sequence[Float[ndarray, " _"]], correct: Sequence[Bool[ndarray, " _"]], animals: int
) -> float:
    """The threshold with the largest F1; between several, the geometric middle of their range.

    Args:
        scores: For each frame those of what was found, from 0 to 1.
        correct: Whether each is an animal.
        animals: How many there are in all frames.
    """
    if not animals or not scores:
        return MOST
    values, right = np.concatenate(scores), np.concatenate(correct)
    order = np.argsort(-values, kind="stable")
    values, right = values[order].astype(np.float64), right[order]
    number = np.arange(1, len(values) + 1)
    f1 = 2 * np.cumsum(right) / (number + animals)
    last = np.append(values[1:] < values[:-1], True)  # equal scores are taken together
    best = np.flatnonzero(np.where(last, f1, -1) == f1[last].max())[-1]
    below = values[best + 1] if best + 1 < len(values) else 0.0
    return float(np.clip(np.sqrt(max(below, 1e-9) * values[best]), LEAST, MOST))
