"""Rows of a table of predictions belong to the frames that their numbers name."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lp_core.errors import PoseError
from lp_core.poses import PoseTable, Skeleton
from lp_io.predictions import VideoPredictions, write_predictions


def predicted(names, points, confidence, frame, split=None, scorer="tracker"):
    return PoseTable(
        Skeleton(tuple(names)), points, frame, confidence=confidence, split=split, scorer=scorer
    )


FRAMES = 12
POSITIONS = np.arange(FRAMES * 4, dtype=np.float64).reshape(FRAMES, 2, 2) + 0.25
CONFIDENCES = np.linspace(0, 1, FRAMES * 2, dtype=np.float32).astype(float).reshape(FRAMES, 2)


def write(path, frames, index=None):
    """A table with the rows of some frames, in that order, numbered by the frames or otherwise."""
    rows = list(frames)
    index = tuple(rows if index is None else index)
    table = predicted(("nose", "tail"), POSITIONS[rows], CONFIDENCES[rows], index)
    write_predictions(table, path)
    return path


def dense(predictions, **options):
    parts = list(predictions.chunks(**options))
    return tuple(np.concatenate(values) for values in zip(*parts, strict=True))


ROWS = st.lists(st.integers(0, FRAMES - 1), min_size=1, unique=True)


@settings(deadline=None, max_examples=40)
@given(frames=ROWS, size=st.integers(1, 15), first=st.integers(0, FRAMES), count=st.integers(1, 9))
def test_every_row_is_placed_by_its_number(tmp_path_factory, frames, size, first, count):
    path = write(tmp_path_factory.mktemp("table") / "p.csv", frames)
    predictions = VideoPredictions(path, FRAMES)
    missing = [frame for frame in range(FRAMES) if frame not in frames]
    expected = POSITIONS.copy()
    expected[missing] = np.nan
    keypoints, confidences = dense(predictions, size=size)
    np.testing.assert_array_equal(keypoints, expected)
    assert predictions.without_row.tolist() == missing
    assert np.isnan(confidences[missing]).all()
    part = range(first, min(first + count, FRAMES))
    for chunk, _ in predictions.chunks(part, size):
        np.testing.assert_array_equal(chunk, expected[part.start : part.start + len(chunk)])
        part = range(part.start + len(chunk), part.stop)
    some = [5, 0, 11]
    np.testing.assert_array_equal(predictions.at(some).points, expected[some])
    in_order = [frame for table in predictions.rows(size) for frame in table.frame]
    assert in_order == sorted(frames)


@pytest.mark.parametrize("suffix", [".csv", ".h5", ".parquet", ".json", ".slp", ".nc"])
def test_every_format_is_placed_by_its_numbers(tmp_path, suffix):
    path = write(tmp_path / f"p{suffix}", [7, 3, 9])
    keypoints, _ = dense(VideoPredictions(path, FRAMES))
    for frame in (3, 7, 9):
        np.testing.assert_allclose(keypoints[frame], POSITIONS[frame])
    assert np.isnan(keypoints[[0, 8, 11]]).all()


def test_numbers_are_read_by_their_value(tmp_path):
    """F43: frame numbers may be padded with zeros, each to another width."""
    path = write(tmp_path / "p.csv", [10, 9, 3], ["10", "09", "0003"])
    keypoints, _ = dense(VideoPredictions(path, FRAMES))
    np.testing.assert_array_equal(keypoints[[3, 9, 10]], POSITIONS[[3, 9, 10]])
    assert np.isnan(keypoints[[0, 1, 2, 11]]).all()


def test_frames_without_a_row_are_named(tmp_path):
    path = write(tmp_path / "p.csv", [0, 1, 2, 4, 5, 9])
    note = VideoPredictions(path, FRAMES).note
    assert note.startswith("6 of 12 frames have no row")
    assert note.endswith(": 3, 6 to 8, 10 to 11")
    assert VideoPredictions(write(tmp_path / "q.csv", range(FRAMES)), FRAMES).note is None


@pytest.mark.parametrize(
    ("index", "told"),
    [
        ([0, 1, 1, 3, 3, 3], "frame numbers repeat: 1, 3"),
        (["0", "1", "2", "3", "4", "12"], "outside the video of 12 frames: 12"),
        (["0", "1", "2", "3", "4", "-2"], "outside the video of 12 frames: -2"),
        (["0", "9" * 30, "2", "3", "4", "0"], "repeat: 0, and frame numbers lie outside the video"),
        (["0", "1", "x.png", "3", "4", "5"], "'x.png', the first cell of row 3"),
        (["0", "1", "", "3", "4", "5"], "the first cell of row 3"),
        (list("abcdef"), "6 rows without frame numbers, but the video 12 frames"),
    ],
)
def test_numbers_that_are_not_those_of_the_video_are_refused(tmp_path, index, told):
    path = write(tmp_path / "p.csv", range(6), index)
    with pytest.raises(PoseError, match="(?s)" + told.replace("'", ".")):
        VideoPredictions(path, FRAMES)


def test_a_table_without_rows_and_a_folder_are_refused(tmp_path):
    path = write(tmp_path / "p.csv", [])
    with pytest.raises(PoseError, match="no rows"):
        VideoPredictions(path, FRAMES)
    with pytest.raises(PoseError, match="this is a folder"):
        VideoPredictions(tmp_path, FRAMES)


@pytest.mark.parametrize(
    "index", [[f"img{n}.png" for n in range(FRAMES)], [f"{n}.0" for n in range(FRAMES)]]
)
def test_images_stay_in_the_order_of_their_rows_and_whole_numbers_may_have_a_point(tmp_path, index):
    path = write(tmp_path / "p.csv", range(FRAMES), index)
    np.testing.assert_array_equal(dense(VideoPredictions(path, FRAMES))[0], POSITIONS)


def test_precision_is_that_of_the_prediction(tmp_path):
    values = (POSITIONS / 3).astype(np.float32)
    table = predicted(("nose", "tail"), values, values[..., 0], tuple(range(FRAMES)))
    write_predictions(table, tmp_path / "p.csv")
    keypoints, _ = dense(VideoPredictions(tmp_path / "p.csv"))
    np.testing.assert_array_equal(keypoints, values.astype(np.float64))
