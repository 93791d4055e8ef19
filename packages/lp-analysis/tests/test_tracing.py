"""Animals are traced back from where they appear to where they were lost."""

import numpy as np

from lp_analysis.tracks import FollowingOptions, trace_back
from lp_core.poses import PoseTable, Skeleton

POSE = np.array([[0.0, 0.0], [10.0, 4.0], [20.0, 0.0], [40.0, 0.0]])  # 40 px long
OPTIONS = FollowingOptions(40.0)
FRAMES = 12


def truth(animal, frame):
    """Two animals that walk side by side, 8 px apart."""
    return POSE + np.array([20 + 4.0 * frame, 50 + 8.0 * animal])


def table(rows):
    """A table and its links of (frame, points, row that it goes on from)."""
    points = np.array([points for _, points, _ in rows], float).reshape(-1, 4, 2)
    confidence = np.where(np.isfinite(points[..., 0]), 0.9, np.nan)
    made = PoseTable(
        Skeleton(tuple("abcd")),
        points,
        tuple(frame for frame, _, _ in rows),
        individual=(None,) * len(rows),
        score=np.where(np.isfinite(confidence[:, 0]), 0.8, np.nan),
        confidence=confidence,
    )
    return made, np.array([link for _, _, link in rows], dtype=np.int64)


def second_lost(first, last):
    """Rows of both animals, without the second from frame ``first`` to ``last``."""
    rows, before = [], {0: -1, 1: -1}
    for frame in range(FRAMES):
        for animal in (0, 1):
            if animal and first <= frame <= last:
                before[1] = -1
                continue
            rows.append((frame, truth(animal, frame), before[animal]))
            before[animal] = len(rows) - 1
    return table(rows)


class Eyes:
    """A tracker that finds the animal which is nearest to what it is told, where it can be seen."""

    def __init__(self, hidden=()):
        self.hidden, self.frames = hidden, []

    def __call__(self, frame, expected):
        self.frames.append(frame)
        there = np.array([truth(animal, frame) for animal in (0, 1)])
        off = np.nanmean(np.linalg.norm(expected[:, None] - there, axis=-1), axis=2)
        sure = 0.1 if frame in self.hidden else 0.9
        return there[off.argmin(axis=1)], np.full((len(expected), 4), sure)


def chains(rows, link):
    """For each row the first row of its chain."""
    first = list(range(len(rows)))
    for row, before in enumerate(link.tolist()):
        assert before < row
        if before >= 0:
            first[row] = first[before]
    return first


def test_a_gap_is_filled_from_where_an_animal_is_found_again():
    eyes = Eyes()
    rows, link = trace_back(*second_lost(4, 8), eyes, OPTIONS)
    assert list(rows.frame) == [frame for frame in range(FRAMES) for _ in (0, 1)]
    assert len(set(chains(rows, link))) == 2  # the chain meets the row that it was lost after
    for place, frame in enumerate(rows.frame):
        off = [np.abs(rows.points[place] - truth(animal, frame)).max() for animal in (0, 1)]
        assert min(off) < 1e-3
    assert eyes.frames == [8, 7, 6, 5, 4, 3]


def test_an_animal_that_cannot_be_seen_is_not_made_up():
    rows, link = trace_back(*second_lost(4, 8), Eyes(hidden=(4, 5, 6)), OPTIONS)
    assert [list(rows.frame).count(frame) for frame in range(3, 10)] == [2, 1, 1, 1, 2, 2, 2]
    assert len(set(chains(rows, link))) == 3


def test_rows_of_which_none_is_missed_stay_as_they_are():
    made, link = second_lost(FRAMES, FRAMES)

    def never(frame, expected):
        raise AssertionError("nothing was to be looked at again")

    rows, same = trace_back(made, link, never, OPTIONS)
    np.testing.assert_array_equal(rows.points, made.points)
    np.testing.assert_array_equal(same, link)


def test_a_row_that_fills_an_empty_frame_makes_way():
    nowhere = np.full((4, 2), np.nan)
    rows = [(0, nowhere, -1), (1, nowhere, -1), (2, truth(0, 2), -1), (3, truth(0, 3), 2)]
    traced, link = trace_back(*table(rows), Eyes(hidden=(0,)), OPTIONS)
    assert list(traced.frame) == [0, 1, 2, 3]
    assert np.isfinite(traced.points[:, 0, 0]).tolist() == [False, True, True, True]
    assert link.tolist() == [-1, -1, 1, 2]


def test_no_rows_at_all():
    empty, link = table([])
    traced, same = trace_back(empty, link, Eyes(), OPTIONS)
    assert len(traced) == len(same) == 0
