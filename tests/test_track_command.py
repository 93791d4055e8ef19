"""``litpose track`` on a table of several animals."""

import numpy as np
import pytest

from lp_core.poses import PoseTable, Skeleton
from lp_io.predictions import read_predictions, write_predictions


@pytest.fixture
def pair(tmp_path):
    """A table of two animals that walk side by side, named by ranks that change."""
    shape = np.array([[0.0, 0.0], [20.0, 3.0], [40.0, 0.0]])
    poses = [
        shape + np.array([5.0 * frame, 100.0 * animal]) for frame in range(20) for animal in (0, 1)
    ]
    ranks = [f"rank{(animal + frame) % 2}" for frame in range(20) for animal in (0, 1)]
    table = PoseTable(
        Skeleton(("nose", "middle", "tail")),
        np.array(poses),
        tuple(frame for frame in range(20) for _ in (0, 1)),
        individual=tuple(ranks),
        confidence=np.full((40, 3), 0.9),
    )
    write_predictions(table, tmp_path / "pair.csv")
    return tmp_path / "pair.csv"


def test_track_names_individuals_and_lists_what_to_review(litpose, pair):
    outcome = litpose("track", pair, "--animals", 2)
    assert outcome.code == 0
    assert "2 individuals in 40 rows" in outcome.out
    table = read_predictions(pair.with_name("pair_tracked.csv"), several=True)
    lower = [points[0, 1] > 50 for points in table.points]
    assert set(zip(lower, table.individual, strict=True)) == {
        (False, "track_0"),
        (True, "track_1"),
    }
    assert pair.with_name("pair_tracked_review.csv").exists()
    again = litpose("track", pair, "--animals", 2)
    assert again.code == 2
    assert "--overwrite" in again.err


def test_track_takes_the_number_of_animals_by_stretches(litpose, pair):
    outcome = litpose("track", pair, "--count", "10-19=1")
    assert outcome.code == 0
    table = read_predictions(pair.with_name("pair_tracked.csv"), several=True)
    named = np.array([name is not None for name in table.individual])
    late = np.array(table.frame) >= 10
    assert named[~late].all()
    assert named[late].sum() == 10


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (("--count", "few"), "--count 0-999=2"),
        (("--count", "9-3=1"), "not a number of animals"),
        (("--online", "--join"), "frame by frame"),
        (("-o", "x.txt"), "not an ending of a prediction table"),
        (("--animals", "0"), "animals"),
    ],
)
def test_wrong_wishes_for_tracks_are_told(litpose, pair, arguments, expected):
    outcome = litpose("track", pair, *arguments)
    assert outcome.code == 2
    assert expected in outcome.err
    assert "Traceback" not in outcome.err
