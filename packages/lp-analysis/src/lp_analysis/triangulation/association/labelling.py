"""Which animal each row of each view is, and what that is worth."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Int
from numpy import ndarray
from scipy.sparse import coo_array, csr_array

from lp_analysis.triangulation.association.clustering import clusters_of, fewest_clusters
from lp_analysis.triangulation.association.evidence import Evidence
from lp_analysis.triangulation.association.links import Links
from lp_analysis.triangulation.association.rows import NOBODY, ViewRows

_UNLIKELY = 2.0
"""Nats by which two tracklets are rather of two animals, before anything is seen."""


ALL = -1
"""Stands for all views together."""


class Change(NamedTuple):
    """What it would do to exchange two animals in one view or in all, or to take one out of it.

    Attributes:
        frames: (N,) those in which a view has a row of either.
        loss: (N,) nats that it costs to have them exchanged in the frame.
        toggle: (N,) nats that it costs to begin or to end that with the frame.
    """

    frames: Int[ndarray, " some"]
    loss: Float[ndarray, " some"]
    toggle: Float[ndarray, " some"]


class Labelling:
    """The animals of all rows, which are changed in place.

    Args:
        rows: By view.
        links: By view.
        evidence: See `Evidence`.
        frames: F frames of the session.
        slots: A rows in a frame at most.
        labels: By view the animal of each row; `NOBODY` of those that are not told.

    Attributes:
        labels: By view (R,).
        count: G animals.
    """

    def __init__(
        self,
        rows: list[ViewRows],
        links: list[Links],
        evidence: Evidence,
        frames: int,
        slots: int,
        labels: list[Int[ndarray, " _rows"]],
    ) -> None:
        self.rows, self.links, self.evidence = rows, links, evidence
        self.frames, self.slots = frames, slots
        self.relabel(labels)

    def relabel(self, labels: list[Int[ndarray, " _rows"]]) -> None:
        """Set the animals of all rows."""
        self.labels = labels
        self.count = 1 + max((int(own.max(initial=NOBODY)) for own in labels), default=NOBODY)
        self._at = [
            rows.laid_out(own, self.frames, self.slots)
            for rows, own in zip(self.rows, labels, strict=True)
        ]
        self._slots: dict[tuple[int, int], Int[ndarray, " _frames"]] = {}

    def slot(self, view: int, animal: int) -> Int[ndarray, " frames"]:
        """(F,) the slot of an animal in each frame of a view; `NOBODY` where it has none."""
        if (view, animal) not in self._slots:
            own = self._at[view] == animal
            there = own.any(axis=1) & (animal != NOBODY)
            self._slots[view, animal] = np.where(there, own.argmax(axis=1), NOBODY)
        return self._slots[view, animal]

    def between(self, view: int, other: int) -> Float[ndarray, "frames slots slots"]:
        """The evidence about rows of a view, first, and rows of another."""
        if view < other:
            return self.evidence[view, other]
        return self.evidence[other, view].swapaxes(1, 2)

    def score(
        self, view: int, animal: int, frames: Int[ndarray, " some"], slots: Int[ndarray, " some"]
    ) -> Float[ndarray, " some"]:
        """What the other views say for rows of a view being an animal; 0 where there is no row."""
        total = np.zeros(len(frames))
        for other in range(len(self.rows)):
            if other != view and animal != NOBODY:
                there = self.slot(other, animal)[frames]
                both = (slots >= 0) & (there >= 0)
                total[both] += self.between(view, other)[frames[both], slots[both], there[both]]
        return total

    def totals(self, view: int, least: float = -np.inf) -> csr_array:
        """(G, G) what the other views say in all for the rows of each animal being another one.

        Args:
            view: Whose rows.
            least: Less than that of two rows counts as that.
        """
        total = csr_array((self.count, self.count))
        for other in range(len(self.rows)):
            if other != view:
                one, two = np.broadcast_arrays(self._at[view][:, :, None], self._at[other][:, None])
                both = (one >= 0) & (two >= 0)
                nats = np.maximum(self.between(view, other)[both], least)
                where = one[both], two[both]
                total = total + coo_array((nats, where), shape=total.shape).tocsr()
        return total

    def mendable(self, view: int) -> csr_array:
        """(G, G) the links of a view's tracks that lead from an animal to another, in nats."""
        label, links = self.labels[view], self.links[view]
        then = label[links.before]
        broken = (links.before >= 0) & (label >= 0) & (then >= 0) & (then != label)
        where = label[broken], then[broken]
        return coo_array((links.firm[broken], where), shape=(self.count, self.count)).tocsr()

    def change(self, view: int, first: int, second: int) -> Change:
        """The gain of exchanging two animals, the second of which may be missing.

        Args:
            view: The view, or `ALL`.
            first: One of them.
            second: The other.
        """
        pair = first, second
        if view == ALL:  # what they say of each other stays the same
            views = range(len(self.rows))
            frames = np.flatnonzero(np.any([self._shown(v, pair) for v in views], axis=0))
            toggle = np.sum([self._toggle(v, pair, frames) for v in views], axis=0)
            return Change(frames, np.zeros(len(frames)), toggle)
        frames = np.flatnonzero(self._shown(view, pair))
        one, two = self.slot(view, first)[frames], self.slot(view, second)[frames]
        loss = self.score(view, first, frames, one) + self.score(view, second, frames, two)
        loss -= self.score(view, second, frames, one) + self.score(view, first, frames, two)
        return Change(frames, loss, self._toggle(view, pair, frames))

    def _shown(self, view: int, pair: tuple[int, int]) -> Bool[ndarray, " frames"]:
        """Whether a view shows one of two animals."""
        return (self.slot(view, pair[0]) >= 0) | (self.slot(view, pair[1]) >= 0)

    def _toggle(
        self, view: int, pair: tuple[int, int], frames: Int[ndarray, " some"]
    ) -> Float[ndarray, " some"]:
        """What it costs to begin or to end an exchange with each frame: links that it breaks.

        A link that is broken between the two is mended by it.
        """
        label, links, frame = self.labels[view], self.links[view], self.rows[view].frame
        toggle = np.zeros(len(frames) + 1)
        now = np.flatnonzero(self._of(label, pair) & (links.before >= 0))
        then = links.before[now]
        to = np.searchsorted(frames, frame[now])
        whole = label[now] == label[then]
        since = np.searchsorted(frames, frame[then])
        np.add.at(toggle, since[whole] + 1, links.firm[now[whole]])
        np.add.at(toggle, to[whole] + 1, -links.firm[now[whole]])
        toggle = np.cumsum(toggle)[:-1]
        broken = ~whole & self._of(label[then], pair)
        np.add.at(toggle, to[broken], -links.firm[now[broken]])
        return toggle

    @staticmethod
    def _of(label: Int[ndarray, " some"], pair: tuple[int, int]) -> Bool[ndarray, " some"]:
        """Which labels are one of two animals."""
        return ((label == pair[0]) | (label == pair[1])) & (label != NOBODY)

    def improved(
        self, key: tuple[int, int, int], frames: Int[ndarray, " some"], told: float, worth: float
    ) -> bool:
        """Exchange two animals in some frames, unless that gains too little; whether it was done.

        What `change` says of links over frames without rows is not exact where several exchanges
        begin and end in them, so they are counted before and after.

        Args:
            key: The view or `ALL`, and the animals; see `apply`.
            frames: The frames.
            told: Nats that the other views gain.
            worth: The least gain.
        """
        before, labels, count = self._linked(), list(self.labels), self.count
        self.apply(*key, frames)
        if told + self._linked() - before > worth:
            return True
        self.relabel(labels)
        self.count = count
        return False

    def _linked(self) -> float:
        """The nats of all links that are whole."""
        total = 0.0
        for label, links in zip(self.labels, self.links, strict=True):
            whole = (links.before >= 0) & (label >= 0) & (label == label[links.before])
            total += float(links.firm[whole].sum())
        return total

    def apply(self, view: int, first: int, second: int, frames: Int[ndarray, " some"]) -> None:
        """Exchange two animals in some frames; rows without a counterpart become a new animal."""
        if second == NOBODY:
            second, self.count = self.count, self.count + 1
        for place in range(len(self.rows)) if view == ALL else (view,):
            at, rows = self._at[place], self.rows[place]
            part = at[frames]
            one, two = part == first, part == second
            part[one], part[two] = second, first
            at[frames] = part
            self.labels[place] = at[rows.frame, rows.slot]
            self._slots.pop((place, first), None)
            self._slots.pop((place, second), None)

    def joined(self) -> bool:
        """Make one animal of those that more speaks for than against; whether there are any."""
        number = clusters_of(self.count, *graph_of(self, self.labels))
        if number.max(initial=NOBODY) + 1 == self.count:
            return False
        self.relabel([np.where(own >= 0, number[own], NOBODY) for own in self.labels])
        return True

    def limited(self, most: int, least: float) -> None:
        """Make as many animals one as is needed for so many to be left, and forget the others.

        Args:
            most: Animals that there are.
            least: Nats below which two are not joined.
        """
        number = fewest_clusters(self.count, *graph_of(self, self.labels), most, least)
        labels = [np.where(own >= 0, number[own], NOBODY) for own in self.labels]
        size = np.bincount(np.concatenate([own[own >= 0] for own in labels]), minlength=1)
        kept = np.sort(np.argsort(-size, kind="stable")[:most])
        place = np.full(len(size), NOBODY)
        place[kept] = np.arange(len(kept))
        self.relabel([np.where(own >= 0, place[own], NOBODY) for own in labels])


def graph_of(
    known: Labelling, groups: list[Int[ndarray, " _rows"]]
) -> tuple[Int[ndarray, "edges 2"], Float[ndarray, " edges"], Int[ndarray, "pairs 2"]]:
    """What speaks for groups of rows being of one animal.

    Args:
        known: Rows, links and evidence.
        groups: By view the group of each row, such as its tracklet; `NOBODY` of those without one.

    Returns:
        Pairs of groups, their nats, and pairs that cannot be of one animal.
    """
    M = 1 + max((int(own.max(initial=NOBODY)) for own in groups), default=NOBODY)
    group = [
        rows.laid_out(own, known.frames, known.slots)
        for rows, own in zip(known.rows, groups, strict=True)
    ]
    edges, weights, apart = [], [], []
    for (v, w), nats in known.evidence.items():
        pair, total = _summed(group[v], group[w], nats, M)
        edges.append(pair)
        weights.append(total - _UNLIKELY)
    for own, by_frame, links in zip(groups, group, known.links, strict=True):
        cut = (links.before >= 0) & (own[links.before] != own) & (own >= 0)
        cut &= own[links.before] >= 0
        edges.append(np.stack([own[links.before[cut]], own[cut]], axis=1))
        weights.append(links.firm[cut])
        pair, _ = _summed(by_frame, by_frame, None, M)
        apart.append(pair)
    edge, weight = np.concatenate(edges), np.concatenate(weights)
    differ = edge[:, 0] != edge[:, 1]
    never = np.concatenate(apart)
    return edge[differ], weight[differ], never[never[:, 0] != never[:, 1]]


def _summed(
    first: Int[ndarray, "frames slots"],
    second: Int[ndarray, "frames slots"],
    nats: Float[ndarray, "frames slots slots"] | None,
    groups: int,
) -> tuple[Int[ndarray, "pairs 2"], Float[ndarray, " pairs"]]:
    """The pairs of groups that share a frame, and the sums of their evidence."""
    one, two = np.broadcast_arrays(first[:, :, None], second[:, None])
    both = (one >= 0) & (two >= 0)
    code, place = np.unique(one[both] * groups + two[both], return_inverse=True)
    values = None if nats is None else nats[both]
    total = np.bincount(place, values, len(code)).astype(np.float64)
    return np.stack([code // max(groups, 1), code % max(groups, 1)], axis=1), total
