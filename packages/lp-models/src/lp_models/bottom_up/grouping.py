"""Group the peaks of all keypoints of an image into animals, by what they vote for.

Each peak votes for the centre of its animal and, where the shape of animals is known, for its
heading: how the peak lies to that centre, and how it should. So animals that lie across each other
are two. Where many votes meet is an animal (the modes of their density, found by mean shift), and
each keypoint's peaks are assigned to the animals exactly: the sum over pairs of

    distance of the vote from the animal / `SPREAD` - score of the peak

is the least that it can be, and a peak whose vote is farther than `REACH` from an animal is not of
it, whatever else is left over. A heading is a point on a circle of radius `HEADING`. Distances are
in body lengths, so that nothing depends on how large, how turned or how many the animals are.
Nothing here depends on the order of peaks or keypoints, or on other images.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int
from numpy import ndarray
from scipy.optimize import linear_sum_assignment

SPREAD = 0.1
"""Of votes around their centre: so much distance counts as much as the whole score of a peak."""

REACH = 0.4
"""Farthest vote of an animal."""

HEADING = 0.25
"""Half the distance between votes for opposite headings."""

LEAST_SCORE = 0.05
"""Lower peaks are none."""

_BANDWIDTH = 0.135
_STEPS = 30
_STILL = 1e-3


class Peaks(NamedTuple):
    """P peaks of one image, of all keypoints.

    Attributes:
        keypoint: (P,) which keypoint each is of.
        votes: (P, 2) the centre that each votes for, in body lengths.
        scores: (P,) from 0 to 1.
        headings: (P,) radians, NaN where the peak tells none; None where no peak does.
    """

    keypoint: Int[ndarray, " peaks"]
    votes: Float[ndarray, "peaks 2"]
    scores: Float[ndarray, " peaks"]
    headings: Float[ndarray, " peaks"] | None = None

    @property
    def on_circle(self) -> Float[ndarray, "peaks 2"]:
        """(P, 2) headings as points, NaN where there is none."""
        if self.headings is None:
            return np.full_like(self.votes, np.nan)
        return HEADING * np.stack([np.cos(self.headings), np.sin(self.headings)], axis=1)


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
        centres: Where the centre of an animal was seen, in body lengths; each counts as one vote
            where no peak tells a heading.
        centre_scores: From 0 to 1.
        keypoints: K.
        fewest: Keypoints that an animal needs at least.
        most: Animals at most.
    """
    on_circle = peaks.on_circle
    told = np.isfinite(on_circle[:, 0])
    if told.any():
        votes, weights = np.hstack([peaks.votes, on_circle])[told], peaks.scores[told]
    else:
        votes = np.concatenate([peaks.votes, centres])
        weights = np.concatenate([peaks.scores, centre_scores])
    modes = vote_modes(votes, weights)[:most]
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


def headings(
    offsets: Float[ndarray, "peaks 2"], shape: Float[ndarray, "peaks 2"]
) -> Float[ndarray, " peaks"]:
    """The heading of the animal that each peak is of, in radians; NaN where it tells none.

    Args:
        offsets: From the peak to the centre that it votes for.
        shape: From the centre to the peak in an animal of heading 0; 0 where that tells nothing.
    """
    seen, expected = (np.arctan2(vector[:, 1], vector[:, 0]) for vector in (offsets, -shape))
    return np.where((shape != 0).any(axis=1), seen - expected, np.nan)


def vote_modes(
    votes: Float[ndarray, "votes dims"], weights: Float[ndarray, " votes"]
) -> Float[ndarray, "modes dims"]:
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
        if all(np.linalg.norm(modes[mode] - modes[other]) > _BANDWIDTH for other in kept):
            kept.append(mode)
    return modes[kept]


def _squared_distances(
    places: Float[ndarray, "places dims"], votes: Float[ndarray, "votes dims"]
) -> Float[ndarray, "places votes"]:
    squared = np.zeros((len(places), len(votes)))
    for here, there in zip(places.T, votes.T, strict=True):
        squared += np.square(here[:, None] - there)
    return squared


def _kernel(squared: Float[ndarray, "places votes"]) -> Float[ndarray, "places votes"]:
    kernel: Float[ndarray, "places votes"] = np.exp(squared / (-2 * _BANDWIDTH**2))
    return kernel


def assign(
    peaks: Peaks, animals: Float[ndarray, "animals dims"], keypoints: int
) -> Int[ndarray, "animals keypoints"]:
    """For each animal the peak of each keypoint, -1 where none fits; no peak is of two animals.

    Args:
        peaks: Of the image.
        animals: The centre of each and, with 4 numbers, its heading as a point on the circle.
        keypoints: K.
    """
    chosen = np.full((len(animals), keypoints), -1, dtype=np.int64)
    squared = _squared_distances(animals[:, :2], peaks.votes)
    if animals.shape[1] > 2:  # what tells no heading fits any
        squared += np.nan_to_num(_squared_distances(animals[:, 2:], peaks.on_circle))
    distance = np.sqrt(squared)
    gain = np.where(distance <= REACH, (REACH - distance) / SPREAD + peaks.scores, 0.0)
    for keypoint in range(keypoints):
        own = np.flatnonzero(peaks.keypoint == keypoint)
        # pairs that do not fit gain nothing, so that they are no better than being left out
        rows, places = linear_sum_assignment(gain[:, own], maximize=True)
        fits = gain[rows, own[places]] > 0
        chosen[rows[fits], keypoint] = own[places[fits]]
    return chosen
