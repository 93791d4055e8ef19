"""Rows that show one animal twice."""

import numpy as np
import pytest

from lp_analysis.metrics.duplicates import without_duplicates
from lp_core.poses import PoseTable, Skeleton

BODY = 50.0


def table_of(poses, frame, score):
    points = np.reshape(poses, (len(frame), 8, 2))
    names = tuple(f"k{number}" for number in range(8))
    return PoseTable(Skeleton(names), points, tuple(frame), score=np.array(score, float))


@pytest.mark.parametrize("best", [0, 1, 2])
def test_of_rows_of_one_animal_the_best_stays(worm, best):
    """F27, F28: what is kept is the row of the highest score, and as many rows as animals."""
    shape, score = worm(8, BODY), [0.5, 0.5, 0.5, 0.3]
    score[best] = 0.9
    poses = [shape, shape + 1, shape - 1, shape + 200]
    kept = without_duplicates(table_of(poses, [7, 7, 7, 7], score), BODY)
    assert kept.score.tolist() == [0.9, 0.3]
    np.testing.assert_array_equal(kept.points, [poses[best], poses[3]])


def test_nothing_comes_of_nothing(worm):
    """F27: no rows give a table without rows."""
    kept = without_duplicates(table_of([], [], []), BODY)
    assert len(kept) == 0
    assert kept.num_keypoints == 8


def test_animals_that_touch_with_some_keypoints_stay(worm):
    """F6: two animals nose to nose have keypoints in one place, and are two."""
    shape = worm(8, BODY)
    other = 2 * shape[-1] - shape
    kept = without_duplicates(table_of([shape, other], [0, 0], [0.9, 0.8]), BODY)
    assert len(kept) == 2


def test_what_a_removed_row_is_like_stays(worm):
    """F7: a row is compared with rows that stay only."""
    shape = worm(8, BODY)
    step = np.array([BODY / 12, 0])
    chain = [shape + number * step for number in range(3)]
    two = without_duplicates(table_of(chain[:2], [0, 0], [0.9, 0.8]), BODY)
    apart = without_duplicates(table_of(chain[::2], [0, 0], [0.9, 0.7]), BODY)
    assert (len(two), len(apart)) == (1, 2)
    kept = without_duplicates(table_of(chain, [0, 0, 0], [0.9, 0.8, 0.7]), BODY)
    assert kept.score.tolist() == [0.9, 0.7]


def test_rows_of_other_frames_are_no_duplicates(worm):
    shape = worm(8, BODY)
    assert len(without_duplicates(table_of([shape] * 3, [0, 1, 2], [0.9] * 3), BODY)) == 3
