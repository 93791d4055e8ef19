"""Exchanges of two animals in one view that the other views undo.

For two animals, and one view or all together, the best stretches of time in which to exchange them
are found exactly, frame by frame: it costs or gains what the other views say, and the links of
tracks that break or mend. The change that gains the most is made first, whatever the order of the
views, until none gains anything.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Int
from numpy import ndarray
from scipy.sparse import csr_array

from lp_analysis.triangulation.association.labelling import ALL, Labelling
from lp_analysis.triangulation.association.rows import NOBODY

_Key = tuple[int, int, int]
"""A view or `ALL`, and two animals, the second of which may be `NOBODY`."""

_WORTH = 1e-3  # nats that a change gains at least
_TELLING = 1.0  # nats for an exchange, without which it is no better than taking animals out
_MOST = 10_000


class _Found(NamedTuple):
    """The frames of the best exchange of two animals, what it gains, and what by other views."""

    frames: Int[ndarray, " some"]
    gain: float
    told: float


def exchange(labelling: Labelling) -> None:
    """Exchange animals in single views as long as that gains anything."""
    found: dict[_Key, _Found] = {}
    stale = set(range(labelling.count))
    for _ in range(_MOST):
        found = {key: best for key, best in found.items() if not stale & set(key[1:])}
        for key in _candidates(labelling) if stale else ():
            if stale & set(key[1:]) and (change := _best(labelling, key)) is not None:
                found[key] = change
        if not found:
            return
        key = max(found, key=lambda key: (found[key].gain, *(-part for part in key)))
        best, stale = found.pop(key), set()
        if labelling.improved(key, best.frames, best.told, _WORTH):
            stale = {*key[1:], labelling.count - 1} - {NOBODY}


def _candidates(labelling: Labelling) -> list[_Key]:
    """Views and pairs of animals whose exchange has evidence; a pair may have one animal alone."""
    keys, mendable = [], csr_array((labelling.count, labelling.count))
    for view in range(len(labelling.rows)):
        broken = labelling.mendable(view)
        mendable = mendable + broken
        keys += [(view, *pair) for pair in _likely(labelling.totals(view, 0.0) + broken)]
        keys += [(view, animal, NOBODY) for animal in range(labelling.count)]
    return keys + [(ALL, *pair) for pair in _likely(mendable)]


def _likely(speaks: csr_array) -> list[tuple[int, int]]:
    """Pairs of animals for whose exchange something speaks."""
    one, two = (speaks + speaks.T > _TELLING).nonzero()
    return [(a, b) for a, b in zip(one.tolist(), two.tolist(), strict=True) if a < b]


def _best(labelling: Labelling, key: _Key) -> _Found | None:
    change = labelling.change(*key)
    if not len(change.frames) or (change.loss.min() >= 0 and change.toggle.min() >= 0):
        return None
    where, gain = cheapest_stretches(change.loss, change.toggle)
    told = -float(change.loss[where].sum())
    return _Found(change.frames[where], gain, told) if gain > _WORTH else None


def cheapest_stretches(
    loss: Float[ndarray, " frames"], toggle: Float[ndarray, " frames"]
) -> tuple[Bool[ndarray, " frames"], float]:
    """The best frames to exchange, exactly, and how much that gains.

    Args:
        loss: Of each frame that is exchanged.
        toggle: Of beginning or ending an exchange with a frame; that of the first does not count.
    """
    back: list[tuple[bool, bool]] = []
    stay, swap = 0.0, float(loss[0])
    for cost, step in zip(loss[1:].tolist(), toggle[1:].tolist(), strict=True):
        from_swap, from_stay = swap + step < stay, stay + step < swap
        back.append((from_swap, from_stay))
        stay, swap = (swap + step if from_swap else stay), (stay + step if from_stay else swap)
        swap += cost
    state = swap < stay
    where = np.zeros(len(loss), dtype=bool)
    for place in range(len(loss) - 1, -1, -1):
        where[place] = state
        if place and back[place - 1][int(state)]:
            state = not state
    return where, -min(stay, swap)


def toggle_margins(
    loss: Float[ndarray, " frames"], toggle: Float[ndarray, " frames"]
) -> Float[ndarray, " frames"]:
    """(N,) how much dearer it is to begin or end an exchange with each frame than not to at all.

    Args:
        loss: See `cheapest_stretches`.
        toggle: Likewise.
    """
    forth, back = np.zeros((2, len(loss), 2))
    for values, order in ((forth, 1), (back, -1)):
        stay, swap = 0.0, 0.0
        costs = loss[::order].tolist()
        steps = [0.0, *(toggle[1:] if order == 1 else toggle[:0:-1]).tolist()]
        for place, (cost, step) in enumerate(zip(costs, steps, strict=True)):
            stay, swap = min(stay, swap + step), min(swap, stay + step) + cost
            values[place] = stay, swap
    back = back[::-1]
    best = (forth[-1]).min()
    margin = np.full(len(loss), np.inf)
    change = np.minimum(forth[:-1, 0] + back[1:, 1], forth[:-1, 1] + back[1:, 0]) + toggle[1:]
    margin[1:] = change - best
    return np.maximum(margin, 0.0)
