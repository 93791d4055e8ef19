"""Files of predictions of several animals, written again with their tracks."""

import os
import subprocess
import sys
from collections import Counter
from dataclasses import replace

import numpy as np
import pytest

from lp_analysis.errors import TrackingError
from lp_analysis.tracks import (
    FileTracking,
    TrackingOptions,
    review_path,
    track_file,
    write_tracked,
)
from lp_core.errors import PoseError
from lp_core.poses import PoseTable, Skeleton
from lp_io.predictions import read_predictions, write_predictions

TWO = FileTracking(TrackingOptions(animals=2))


@pytest.fixture
def crossing(herd):
    """Two animals whose names in the table are ranks, not identities, and some false positives."""
    moving = herd(2, 60, 5, false=0.1, seed=7)
    rank = [
        f"rank{(moving.frame[:row] == moving.frame[row]).sum()}" for row in range(len(moving.frame))
    ]
    K = moving.points.shape[1]
    table = PoseTable(
        Skeleton(tuple(f"k{number}" for number in range(K))),
        moving.points.astype(np.float32),
        tuple(moving.frame.tolist()),
        individual=tuple(rank),
        confidence=np.where(moving.animal[:, None] < 0, 0.3, 0.9).repeat(K, 1).astype(np.float32),
        scorer="us",
    )
    return moving, table


def test_no_frame_has_more_rows_than_there_are_animals(crossing, tmp_path):
    moving, table = crossing
    unsure = np.random.default_rng(0).uniform(0.1, 0.6, len(table))
    table = replace(table, score=np.where(moving.animal < 0, unsure, 0.9))
    # in some frames an animal is not found, and the surest false row takes its place
    missed = (moving.animal == 1) & (moving.frame % 4 == 0)
    table = table.rows(np.flatnonzero(~missed))
    animal = moving.animal[~missed]
    target = tmp_path / "out.slp"
    done = write_tracked(table, target, replace(TWO, most_rows=2))
    written = read_predictions(target, several=True)
    assert max(Counter(written.frame).values()) == 2
    assert sum(name is not None for name in written.individual) == done.tracked
    assert done.tracked == (animal >= 0).sum()
    extra = [place for place, name in enumerate(written.individual) if name is None]
    assert extra
    for place in extra:
        false = [
            row
            for row in np.flatnonzero(animal < 0).tolist()
            if table.frame[row] == written.frame[place]
        ]
        best = max(false, key=lambda row: table.score[row])
        np.testing.assert_allclose(written.points[place], table.points[best], atol=1e-3)


@pytest.mark.parametrize("suffix", [".csv", ".h5", ".slp", ".json", ".nc", ".parquet"])
@pytest.mark.parametrize("online", [False, True])
def test_every_row_is_written_with_its_track_or_none(crossing, tmp_path, suffix, online):
    moving, table = crossing
    source, target = tmp_path / f"in{suffix}", tmp_path / f"out{suffix}"
    write_predictions(table, source)
    done = track_file(source, target, replace(TWO, online=online))
    written = read_predictions(target, several=True)
    assert len(written) == len(table)
    places = {
        (frame, round(float(np.nanmean(points)), 2)): name
        for frame, points, name in zip(
            written.frame, written.points, written.individual, strict=True
        )
    }
    named = [
        places[frame, round(float(np.nanmean(points)), 2)]
        for frame, points in zip(table.frame, table.points, strict=True)
    ]
    pairs = set(zip(moving.animal.tolist(), named, strict=True))
    assert pairs in (
        {(-1, None), (0, "track_0"), (1, "track_1")},
        {(-1, None), (0, "track_1"), (1, "track_0")},
    )
    assert (done.tracks, done.tracked, done.untracked) == (2, 120, len(table) - 120)
    assert review_path(target).read_text().startswith("frame,view,individuals,margin,reason\n")


@pytest.mark.parametrize("keypoints", [4, 5])
def test_what_is_missing_is_not_made_up(worm, tmp_path, keypoints):
    """F23: a gap of three frames stays a gap, and positions stay as they are, whatever K."""
    frames = [*range(20), *range(23, 43)]
    points = np.array([worm(keypoints, 40.0) + np.array([100 + 2 * n, 80]) for n in frames])
    table = PoseTable(
        Skeleton(tuple("abcde"[:keypoints])),
        points,
        tuple(frames),
        individual=("rank",) * 40,
        confidence=np.full(points.shape[:2], 0.9),
    )
    write_predictions(table, tmp_path / "in.csv")
    assert track_file(tmp_path / "in.csv", tmp_path / "out.csv").tracks == 1
    written = read_predictions(tmp_path / "out.csv", several=True)
    assert written.frame == tuple(frames)
    np.testing.assert_allclose(written.points, points)


def test_the_result_is_the_same_in_every_process(crossing, tmp_path):
    """F21: nothing depends on the order of a set of names."""
    _, table = crossing
    write_predictions(table, tmp_path / "in.csv")
    code = (
        "import sys; from pathlib import Path; from lp_analysis.tracks import track_file;"
        "track_file(Path(sys.argv[1]), Path(sys.argv[2]))"
    )
    for seed in "12":
        command = (sys.executable, "-c", code, tmp_path / "in.csv", tmp_path / f"{seed}.csv")
        subprocess.run(command, check=True, env={**os.environ, "PYTHONHASHSEED": seed})
    one, two = (tmp_path / f"{seed}.csv" for seed in "12")
    assert one.read_bytes() == two.read_bytes()
    assert review_path(one).read_bytes() == review_path(two).read_bytes()


def test_keypoints_that_exist_once_stay_as_they_are(tmp_path, worm):
    names = ("a", "b", "c", "corner")
    animal = np.full((4, 2), np.nan)
    animal[:3] = worm(3, 40.0)
    corner = np.full((4, 2), np.nan)
    corner[3] = 5
    points = np.array([animal, animal + 300, corner] * 6)
    table = PoseTable(
        Skeleton(names),
        points,
        tuple(np.repeat(np.arange(6), 3).tolist()),
        individual=("m1", "m2", "single") * 6,
        confidence=np.where(np.isnan(points[..., 0]), np.nan, 0.9),
    )
    write_predictions(table, tmp_path / "in.csv")
    done = track_file(tmp_path / "in.csv", tmp_path / "out.csv", TWO)
    written = read_predictions(tmp_path / "out.csv", several=True)
    assert sorted(set(written.individual)) == ["single", "track_0", "track_1"]
    assert written.individual.count("single") == 6
    assert done.tracked == 12


def test_individuals_of_the_file_are_joined_where_asked(crossing, tmp_path):
    moving, table = crossing
    part = [
        "ab"[number] + str(frame // 20)
        for number, frame in zip(moving.animal, moving.frame, strict=True)
    ]
    names = tuple(None if moving.animal[row] < 0 else part[row] for row in range(len(part)))
    write_predictions(replace(table, individual=names), tmp_path / "in.csv")
    done = track_file(tmp_path / "in.csv", tmp_path / "out.csv", replace(TWO, join=True))
    assert (done.tracks, done.tracked) == (2, 120)


def test_an_individual_twice_in_a_frame_cannot_be_joined_but_tracked(crossing, tmp_path):
    _, table = crossing
    write_predictions(replace(table, individual=("mouse",) * len(table)), tmp_path / "in.slp")
    with pytest.raises(TrackingError, match="'mouse' has two rows in frame 0") as error:
        track_file(tmp_path / "in.slp", tmp_path / "out.slp", replace(TWO, join=True))
    assert error.value.where == str(tmp_path / "in.slp")
    assert track_file(tmp_path / "in.slp", tmp_path / "out.slp", TWO).tracks == 2


def test_what_cannot_be_tracked_is_told(crossing, tmp_path):
    _, table = crossing
    target = tmp_path / "out.csv"
    one = replace(table.rows(slice(0, 1)), individual=None)
    write_predictions(one, tmp_path / "one.csv")
    with pytest.raises(TrackingError, match="one animal at most"):
        track_file(tmp_path / "one.csv", target)
    images = replace(table, frame=tuple(f"img{frame}.png" for frame in table.frame))
    write_predictions(images, tmp_path / "images.csv")
    with pytest.raises(TrackingError, match=r"'img0\.png' is an image"):
        track_file(tmp_path / "images.csv", target)
    write_predictions(table.select_keypoints(["k0"]), tmp_path / "dots.csv")
    with pytest.raises(TrackingError, match="how large a body is"):
        track_file(tmp_path / "dots.csv", target)
    with pytest.raises(PoseError, match="not an ending of a prediction table"):
        track_file(tmp_path / "dots.csv", tmp_path / "out.txt")
    with pytest.raises(TrackingError, match="cannot be joined frame by frame"):
        FileTracking(online=True, join=True)
    assert not target.exists()


def test_a_table_without_confidences_is_tracked(crossing, tmp_path):
    _, table = crossing
    bare = replace(table, confidence=np.full(table.points.shape[:2], np.nan, np.float32))
    write_predictions(bare, tmp_path / "in.csv")
    assert track_file(tmp_path / "in.csv", tmp_path / "out.csv", TWO).tracks == 2
