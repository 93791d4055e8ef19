"""The cheapest paths through a graph, against trying every set of paths."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lp_analysis.tracks.flow import FAR, FlowProblem, Limit, cheapest_paths


def every_way(problem):
    """The cost of each set of paths, by what comes before each tracklet; -2 where it is unused."""
    M = len(problem.node)
    cost_of = {tuple(pair): cost for pair, cost in zip(problem.links.tolist(), problem.link)}  # noqa: B905
    ways = {}
    for before in itertools.product(range(-2, M), repeat=M):
        used = [place for place in range(M) if before[place] != -2]
        links = [(before[place], place) for place in used if before[place] >= 0]
        sources = [one for one, _ in links]
        if any(pair not in cost_of or before[pair[0]] == -2 for pair in links):
            continue
        if len(set(sources)) < len(sources) or any(
            len(set(limit.members.tolist()) & set(used)) > limit.most for limit in problem.limits
        ):
            continue
        begun = [place for place in used if before[place] == -1]
        over = 0 if problem.most is None else max(0, len(begun) - problem.most)
        if over and problem.extra is None:
            continue
        ends = [place for place in used if place not in sources]
        ways[before] = (
            problem.node[used].sum()
            + problem.begin[begun].sum()
            + problem.end[ends].sum()
            + sum(cost_of[pair] for pair in links)
            + over * (problem.extra or 0)
        )
    return ways


@settings(max_examples=60, deadline=None)
@given(
    size=st.integers(1, 4),
    most=st.sampled_from([None, 1, 2]),
    extra=st.sampled_from([None, 1.5]),
    seed=st.integers(0, 2**32 - 1),
)
def test_paths_and_margins_are_those_of_trying_every_way(size, most, extra, seed):
    draw = np.random.default_rng(seed)
    pairs = [pair for pair in itertools.combinations(range(size), 2) if draw.random() < 0.8]
    problem = FlowProblem(
        draw.normal(-2, 3, size),
        draw.uniform(0, 4, size),
        draw.uniform(0, 2, size),
        np.array(pairs, dtype=np.int64).reshape(len(pairs), 2),
        draw.normal(0, 3, len(pairs)),
        most,
        extra if most is not None else None,
    )
    ways = every_way(problem)
    best = min(ways, key=ways.__getitem__)
    found = cheapest_paths(problem)
    assert np.where(found.used, found.before, -2).tolist() == list(best)
    assert found.cost == pytest.approx(ways[best])
    for place in range(size):
        others = [cost for way, cost in ways.items() if way[place] != best[place]]
        margin = found.before_margin[place] if found.used[place] else found.used_margin[place]
        expected = min(min(others, default=np.inf) - ways[best], FAR)
        assert margin == pytest.approx(expected, abs=1e-5)


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 2**32 - 1))
def test_limits_of_stretches_hold_at_the_least_cost(seed):
    draw = np.random.default_rng(seed)
    links = np.array(list(itertools.combinations(range(4), 2)))
    limits = [
        Limit(np.array([0, 1, 2]), 2),
        Limit(np.array([1, 2, 3]), 1),
        Limit(np.array([0, 3]), 1),
    ]
    problem = FlowProblem(
        draw.normal(-6, 2, 4),
        draw.uniform(0, 3, 4),
        np.zeros(4),
        links,
        draw.normal(0, 3, len(links)),
        limits=limits,
    )
    found = cheapest_paths(problem)
    assert found.cost == pytest.approx(min(every_way(problem).values()))
    assert all(found.used[limit.members].sum() <= limit.most for limit in limits)


def test_no_tracklets_make_no_paths():
    nothing = np.zeros(0)
    found = cheapest_paths(
        FlowProblem(nothing, nothing, nothing, np.zeros((0, 2), np.int64), nothing, 2)
    )
    assert found.cost == 0
    assert len(found.before) == 0
