"""Limbs join neighbours on the body, and tell a body from parts of two."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lp_core.poses.limbs import limbs_of, parts_of


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


@given(turn=st.floats(0, 6.3), x=st.floats(-500, 500), y=st.floats(-500, 500))
@settings(deadline=None)
def test_a_labelled_body_is_one_part_wherever_it_is(turn, x, y):
    limbs = limbs_of(np.stack([body(), body(stretch=0.9)]))
    assert len(set(parts_of(body(turn, x, y), limbs).tolist())) == 1


def test_keypoints_of_another_body_are_another_part():
    limbs = limbs_of(np.stack([body(), body(1.0)]))
    mixed = body()
    mixed[2:4] = body(x=60)[2:4]
    part = parts_of(mixed, limbs)
    assert len(set(part.tolist())) == 2
    assert len(set(part[[0, 1, 4]].tolist())) == 1
    assert part[2] == part[3] != part[0]


def test_what_is_not_known_parts_nothing():
    limbs = limbs_of(np.stack([body(), body(1.0)]))
    hidden = body()
    hidden[1] = np.nan
    assert len(set(parts_of(hidden, limbs).tolist())) == 1
