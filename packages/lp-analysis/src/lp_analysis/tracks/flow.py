"""The cheapest set of paths through a graph of tracklets: an exact min-cost flow.

Each tracklet may be on one path or on none. A path begins, uses tracklets joined by links, and
ends. The flow is a linear program, whose vertices are whole numbers; where limits of intervals
break that, branch and bound finishes it. Margins are shortest cycles of the residual graph (Ahuja,
Magnanti and Orlin 1993, §9), under the dual prices.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Int
from numpy import ndarray
from scipy.optimize import Bounds, LinearConstraint, linprog, milp
from scipy.sparse import coo_array, csr_array, hstack, vstack
from scipy.sparse.csgraph import dijkstra

from lp_analysis.errors import TrackingError

FAR = 30.0
"""Nats beyond which a margin is not told exactly."""

_SOURCES = 256  # of shortest paths at once


class Limit(NamedTuple):
    """At most so many of some tracklets are used.

    Attributes:
        members: Their places.
        most: How many.
    """

    members: Int[ndarray, " some"]
    most: int


@dataclass(frozen=True, eq=False)
class FlowProblem:
    """What paths may do, and what it costs.

    Attributes:
        node: (M,) the cost of using a tracklet; negative where it is a gain.
        begin, end: (M,) the cost of a path that begins or ends with it.
        links: (L, 2) pairs of tracklets that a path may use one after the other; without cycles.
        link: (L,) their costs.
        most: How many paths there may be; None for any number.
        extra: The cost of each path beyond ``most``; None where there may be none.
        limits: How many of some tracklets may be used.
    """

    node: Float[ndarray, " tracklets"]
    begin: Float[ndarray, " tracklets"]
    end: Float[ndarray, " tracklets"]
    links: Int[ndarray, "links 2"]
    link: Float[ndarray, " links"]
    most: int | None = None
    extra: float | None = None
    limits: Sequence[Limit] = ()


class Paths(NamedTuple):
    """The cheapest paths.

    Attributes:
        before: (M,) the tracklet before each on its path; -1 where it begins one or is not used.
        used: (M,) whether a tracklet is on a path.
        before_margin: (M,) how much dearer the best paths are in which what comes before the
            tracklet is something else, `FAR` at most; NaN where it is not used.
        used_margin: (M,) how much dearer the best paths are that use a tracklet that is not used,
            `FAR` at most; NaN where it is used.
        cost: In total.
    """

    before: Int[ndarray, " tracklets"]
    used: Bool[ndarray, " tracklets"]
    before_margin: Float[ndarray, " tracklets"]
    used_margin: Float[ndarray, " tracklets"]
    cost: float


def cheapest_paths(problem: FlowProblem) -> Paths:
    """Find the cheapest paths, and how much dearer the next best decisions are.

    Raises:
        TrackingError: The solver fails.
    """
    M = len(problem.node)
    if not M:
        nothing = np.zeros(0)
        return Paths(np.zeros(0, int), nothing.astype(bool), nothing, nothing, 0.0)
    solution = _solve(problem)
    chosen = solution.value > 0.5
    used, links = chosen[:M], chosen[3 * M : 3 * M + len(problem.links)]
    before = np.full(M, -1)
    before[problem.links[links, 1]] = problem.links[links, 0]
    residual = _Residual(problem, solution, chosen)
    return Paths(before, used, *residual.margins(before, used), solution.cost)


class _Solution(NamedTuple):
    """Values and reduced costs of the variables: nodes, begins, ends, links, extra paths.

    Attributes:
        value: 0 or 1, and any number of extra paths.
        reduced: Costs under the dual prices: not negative where a variable could grow, and not
            positive where it could shrink.
        cap_price: What one path more would gain; never positive.
        cost: In total.
    """

    value: Float[ndarray, " variables"]
    reduced: Float[ndarray, " variables"]
    cap_price: float
    cost: float


def _solve(problem: FlowProblem) -> _Solution:
    costs, balance, limits, most = _program(problem)
    M = len(problem.node)
    upper = np.ones(len(costs))
    upper[-1] = 0 if problem.extra is None else np.inf
    solved = linprog(
        costs,
        A_ub=limits,
        b_ub=most,
        A_eq=balance,
        b_eq=np.zeros(2 * M),
        bounds=np.stack([np.zeros(len(costs)), upper], axis=1),
        method="highs-ds",
    )
    if solved.x is None:
        raise TrackingError(f"the tracklets cannot be joined: {solved.message}")
    prices = solved.ineqlin.marginals
    reduced = costs - balance.T @ solved.eqlin.marginals - limits.T @ prices
    value, cost = solved.x, float(solved.fun)
    if np.abs(value - value.round()).max() > 1e-6:
        constraints = [LinearConstraint(balance, 0, 0), LinearConstraint(limits, -np.inf, most)]
        whole = milp(
            costs, integrality=np.ones(len(costs)), bounds=Bounds(0, upper), constraints=constraints
        )
        if whole.x is None:
            raise TrackingError(f"the tracklets cannot be joined: {whole.message}")
        value, cost = whole.x, float(whole.fun)
    return _Solution(value.round(), reduced, float(prices[0]), cost)


def _program(problem: FlowProblem) -> tuple[ndarray, csr_array, csr_array, ndarray]:
    """Costs, the balance of each tracklet's two ends, and limits with their right sides."""
    M, L = len(problem.node), len(problem.links)
    costs = np.concatenate(
        [problem.node, problem.begin, problem.end, problem.link, [problem.extra or 0.0]]
    )
    eye, none = _identity(M), csr_array((M, M))
    into = _incidence(problem.links[:, 1], M)
    out = _incidence(problem.links[:, 0], M)
    last = csr_array((M, 1))
    balance = vstack(
        [hstack([-eye, eye, none, into, last]), hstack([-eye, none, eye, out, last])]
    ).tocsr()
    rows = np.zeros((1, 3 * M + L + 1))
    rows[0, M : 2 * M], rows[0, -1] = 1, -1
    limits = [csr_array(rows)]
    for limit in problem.limits:
        row = (np.ones(len(limit.members)), (np.zeros(len(limit.members), int), limit.members))
        limits.append(coo_array(row, shape=(1, 3 * M + L + 1)).tocsr())
    most = [M if problem.most is None else problem.most, *(limit.most for limit in problem.limits)]
    return costs, balance, vstack(limits).tocsr(), np.array(most, float)


def _identity(size: int) -> csr_array:
    place = np.arange(size)
    return coo_array((np.ones(size), (place, place)), shape=(size, size)).tocsr()


def _incidence(tracklet: Int[ndarray, " links"], size: int) -> csr_array:
    """(M, L) 1 where a link has the tracklet."""
    L = len(tracklet)
    return coo_array((np.ones(L), (tracklet, np.arange(L))), shape=(size, L)).tocsr()


class _Residual:
    """The graph of what could be exchanged, with costs that are not negative.

    Its nodes are the first ends of the tracklets (0 to M-1), their last ends (M to 2M-1), the place
    from which paths begin (2M) and that where they end (2M+1).
    """

    def __init__(self, problem: FlowProblem, solution: _Solution, chosen: ndarray) -> None:
        M = self._tracklets = len(problem.node)
        self._reduced = solution.reduced
        first, last = np.arange(M), np.arange(M, 2 * M)
        source, sink = np.full(M, 2 * M), np.full(M, 2 * M + 1)
        tail = np.concatenate([first, source, last, problem.links[:, 0] + M])
        head = np.concatenate([last, first, sink, problem.links[:, 1]])
        on, reduced = chosen[: len(tail)], solution.reduced[: len(tail)]
        begun = chosen[M : 2 * M].sum()
        extra, most = solution.value[-1], np.inf if problem.most is None else problem.most
        back = [(0.0 if begun - extra < most else np.inf)]
        if problem.extra is not None:
            back.append(solution.reduced[-1])
        away = -solution.cap_price if begun > extra else np.inf
        if extra > 0:
            away = min(away, -solution.reduced[-1])
        tail_all = np.concatenate([np.where(on, head, tail), [2 * M + 1, 2 * M]])
        head_all = np.concatenate([np.where(on, tail, head), [2 * M, 2 * M + 1]])
        weight = np.concatenate([np.where(on, -reduced, reduced), [min(back), away]])
        kept = np.isfinite(weight)
        weight = np.maximum(weight[kept], 0) + 1e-9  # a zero might count as no edge
        shape = (2 * M + 2, 2 * M + 2)
        self._graph = coo_array((weight, (tail_all[kept], head_all[kept])), shape=shape).tocsr()
        self._link_of = {
            (int(a), int(b)): 3 * M + place for place, (a, b) in enumerate(problem.links)
        }

    def margins(
        self, before: Int[ndarray, " tracklets"], used: Bool[ndarray, " tracklets"]
    ) -> tuple[Float[ndarray, " tracklets"], Float[ndarray, " tracklets"]]:
        """Of what comes before each tracklet, and of leaving it out."""
        M = self._tracklets
        before_margin, used_margin = np.full(M, np.nan), np.full(M, np.nan)
        for m in np.flatnonzero(used).tolist():
            link = M + m if before[m] < 0 else self._link_of[int(before[m]), m]
            before_margin[m] = -self._reduced[link]
        tails = np.where(before < 0, 2 * M, before + M)
        on = np.flatnonzero(used)
        before_margin[on] += self._distances(tails[on], on)
        off = np.flatnonzero(~used)
        used_margin[off] = self._reduced[off] + self._distances(off + M, off)
        return np.clip(before_margin, 0, FAR), np.clip(used_margin, 0, FAR)

    def _distances(
        self, tails: Int[ndarray, " some"], heads: Int[ndarray, " some"]
    ) -> Float[ndarray, " some"]:
        """The shortest ways from tails to heads; infinite beyond `FAR`."""
        found = np.full(len(tails), np.inf)
        for start in range(0, len(tails), _SOURCES):
            part = slice(start, start + _SOURCES)
            sources, place = np.unique(tails[part], return_inverse=True)
            distance = dijkstra(self._graph, indices=sources, limit=FAR)
            found[part] = distance[place, heads[part]]
        return found
