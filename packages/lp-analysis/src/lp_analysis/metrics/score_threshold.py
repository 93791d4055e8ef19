"""From which score on something that was found counts as an animal."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Int
from numpy import ndarray
from scipy.optimize import linear_sum_assignment

LEAST, MOST = 0.1, 0.5
"""Thresholds stay in this range, whatever few frames say."""


class FoundAnimals(NamedTuple):
    """What was found in a frame, and what is there."""

    points: Float[ndarray, "found keypoints 2"]
    """Frame px, NaN for a keypoint that was not found; centroids are one keypoint."""

    scores: Float[ndarray, " found"]
    """From 0 to 1."""

    truth: Float[ndarray, "animals keypoints 2"]
    """The labels in frame px, NaN where there is none."""


def calibrated_threshold(
    frames: Iterable[FoundAnimals], reach: float, lowest: float = 0.0
) -> float:
    """The score that separates animals best from false detections.

    Args:
        frames: Frames that were not trained on.
        reach: Px between the keypoints of what was found and those of its animal on average.
        lowest: A score at which nothing is an animal, although few frames may not show it.
    """
    scores, correct, animals = [], [], 0
    for frame in frames:
        match = match_animals(frame.points, frame.truth, reach)
        correct.append(np.isin(np.arange(len(frame.points)), match))
        scores.append(frame.scores)
        animals += int(np.isfinite(frame.truth).all(axis=2).any(axis=1).sum())
    return best_threshold(scores, correct, animals, lowest)


def match_animals(
    points: Float[ndarray, "found keypoints 2"],
    truth: Float[ndarray, "animals keypoints 2"],
    reach: float,
) -> Int[ndarray, " animals"]:
    """Which of the poses found in a frame each labelled animal is, -1 where it was not found.

    As many animals as possible have one, and of these assignments the one with the least distance.

    Args:
        points: Frame px, NaN for a keypoint that was not found.
        truth: Frame px, NaN for a keypoint without a label.
        reach: Px between the keypoints that both have, on average, at most.
    """
    apart = np.linalg.norm(points[None] - truth[:, None], axis=-1)
    both = np.isfinite(apart)
    total = np.where(both, apart, 0).sum(axis=-1)
    distance = np.where(both.any(axis=-1), total / np.maximum(both.sum(axis=-1), 1), np.inf)
    near = distance <= reach
    gain = np.where(near, len(truth) + 1 - distance / max(reach, 1e-9), 0.0)
    animals, found = linear_sum_assignment(gain, maximize=True)
    match = np.full(len(truth), -1)
    match[animals] = np.where(near[animals, found], found, -1)
    return match


def best_threshold(
    scores: Sequence[Float[ndarray, " _"]],
    correct: Sequence[Bool[ndarray, " _"]],
    animals: int,
    lowest: float = 0.0,
) -> float:
    """The threshold with the largest F1; between several, the geometric middle of their range.

    Args:
        scores: For each frame those of what was found, from 0 to 1.
        correct: Whether each is an animal.
        animals: How many there are in all frames.
        lowest: As for `calibrated_threshold`.
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
    return float(np.clip(np.sqrt(max(below, lowest, 1e-9) * values[best]), LEAST, MOST))
