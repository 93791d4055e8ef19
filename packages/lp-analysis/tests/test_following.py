"""Animals in contact are followed by a second look, which is told where each was."""

from dataclasses import replace

import numpy as np
import pytest

from lp_analysis.errors import TrackingError
from lp_analysis.tracks import Follower, FollowingOptions, LinkedRows
from lp_analysis.tracks.following import follow
from lp_analysis.tracks.linked_rows import FrameRows
from lp_core.poses import PoseTable, Skeleton

POSE = np.array([[0.0, 0.0], [10.0, 4.0], [20.0, 0.0], [40.0, 0.0]])  # 40 px long
OPTIONS = FollowingOptions(40.0)


def rows(*poses, confidence=0.9, score=0.8):
    points = np.array(poses, float).reshape(-1, 4, 2)
    sure = np.full(points.shape[:2], confidence)
    return FrameRows.found(points, sure, np.full(len(points), score))


def at(x, y):
    return POSE + np.array([x, y])


def crossing(frames=40):
    """Two animals that pass each other 6 px apart, at 4 px per frame: (T, 2, K, 2)."""
    step = 4.0 * np.arange(frames)
    return np.stack(
        [[at(20 + s, 50), at(180 - s, 56)] for s in step],
    )


class Eyes:
    """A tracker that finds the animal which is nearest to what it is told."""

    def __init__(self, *truth):
        self.truth, self.asked = np.array(truth, float).reshape(-1, 4, 2), 0

    def __call__(self, expected):
        self.asked += len(expected)
        off = np.nanmean(np.linalg.norm(expected[:, None] - self.truth, axis=-1), axis=2)
        points = self.truth[off.argmin(axis=1)]
        return points, np.full(points.shape[:2], 0.9)


def never(expected):
    raise AssertionError("nothing was to be looked at again")


def followed(truth, first_look, eyes=Eyes):
    follower, found = Follower(OPTIONS), []
    for animals in truth:
        found.append(follower.step(first_look(animals), eyes(*animals)))
    return found


def sees_one_twice(animals):
    """Where they are near each other, both crops show the first animal."""
    near = np.linalg.norm(animals[0] - animals[1], axis=-1).min() < 25
    return rows(animals[0], animals[0] + 0.5) if near else rows(*animals)


def test_both_animals_stay_where_a_first_look_shows_one_of_them_twice():
    truth = crossing()
    found = followed(truth, sees_one_twice)
    assert [len(frame) for frame in found] == [2] * len(truth)
    # the links lead from the first frame to the last one of the same animal
    own = np.array([0, 1])
    for animals, frame in zip(truth[1:], found[1:], strict=True):
        assert sorted(frame.link) == [0, 1]
        own = own[frame.link]
        np.testing.assert_allclose(frame.points, animals[own], atol=1)


def test_animals_that_are_alone_cost_nothing():
    truth = [[at(20 + 3 * t, 50), at(20, 250), at(300, 90 + 5 * t)] for t in range(10)]
    follower = Follower(OPTIONS)
    for number, animals in enumerate(truth):
        found = follower.step(rows(*reversed(animals)), never)
        assert sorted(found.link) == ([-1] * 3 if number == 0 else [0, 1, 2])
        np.testing.assert_allclose(found.points[found.link.argsort()][0], animals[2])


def test_an_animal_that_the_first_look_lost_is_looked_for_where_it_was():
    eyes = Eyes(at(20, 50), at(26, 250))
    found = follow(rows(at(20, 50)), rows(at(20, 50), at(20, 250)), rows(), eyes, OPTIONS)
    assert eyes.asked == 1
    np.testing.assert_allclose(found.points, [at(20, 50), at(26, 250)])
    assert found.link.tolist() == [0, 1]


def test_a_moving_animal_is_expected_farther_on():
    asked = []

    def look(expected):
        asked.append(expected)
        return expected, np.full(expected.shape[:2], 0.9)

    before = replace(rows(at(30, 50)), link=np.array([0]))
    follow(rows(), before, rows(at(20, 50)), look, OPTIONS)
    np.testing.assert_allclose(asked[0], [at(40, 50)])


def test_an_answer_that_fell_onto_another_animal_is_dropped():
    before = rows(at(20, 50), at(20, 62))
    found = follow(rows(), before, rows(), Eyes(at(20, 50)), OPTIONS)
    assert found.link[found.seen].tolist() == [0]


def test_an_unsure_answer_is_dropped():
    def look(expected):
        return expected, np.full(expected.shape[:2], 0.05)

    assert not follow(rows(), rows(at(20, 50)), rows(), look, OPTIONS).seen.any()


def test_what_only_the_second_look_sees_fades():
    """It may hold on to a spot of the background where an animal has left (DeepLabCut #2987)."""
    follower = Follower(OPTIONS)
    follower.step(rows(at(20, 50)), never)
    lasted = 0
    while follower.step(rows(), Eyes(at(20, 50))).seen.any():
        lasted += 1
        assert lasted < 60
    assert lasted > 5


def test_an_animal_that_was_lost_for_some_frames_is_found_where_it_must_be():
    """And linked to what it was before; in between, there is no row of it."""
    follower = Follower(OPTIONS)
    parts = []
    for frame in range(12):
        truth = [at(20 + 2 * frame, 50), at(20 + 2 * frame, 62)]
        hidden = 4 <= frame < 8
        eyes = Eyes(truth[0]) if hidden else Eyes(*truth)
        look = rows(truth[0]) if hidden else rows(*truth)
        number = range(frame, frame + 1)
        parts.append(
            follower.follow(as_table(look, number), number, lambda at, e, eyes=eyes: eyes(e))
        )
    table, link = LinkedRows.joined(parts).found()
    counts = np.bincount(np.array(table.frame))
    assert counts.tolist() == [2] * 4 + [1] * 4 + [2] * 4
    came_back = np.flatnonzero((np.array(table.frame) == 8) & (table.points[:, 0, 1] == 62))[0]
    before = link[came_back]
    assert table.frame[before] == 3
    assert table.points[before, 0, 1] == 62


def test_every_frame_keeps_a_row_where_one_is_asked_for():
    follower = Follower(OPTIONS)

    def unsure(at, expected):
        return expected, np.full(expected.shape[:2], 0.05)

    first = follower.follow(as_table(rows(at(20, 50)), range(1)), range(1), unsure)
    rest = follower.follow(as_table(rows(), range(1, 3)), range(1, 3), unsure)
    whole = LinkedRows.joined([first, rest])
    assert whole.found()[0].frame == (0,)
    table, _ = whole.found(every_frame=True)
    assert table.frame == (0, 1, 2)
    assert table.has_position.any(axis=1).tolist() == [True, False, False]


def test_a_row_that_is_half_of_one_animal_and_half_of_another_is_dropped():
    one, two = at(20, 50), at(24, 70)
    mixed = np.concatenate([one[:2], two[2:]])
    found = follow(rows(mixed, one), rows(one, two), rows(), Eyes(one, two), OPTIONS)
    np.testing.assert_allclose(found.points, [one, two])


def test_new_animals_come_by_the_first_look():
    found = follow(rows(at(20, 50), at(200, 50)), rows(at(20, 50)), rows(), never, OPTIONS)
    assert found.link.tolist() == [0, -1]


def test_the_order_of_a_first_look_does_not_count():
    truth = crossing()
    usual = followed(truth, sees_one_twice)
    other = followed(truth, lambda animals: sees_one_twice(animals).chosen(np.array([1, 0])))
    for one, two in zip(usual, other, strict=True):
        near = np.abs(one.points[:, None] - two.points).max(axis=(2, 3)) < 1
        assert near.sum(axis=1).tolist() == [1, 1]


SKELETON = Skeleton(("a", "b", "c", "d"))


def as_table(found, frames):
    frame = tuple(frames[0] for _ in range(len(found)))
    return PoseTable(SKELETON, found.points, frame, score=found.score, confidence=found.confidence)


def table(truth, frames):
    found = [sees_one_twice(truth[frame]) for frame in frames]
    numbers = [frame for frame, part in zip(frames, found, strict=True) for _ in range(len(part))]
    points, confidence, score, *_ = map(np.concatenate, zip(*found, strict=True))
    return PoseTable(SKELETON, points, tuple(numbers), score=score, confidence=confidence)


@pytest.mark.parametrize("stop", [1, 2, 17, 20])
def test_going_on_from_the_rows_of_two_frames_gives_the_same(stop):
    truth = crossing()

    def part(follower, frames):
        return follower.follow(
            table(truth, frames), frames, lambda at, expected: Eyes(*truth[frames[at]])(expected)
        )

    whole = part(Follower(OPTIONS), range(len(truth)))
    first = part(Follower(OPTIONS), range(stop))
    rest = part(Follower.going_on(OPTIONS, stop, first), range(stop, len(truth)))
    later = np.array(whole.table.frame) >= stop
    np.testing.assert_array_equal(rest.table.points, whole.table.points[later])
    np.testing.assert_array_equal(rest.table.score, whole.table.score[later])
    np.testing.assert_array_equal(rest.link, whole.link[later])
    np.testing.assert_array_equal(rest.seen, whole.seen[later])


def test_frames_without_animals_are_followed_through():
    empty = table(crossing(), [0]).rows(np.zeros(0, dtype=int))
    found = Follower(OPTIONS).follow(empty, range(3), lambda at, expected: never(expected))
    assert len(found.table) == len(found.link) == 0
    assert isinstance(found, LinkedRows)


def test_a_body_length_that_cannot_be_is_refused():
    with pytest.raises(TrackingError, match="body length must be positive"):
        FollowingOptions(0.0)


def test_a_keypoint_that_slid_onto_another_animal_is_not_told():
    """Of two poses that have one keypoint at one place, the less sure one is asked without it."""
    one, two = at(20, 50), at(24, 70)
    slid = np.concatenate([one[:1] + 1.0, two[1:]])
    before = rows(one, slid)
    before.confidence[1, 0] = 0.4
    asked = []

    def look(expected):
        asked.append(expected)
        return Eyes(one, two)(expected)

    found = follow(rows(), before, rows(), look, OPTIONS)
    assert np.isnan(asked[0][1, 0]).all()
    np.testing.assert_allclose(asked[0][0], one)
    np.testing.assert_allclose(asked[0][1, 1:], two[1:])
    np.testing.assert_allclose(found.points, [one, two])
