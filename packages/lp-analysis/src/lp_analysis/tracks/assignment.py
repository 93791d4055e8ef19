"""The rows of a frame assigned to tracks: exactly, with births and losses among the costs."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int
from numpy import ndarray
from scipy.optimize import linear_sum_assignment

BORN = -1
LEFT_OUT = -2


class Assignment(NamedTuple):
    """What becomes of each row.

    Attributes:
        track: (N,) the place of the row's track, `BORN` for a new one, or `LEFT_OUT`.
        margin: (N,) the total cost of the best assignment in which the row's fate is another, less
            the least total cost; infinite where it has no other. Never negative.
        cost: The least total cost, relative to that of losing all tracks.
    """

    track: Int[ndarray, " rows"]
    margin: Float[ndarray, " rows"]
    cost: float


def assign(
    match: Float[ndarray, "tracks rows"],
    miss: Float[ndarray, " tracks"],
    birth: Float[ndarray, " rows"],
    left_out: Float[ndarray, " rows"],
    births: int,
) -> Assignment:
    """Assign each row to a track, to a new track or to none, at the least total cost.

    Every choice is in one cost matrix, so that nothing is forced and undone afterwards.

    Args:
        match: The cost of a row in a track; infinite where it is impossible.
        miss: The cost of a track without a row.
        birth: The cost of a row that begins a track; infinite where it may not.
        left_out: The cost of a row without a track; finite wherever `birth` is not.
        births: How many tracks may begin.
    """
    tracks, rows = match.shape
    free = births >= rows  # each row may begin a track, whatever the others do
    own, shared = (np.minimum(left_out, birth), 0) if free else (left_out, births)
    costs = np.full((rows, tracks + shared + rows), np.inf)
    costs[:, :tracks] = (match - miss[:, None]).T
    costs[:, tracks : tracks + shared] = birth[:, None]
    np.fill_diagonal(costs[:, tracks + shared :], own)
    column = linear_sum_assignment(costs)[1]
    chosen = costs[np.arange(rows), column]
    fate = np.where(column < tracks, column, LEFT_OUT)
    fate[(column >= tracks) & (column < tracks + shared)] = BORN
    if free:
        fate[(column >= tracks) & (birth <= left_out)] = BORN
    margin = _margins(costs, column, chosen, tracks, shared)
    if free:
        decided = np.where(fate == BORN, left_out - birth, np.inf)
        margin = np.minimum(margin, np.where(fate == LEFT_OUT, birth - left_out, decided))
    return Assignment(fate, margin, float(chosen.sum()))


def _margins(
    costs: Float[ndarray, "rows columns"],
    column: Int[ndarray, " rows"],
    chosen: Float[ndarray, " rows"],
    tracks: int,
    shared: int,
) -> Float[ndarray, " rows"]:
    """For each row the extra cost of the best assignment in which it goes elsewhere."""
    possible = np.isfinite(costs)
    alone = _alone(possible)
    second = np.where(np.arange(costs.shape[1]) == column[:, None], np.inf, costs).min(axis=1)
    margin = second - chosen
    total = chosen.sum()
    for row in np.flatnonzero(~alone).tolist():
        place = column[row]
        forbidden = slice(place, place + 1)
        if tracks <= place < tracks + shared:
            forbidden = slice(tracks, tracks + shared)
        kept = costs[row, forbidden].copy()
        costs[row, forbidden] = np.inf
        if np.isfinite(costs[row]).any():
            other = linear_sum_assignment(costs)
            margin[row] = costs[other].sum() - total
        else:
            margin[row] = np.inf
        costs[row, forbidden] = kept
    return np.maximum(margin, 0.0)


def _alone(possible: ndarray) -> ndarray:
    """Rows none of whose columns is possible for another row: their second choice is free."""
    contested = possible.sum(axis=0) > 1
    return ~(possible & contested).any(axis=1)
