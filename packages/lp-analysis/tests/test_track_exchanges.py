"""What two individuals do between meetings, exchanged where all that is known of them says so."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lp_analysis.tracks.exchanges import Exchanges, best_exchanges
from lp_analysis.tracks.flow import Paths
from lp_analysis.tracks.tracklets import tracklets_of


@settings(max_examples=60, deadline=None)
@given(meetings=st.integers(1, 5), seed=st.integers(0, 2**32 - 1))
def test_exchanges_and_margins_are_those_of_trying_every_way(meetings, seed):
    draw = np.random.default_rng(seed)
    cost, loss = draw.normal(3, 5, meetings), draw.normal(1, 4, meetings + 1)
    cost[draw.random(meetings) < 0.2] = np.inf
    ways = {}
    for way in itertools.product((False, True), repeat=meetings + 1):
        changes = [one != two for one, two in itertools.pairwise(way)]
        ways[way] = loss[list(way)].sum() + cost[changes].sum()
    best = min(ways, key=ways.__getitem__)
    found, margin = best_exchanges(cost, loss)
    assert tuple(found.tolist()) == best
    for place in range(meetings):
        changed = best[place] != best[place + 1]
        others = [total for way, total in ways.items() if (way[place] != way[place + 1]) != changed]
        assert margin[place] == pytest.approx(min(others) - ways[best])


def test_short_tracklets_between_meetings_do_not_hide_who_is_who():
    # two individuals, 0 and 1, by turns; the two short tracklets in the middle say nothing
    look = np.array([0.0, 1.0, 0.5, 0.5, 0.0, 1.0])
    frame = np.concatenate(
        [np.arange(start, stop) for start, stop in ((0, 50), (50, 52), (52, 92))]
    )
    frame, number = np.repeat(frame, 2), np.tile([0, 1], len(frame))
    track = number + 2 * (frame >= 50) + 2 * (frame >= 52)
    points, size = np.zeros((len(frame), 2, 1)), np.ones(len(frame))
    tracklets = tracklets_of(points, size, track, frame, [], 5)
    links = dict.fromkeys([(0, 2), (1, 3), (2, 5), (3, 4)], 1.0)
    links |= dict.fromkeys([(0, 3), (1, 2), (2, 4), (3, 5)], 3.0)

    def likeness(some, members):
        usual = np.median(np.repeat(look[members], tracklets.count[members]))
        return -20 * np.abs(look[some] - usual)

    by_links = np.array([-1, -1, 0, 1, 3, 2])
    path = np.array([0, 1, 0, 1, 1, 0])
    unknown = np.full(6, 30.0)
    paths = Paths(by_links, np.ones(6, bool), unknown, unknown, 0.0)
    improved = Exchanges(tracklets, links, likeness).improved(paths, path)
    assert improved.before[4] in (2, 3)
    came_from = {place: improved.before[improved.before[place]] for place in (4, 5)}
    assert came_from == {4: 0, 5: 1}
    assert improved.before_margin[4] < 30
    alike = Exchanges(tracklets, links, lambda some, members: np.zeros(len(some)))
    assert alike.improved(paths, path).before.tolist() == by_links.tolist()
