"""Group the peaks of all keypoints of an image into animals, by what they vote for.

Each peak votes for the centre of its animal. Where many votes meet is an animal (the modes of their
density, found by mean shift), and each keypoint's peaks are assigned to the animals exactly: the
sum over pairs of

    distance of the vote from the centre / `SPREAD` - score of the peak

is the least that it can be, and a peak whose vote is farther than `REACH` from a centre is not of
that animal, whatever else is left over. Distances are in body lengths, so that nothing depends on
how large, how turned or how many the animals are. Nothing here depends on the order of peaks or
keypoints, or on other images.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int
from numpy import ndarray
from scipy.optimize import linear_sum_assignment

SPREAD = 0.1
"""Of votes around their centre: so much distance counts as much as the whole score of a peak."""

REACH = 0.35
"""Farthest vote of an animal."""

LEAST_SCORE = 0.05
"""Lower peaks are none."""

_BANDWIDTH = 0.12
_STEPS = 30
_STILL = 1e-3


class Peaks(NamedTuple):
    """P peaks of one image, of all keypoints.

    Attributes:
        keypoint: (P,) which keypoint each is of.
        votes: (P, 2) the centre that each votes for, in body lengths.
        scores: (P,) from 0 to 1.
    """

    keypoint: Int[ndarray, " peaks"]
    votes: Float[ndarray, "peaks 2"]
    scores: Float[ndarray, " peaks"]


def group(
    peaks: Peaks,
    centres: Float[ndarray, "centres 2"],
    centre_scores: Float[ndarray, " centres"],
    *,
    keypoints: int,
    fewest: int,
    most: int,
) -> Int[ndarray, "animals keypoints"]:
    """The peaks of each animal, -1 for a keypoint that it lacks; the animal of most score first.

    Args:
        peaks: Of the image.
        centres: Where the centre of an animal was seen, in body lengths; each counts as one vote.
        centre_scores: From 0 to 1.
        keypoints: K.
        fewest: Keypoints that an animal needs at least.
        most: Animals at most.
    """
    votes = np.concatenate([peaks.votes, centres])
    modes = vote_modes(votes, np.concatenate([peaks.scores, centre_scores]))[:most]
    while True:
        chosen = assign(peaks, modes, keypoints)
        count = (chosen >= 0).sum(axis=1)
        score = _total_scores(chosen, peaks.scores)
        if not (count < fewest).any():
            break
        # the others may want what it had
        weakest = np.lexsort((*modes.T, score, count))[0]
        modes = np.delete(modes, weakest, axis=0)
    return chosen[np.lexsort((*modes.T, -score))]


def _total_scores(
    chosen: Int[ndarray, "animals keypoints"], scores: Float[ndarray, " peaks"]
) -> Float[ndarray, " animals"]:
    found: Float[ndarray, " animals"] = np.where(
        chosen >= 0, np.append(scores, 0.0)[chosen], 0.0
    ).sum(axis=1)
    return found


def vote_modes(
    votes: Float[ndarray, "votes 2"], weights: Float[ndarray, " votes"]
) -> Float[ndarray, "modes 2"]:
    """Where weighted votes meet, in body lengths; where most do, first.

    Mean shift with a Gaussian kernel (Comaniciu and Meer 2002), from the votes with the most votes
    around them.
    """
    apart = _squared_distances(votes, votes)
    density = _kernel(apart) @ weights
    around = np.where(apart <= _BANDWIDTH**2, density, 0).max(axis=1, initial=0)
    modes = votes[density >= around]
    for _ in range(_STEPS if len(votes) else 0):
        kernel = weights * _kernel(_squared_distances(modes, votes))
        total = kernel.sum(axis=1, keepdims=True)
        moved = kernel @ votes / total
        still = np.abs(moved - modes).max() < _STILL
        modes, density = moved, total[:, 0]
        if still:
            break
    kept: list[int] = []
    for mode in np.lexsort((*modes.T, -density)).tolist():
        if all(np.hypot(*(modes[mode] - modes[other])) > _BANDWIDTH for other in kept):
            kept.append(mode)
    return modes[kept]


def _squared_distances(
    places: Float[ndarray, "places 2"], votes: Float[ndarray, "votes 2"]
) -> Float[ndarray, "places votes"]:
    x, y = (places[:, None, axis] - votes[None, :, axis] for axis in (0, 1))
    squared: Float[ndarray, "places votes"] = x * x + y * y
    return squared


def _kernel(squared: Float[ndarray, "places votes"]) -> Float[ndarray, "places votes"]:
    kernel: Float[ndarray, "places votes"] = np.exp(squared / (-2 * _BANDWIDTH**2))
    return kernel


def assign(
    peaks: Peaks, centres: Float[ndarray, "animals 2"], keypoints: int
) -> Int[ndarray, "animals keypoints"]:
    """For each animal the peak of each keypoint, -1 where none fits; no peak is of two animals."""
    chosen = np.full((len(centres), keypoints), -1, dtype=np.int64)
    distance = np.sqrt(_squared_distances(centres, peaks.votes))
    gain = np.where(distance <= REACH, (REACH - distance) / SPREAD + peaks.scores, 0.0)
    for keypoint in range(keypoints):
        own = np.flatnonzero(peaks.keypoint == keypoint)
        # pairs that do not fit gain nothing, so that they are no better than being left out
        animals, places = linear_sum_assignment(gain[:, own], maximize=True)
        fits = gain[animals, own[places]] > 0
        chosen[animals[fits], keypoint] = own[places[fits]]
    return chosen
