"""Exchange what two individuals do between meetings, where all that is known of them says so.

The flow compares neighbouring tracklets only. Between two meetings a tracklet may be too short to
tell who it is, and the ones before and after it are never compared. Here each tracklet is compared
with all others of an individual. For two individuals, the best exchanges at all their meetings
together are found exactly (Viterbi 1967); pairs are visited until none changes.

Paths that are a mixture of individuals tell little of either. So the same is done with tracklets
that were grouped by their likeness (as in k-means), beginning with some that are seen together, and
the better result counts.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import combinations
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int
from numpy import ndarray
from scipy.optimize import linear_sum_assignment

from lp_analysis.tracks.flow import FAR, Paths
from lp_analysis.tracks.tracklets import Tracklets

_ROUNDS = 10
_STARTS = 5  # moments that groups of tracklets begin with

Likeness = Callable[[Int[ndarray, " some"], Int[ndarray, " _members"]], Float[ndarray, " some"]]
"""Nats, up to a constant, for each of some tracklets being the individual of other tracklets."""


Groups = list[Int[ndarray, " _some"]]
"""Tracklets of each of some individuals."""


class _Solution(NamedTuple):
    """Paths while they are improved.

    Attributes:
        path: (M,) the path of each tracklet, negative where it is on none.
        before: (M,) the tracklet before each on its path, -1 where there is none.
        margins: Of the exchanges after which tracklets begin.
    """

    path: Int[ndarray, " tracklets"]
    before: Int[ndarray, " tracklets"]
    margins: dict[int, float]


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

    def improved(
        self, paths: Paths, path: Int[ndarray, " tracklets"], *, grouped: bool = False
    ) -> Paths:
        """The paths after all exchanges that pay.

        Args:
            paths: The cheapest ones by their links.
            path: The number of the path of each tracklet; negative where it is on none.
            grouped: Whether to try with groups of alike tracklets, too: where tracklets tell who
                they are.
        """
        best = self._settled(_Solution(path, paths.before, {}))
        groups = self._groups(path) if grouped else None
        if groups is not None:
            other = self._settled(_Solution(path, paths.before, {}), groups)
            other = self._settled(other)
            best = min(best, other, key=self._cost)
        margin = paths.before_margin.copy()
        for place, value in best.margins.items():
            margin[place] = min(value, FAR)
        return paths._replace(before=best.before, before_margin=margin)

    def _settled(self, start: _Solution, groups: Groups | None = None) -> _Solution:
        """After the exchanges of all pairs, until none pays.

        Args:
            start: To begin with.
            groups: Tracklets that tell what each individual is like; None for its own.
        """
        found = _Solution(start.path.copy(), start.before.copy(), {})
        pairs = list(combinations(range(int(found.path.max(initial=-1)) + 1), 2))
        for _ in range(_ROUNDS):
            found.margins.clear()
            changed = [self._exchange(pair, found, groups) for pair in pairs]
            if not any(changed):
                break
        return found

    def _cost(self, solution: _Solution) -> float:
        """That of the links, less the likeness of all tracklets to their individual."""
        places = np.flatnonzero(solution.before >= 0)
        links = zip(solution.before[places].tolist(), places.tolist(), strict=True)
        cost = sum(self._link(one, two) for one, two in links)
        for number in range(int(solution.path.max(initial=-1)) + 1):
            own = np.flatnonzero(solution.path == number)
            cost -= float(self.likeness(own, own).sum())
        return cost

    def _groups(self, path: Int[ndarray, " tracklets"]) -> Groups | None:
        """For each path the tracklets of a group that are alike; None without a start for it."""
        used = np.flatnonzero(path >= 0)
        count = int(path.max(initial=-1)) + 1
        best, most = None, -np.inf
        for start in self._together(used, count):
            groups: Groups = [np.array([place]) for place in start]
            for _ in range(_ROUNDS):
                like = np.stack([self.likeness(used, group) for group in groups], axis=1)
                nearest = like.argmax(axis=1)
                groups = [
                    used[nearest == k] if (nearest == k).any() else groups[k] for k in range(count)
                ]
            total = float(like.max(axis=1).sum())
            if total > most:
                share = np.array([like[path[used] == k].sum(axis=0) for k in range(count)])
                best, most = [groups[k] for k in linear_sum_assignment(-share)[1]], total
        return best

    def _together(self, used: Int[ndarray, " some"], count: int) -> list[Int[ndarray, " _some"]]:
        """Sets of so many tracklets that are seen at one moment, the longest first."""
        first, last = self.tracklets.first[used], self.tracklets.last[used]
        found: dict[tuple[int, ...], int] = {}
        for frame in np.unique(first).tolist():
            here = used[(first <= frame) & (last >= frame)]
            if len(here) == count and count > 1:
                found[tuple(here.tolist())] = int(self.tracklets.count[here].min())
        longest = sorted(found, key=lambda some: -found[some])[:_STARTS]
        return [np.array(some) for some in longest]

    def _exchange(self, pair: tuple[int, int], solution: _Solution, groups: Groups | None) -> bool:
        """Do the best exchanges of two individuals, in place; whether there were any."""
        own = [np.flatnonzero(solution.path == number) for number in pair]
        meetings = self._meetings(own)
        if not meetings:
            return False
        like = own if groups is None else [groups[number] for number in pair]
        crossed, found = best_exchanges(
            np.array([meeting.cost for meeting in meetings]), self._losses(own, like, meetings)
        )
        for meeting, margin in zip(meetings, found.tolist(), strict=True):
            for place in meeting.after:
                solution.margins[place] = min(margin, solution.margins.get(place, np.inf))
        self._apply(pair, own, meetings, crossed, solution)
        return bool(crossed.any())

    def _meetings(self, own: Groups) -> list[_Meeting]:
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

    def _losses(self, own: Groups, like: Groups, meetings: list[_Meeting]) -> ndarray:
        """What it costs in likeness to exchange each stretch between meetings."""
        losses = np.zeros(len(meetings) + 1)
        for side, mine in enumerate(own):
            loss = self.likeness(mine, like[side]) - self.likeness(mine, like[1 - side])
            starts = [meeting.after[side] for meeting in meetings]
            np.add.at(losses, np.searchsorted(starts, mine, side="right"), loss)
        return losses

    def _apply(
        self,
        pair: tuple[int, int],
        own: Groups,
        meetings: list[_Meeting],
        crossed: ndarray,
        solution: _Solution,
    ) -> None:
        changes = np.diff(crossed.astype(int)) != 0
        for meeting, change in zip(meetings, changes.tolist(), strict=True):
            if change:
                solution.before[list(meeting.after)] = meeting.before[::-1]
        for side, mine in enumerate(own):
            starts = [meeting.after[side] for meeting in meetings]
            stretch = np.searchsorted(starts, mine, side="right")
            solution.path[mine[crossed[stretch]]] = pair[1 - side]


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
