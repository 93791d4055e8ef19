"""Exchange what two individuals do between meetings, where all that is known of them says so.

The flow compares neighbouring tracklets only. Between two meetings a tracklet may be too short to
tell who it is, and the ones before and after it are never compared. Here each tracklet is compared
with all others of an individual. For two individuals, the best exchanges at all their meetings
together are found exactly (Viterbi 1967); pairs are visited until none changes.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import combinations
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int
from numpy import ndarray

from lp_analysis.tracks.flow import FAR, Paths
from lp_analysis.tracks.tracklets import Tracklets

_ROUNDS = 10

Likeness = Callable[[Int[ndarray, " some"], Int[ndarray, " _members"]], Float[ndarray, " some"]]
"""Nats, up to a constant, for each of some tracklets being the individual of other tracklets."""


class _Meeting(NamedTuple):
    """A time at which two individuals are both between tracklets.

    Attributes:
        before: Their tracklets before it.
        after: Those after it.
        cost: What an exchange costs in links; infinite where it is impossible.
    """

    before: tuple[int, int]
    after: tuple[int, int]
    cost: float


@dataclass(frozen=True, eq=False)
class Exchanges:
    """Improves paths by what is known of whole individuals.

    Attributes:
        tracklets: The tracklets.
        links: The costs of links by their two tracklets, without the evidence of likeness.
        likeness: That evidence.
    """

    tracklets: Tracklets
    links: Mapping[tuple[int, int], float]
    likeness: Likeness

    def improved(self, paths: Paths, path: Int[ndarray, " tracklets"]) -> Paths:
        """The paths after all exchanges that pay.

        Args:
            paths: The cheapest ones by their links.
            path: The number of the path of each tracklet; negative where it is on none.
        """
        path, before = path.copy(), paths.before.copy()
        pairs = list(combinations(range(int(path.max(initial=-1)) + 1), 2))
        margins: dict[int, float] = {}
        for _ in range(_ROUNDS):
            changed, margins = False, {}
            for pair in pairs:
                changed |= self._exchange(pair, path, before, margins)
            if not changed:
                break
        margin = paths.before_margin.copy()
        for place, value in margins.items():
            margin[place] = min(value, FAR)
        return paths._replace(before=before, before_margin=margin)

    def _exchange(
        self,
        pair: tuple[int, int],
        path: Int[ndarray, " tracklets"],
        before: Int[ndarray, " tracklets"],
        margins: dict[int, float],
    ) -> bool:
        """Do the best exchanges of two individuals, in place; whether there were any."""
        own = [np.flatnonzero(path == number) for number in pair]
        meetings = self._meetings(own)
        if not meetings:
            return False
        crossed, found = best_exchanges(
            np.array([meeting.cost for meeting in meetings]), self._losses(own, meetings)
        )
        for meeting, margin in zip(meetings, found.tolist(), strict=True):
            for place in meeting.after:
                margins[place] = min(margin, margins.get(place, np.inf))
        self._apply(pair, own, meetings, crossed, path, before)
        return bool(crossed.any())

    def _meetings(self, own: list[Int[ndarray, " _some"]]) -> list[_Meeting]:
        """The times at which both are between tracklets, each break once."""
        first, last = self.tracklets.first, self.tracklets.last
        one, two = (list(zip(some[:-1].tolist(), some[1:].tolist(), strict=True)) for some in own)
        found, i, j = [], 0, 0
        while i < len(one) and j < len(two):
            (a, after_a), (b, after_b) = one[i], two[j]
            if max(last[a], last[b]) < min(first[after_a], first[after_b]):
                cost = self._link(a, after_b) + self._link(b, after_a)
                cost -= self._link(a, after_a) + self._link(b, after_b)
                found.append(_Meeting((a, b), (after_a, after_b), cost))
                i, j = i + 1, j + 1
            elif first[after_a] <= last[b]:
                i += 1
            else:
                j += 1
        return found

    def _link(self, one: int, two: int) -> float:
        return self.links.get((one, two), np.inf)

    def _losses(
        self, own: list[Int[ndarray, " _some"]], meetings: list[_Meeting]
    ) -> Float[ndarray, " stretches"]:
        """What it costs in likeness to exchange each stretch between meetings."""
        losses = np.zeros(len(meetings) + 1)
        for side, (mine, other) in enumerate((own, own[::-1])):
            loss = self.likeness(mine, mine) - self.likeness(mine, other)
            starts = [meeting.after[side] for meeting in meetings]
            np.add.at(losses, np.searchsorted(starts, mine, side="right"), loss)
        return losses

    def _apply(
        self,
        pair: tuple[int, int],
        own: list[Int[ndarray, " _some"]],
        meetings: list[_Meeting],
        crossed: ndarray,
        path: Int[ndarray, " tracklets"],
        before: Int[ndarray, " tracklets"],
    ) -> None:
        changes = np.diff(crossed.astype(int)) != 0
        for meeting, change in zip(meetings, changes.tolist(), strict=True):
            if change:
                before[list(meeting.after)] = meeting.before[::-1]
        for side, mine in enumerate(own):
            starts = [meeting.after[side] for meeting in meetings]
            stretch = np.searchsorted(starts, mine, side="right")
            path[mine[crossed[stretch]]] = pair[1 - side]


def best_exchanges(
    cost: Float[ndarray, " meetings"], loss: Float[ndarray, " stretches"]
) -> tuple[ndarray, Float[ndarray, " meetings"]]:
    """Which stretches to exchange, and the margin of each meeting.

    Args:
        cost: Of beginning or ending an exchange at a meeting.
        loss: Of exchanging a stretch; there is one more than there are meetings.

    Returns:
        For each stretch whether it is exchanged, and for each meeting how much dearer the best
        exchanges are in which what happens there is different.
    """
    stretches = len(loss)
    forth, back = np.zeros((stretches, 2)), np.zeros((stretches, 2))
    forth[0] = 0, loss[0]
    for k in range(1, stretches):
        for state in (0, 1):
            stay, change = forth[k - 1, state], forth[k - 1, 1 - state] + cost[k - 1]
            forth[k, state] = min(stay, change) + loss[k] * state
    for k in range(stretches - 2, -1, -1):
        for state in (0, 1):
            stay = back[k + 1, state] + loss[k + 1] * state
            change = back[k + 1, 1 - state] + loss[k + 1] * (1 - state) + cost[k]
            back[k, state] = min(stay, change)
    total = forth + back
    exchanged = total[:, 1] < total[:, 0] - 1e-9
    after = back[1:] + loss[1:, None] * [0, 1]
    stay = (forth[:-1] + after).min(axis=1)
    change = (forth[:-1] + after[:, ::-1]).min(axis=1) + cost
    return exchanged, np.abs(change - stay)
