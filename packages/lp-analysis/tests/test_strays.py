"""Keypoints that a tracker took from another animal are not believed."""

from __future__ import annotations

import numpy as np

from lp_analysis.prediction.strays import without_strays
from lp_core.poses.limbs import limbs_of, path_lengths

LENGTH = 30.0
BODY = np.array([[0.0, 0], [10, 0], [20, 0], [30, 0], [10, 5]])
LENGTHS = path_lengths(limbs_of(np.stack([BODY, 1.1 * BODY])), len(BODY))


def mixed(taken, away=60.0):
    pose = BODY.copy()
    pose[taken] += [away, 0]
    return pose


def believed(pose, confidence, expected=None):
    expected = None if expected is None else expected[None]
    points, found = without_strays(pose[None], np.array([confidence]), LENGTHS, LENGTH, expected)
    assert (np.isnan(points[0]).any(axis=1) == (found[0] == 0)).all()
    return found[0].tolist()


def test_a_whole_body_is_believed():
    confidence = [0.9, 0.1, 0.8, 0.7, 0.6]
    assert believed(BODY, confidence) == confidence


def test_the_surest_part_is_believed():
    assert believed(mixed([2, 3]), [0.9] * 5) == [0.9, 0.9, 0, 0, 0.9]
    assert believed(mixed([2, 3]), [0.3, 0.3, 0.9, 0.9, 0.3]) == [0, 0, 0.9, 0.9, 0]


def test_what_was_expected_there_is_believed_before_what_is_surer():
    sure = [0.3, 0.3, 0.9, 0.9, 0.3]
    assert believed(mixed([2, 3]), sure, BODY) == [0.3, 0.3, 0, 0, 0.3]
    assert believed(mixed([2, 3]), sure, BODY + 200) == [0] * 5
    nowhere = np.full((5, 2), np.nan)
    assert believed(mixed([2, 3]), sure, nowhere) == [0, 0, 0.9, 0.9, 0]


def test_an_unsure_keypoint_far_off_says_nothing_of_the_others():
    confidence = [0.9, 0.9, 0.9, 0.05, 0.9]
    assert believed(mixed([3]), confidence) == confidence


def test_without_limbs_or_rows_nothing_changes():
    confidence = np.full((1, 5), 0.9)
    points, same = without_strays(mixed([2])[None], confidence, path_lengths((), 5), LENGTH)
    assert (same == confidence).all()
    assert np.isfinite(points).all()
    points, none = without_strays(np.empty((0, 5, 2)), np.empty((0, 5)), LENGTHS, LENGTH)
    assert (points.shape, none.shape) == ((0, 5, 2), (0, 5))
