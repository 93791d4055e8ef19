"""Which labelled animals were found, and from which score on something found is one."""

import numpy as np
import pytest

from lp_analysis.metrics.score_threshold import FoundAnimals, calibrated_threshold, match_animals

NAN = np.nan


def poses(*points):
    """Poses of two keypoints, the second 10 px to the right of the first."""
    first = np.array(points, dtype=float).reshape(-1, 1, 2)
    return np.concatenate([first, first + np.array([10.0, 0.0])], axis=1)


def test_each_animal_is_one_that_was_found_near_it_or_none():
    found, truth = poses((52, 50), (0, 0), (90, 90)), poses((0, 2), (50, 50), (20, 90))
    assert match_animals(found, truth, 20.0).tolist() == [1, 0, -1]


def test_as_many_animals_as_possible_were_found():
    """The nearest one is left to the animal that no other can be."""
    found, truth = poses((0, 0), (15, 0)), poses((2, 0), (-12, 0))
    assert match_animals(found, truth, 14.0).tolist() == [1, 0]


def test_keypoints_that_one_lacks_do_not_count():
    found, truth = poses((0, 0), (50, 0)), poses((0, 0), (50, 0))
    found[0, 0], truth[1] = NAN, NAN
    assert match_animals(found, truth, 5.0).tolist() == [0, -1]
    truth[0, 1] = NAN  # now they share none
    assert match_animals(found, truth, 5.0).tolist() == [-1, -1]


def test_nothing_found_and_nothing_there():
    assert match_animals(poses(), poses((0, 0)), 5.0).tolist() == [-1]
    assert match_animals(poses((0, 0)), poses(), 5.0).tolist() == []


def test_the_threshold_separates_animals_from_false_detections():
    truth = poses((0, 0), (50, 50))
    found = poses((0, 1), (49, 50), (90, 0), (0, 90))
    frame = FoundAnimals(found, np.array([0.9, 0.4, 0.16, 0.1]), truth)
    assert calibrated_threshold([frame], 10.0) == pytest.approx(np.sqrt(0.4 * 0.16))


def test_without_false_detections_a_lowest_score_keeps_the_threshold_careful():
    frame = FoundAnimals(poses((0, 1)), np.array([0.4]), poses((0, 0)))
    assert calibrated_threshold([frame], 10.0) == pytest.approx(0.1)
    assert calibrated_threshold([frame], 10.0, lowest=0.1) == pytest.approx(0.2)
