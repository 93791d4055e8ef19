"""Limbs join neighbours on the body, and tell a body from parts of two."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lp_core.poses.limbs import limbs_of, parts_of, path_lengths


def body(turn=0.0, x=0.0, y=0.0, stretch=1.0):
    """Five keypoints: four in a line, 10 apart, and one 5 beside the second."""
    pose = np.array([[0.0, 0], [10, 0], [20, 0], [30, 0], [10, 5]]) * stretch
    cos, sin = np.cos(turn), np.sin(turn)
    return pose @ np.array([[cos, sin], [-sin, cos]]) + [x, y]


def pairs(limbs):
    return {(limb.one, limb.other) for limb in limbs}


def test_limbs_are_the_shortest_tree_with_the_longest_labelled_lengths():
    limbs = limbs_of(np.stack([body(), body(1.0, 40, 9, 1.2), body(2.0)]))
    assert pairs(limbs) == {(0, 1), (1, 2), (2, 3), (1, 4)}
    lengths = {limb[:2]: limb.longest for limb in limbs}
    assert lengths == pytest.approx({(0, 1): 12, (1, 2): 12, (2, 3): 12, (1, 4): 6})


def test_keypoints_that_are_missing_here_and_there_have_limbs():
    poses = np.stack([body(turn) for turn in (0.0, 1.0, 2.0)])
    poses[0, 1] = poses[1, 2] = poses[2, 0] = np.nan
    poses[2] = np.nan
    poses = np.concatenate([poses, body()[None]])
    assert pairs(limbs_of(poses)) == {(0, 1), (1, 2), (2, 3), (1, 4)}


def test_a_keypoint_that_is_never_labelled_has_no_limb():
    poses = np.stack([body(), body(1.0)])
    poses[:, 0] = np.nan
    assert pairs(limbs_of(poses)) == {(1, 2), (2, 3), (1, 4)}
    assert limbs_of(np.full((2, 5, 2), np.nan)) == ()
    assert limbs_of(np.empty((0, 5, 2))) == ()


def parts(pose, *labelled):
    return parts_of(pose, path_lengths(limbs_of(np.stack(labelled)), len(pose)))


@given(turn=st.floats(0, 6.3), x=st.floats(-500, 500), y=st.floats(-500, 500))
@settings(deadline=None)
def test_a_labelled_body_is_one_part_wherever_it_is(turn, x, y):
    assert set(parts(body(turn, x, y), body(), body(stretch=0.9)).tolist()) == {0}


@pytest.mark.parametrize("hidden", [[], [0], [4], [0, 4]])
def test_keypoints_of_another_body_are_another_part(hidden):
    mixed = body()
    mixed[2:4] = body(x=60)[2:4]
    mixed[hidden] = np.nan
    part = parts(mixed, body(), body(1.0))
    assert (part[hidden] == -1).all()
    own = np.setdiff1d([0, 1, 4], hidden)
    assert len(set(part[own].tolist())) == 1
    assert part[2] == part[3] != part[1]


def test_what_lies_between_two_parts_may_be_unknown():
    mixed = body()
    mixed[3] = body(x=60)[3]
    mixed[2] = np.nan
    part = parts(mixed, body(), body(1.0))
    assert part[3] != part[0] == part[1] == part[4]
    mixed[3] = body()[3]
    assert set(parts(mixed, body(), body(1.0))[[0, 1, 3, 4]].tolist()) == {0}


def test_keypoints_without_a_limb_part_nothing():
    one, two = body(), body(1.0)
    one[0] = two[0] = np.nan
    assert set(parts(body(), one, two).tolist()) == {0}


def test_paths_along_limbs():
    lengths = path_lengths(limbs_of(np.stack([body(), body(1.0)])), 5) / 1.35
    assert lengths[0, 3] == pytest.approx(30)
    assert lengths[4, 3] == pytest.approx(25)
    assert path_lengths((), 2).tolist() == [[0, np.inf], [np.inf, 0]]
