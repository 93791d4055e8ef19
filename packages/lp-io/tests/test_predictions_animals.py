"""Tables of several animals, frame by frame."""

from __future__ import annotations

import tracemalloc
from dataclasses import replace

import numpy as np
import pytest

from lp_core.errors import PoseError
from lp_core.poses import PoseTable, Skeleton
from lp_io.predictions import (
    AnimalPredictions,
    VideoPredictions,
    predictions_of_video,
    write_predictions,
)

SKELETON = Skeleton(("nose", "tail"))
FORMATS = ("csv", "h5", "parquet", "slp", "json", "nc")
ROWS = ((0, "ann"), (0, "bob"), (2, "bob"), (2, None), (3, "ann"))


def _table(rows=ROWS):
    """The nose of each row is at 10 times its frame, and 1, 2 or 3 for ann, bob or nobody."""
    x = [10.0 * frame + ("ann", "bob", None).index(name) + 1 for frame, name in rows]
    points = np.array([[[value, 5.0], [value, 9.0]] for value in x])
    frames, names = zip(*rows, strict=True)
    return PoseTable(
        SKELETON, points, frames, individual=names, confidence=np.full((len(rows), 2), 0.5)
    )


def _noses(predictions, frames=None):
    return [sorted(rows.points[:, 0, 0].tolist()) for rows in predictions.of_frames(frames)]


@pytest.mark.parametrize("ending", FORMATS)
def test_every_frame_has_its_rows_whatever_the_format(tmp_path, ending):
    path = tmp_path / f"t.{ending}"
    write_predictions(_table(), path)
    predictions = predictions_of_video(path, 6)
    assert isinstance(predictions, AnimalPredictions)
    assert predictions.individuals == ("ann", "bob", None)
    assert _noses(predictions) == [[1, 2], [], [22, 23], [31], [], []]
    assert _noses(predictions, range(2, 4)) == [[22, 23], [31]]
    names = [rows.individual for rows in predictions.of_frames()]
    assert sorted(map(str, names[2])) == ["None", "bob"]


def test_frames_without_a_row_are_told(tmp_path):
    write_predictions(_table(), tmp_path / "t.csv")
    note = predictions_of_video(tmp_path / "t.csv", 6).note
    assert note == "3 of 6 frames have no row in t.csv: 1, 4 to 5"


def test_frames_of_a_csv_file_may_be_in_any_order(tmp_path):
    path = tmp_path / "t.csv"
    write_predictions(_table(), path)
    *header, first, second, third = path.read_text().splitlines(keepends=True)
    path.write_text("".join([*header, third, first, second]))
    assert _noses(predictions_of_video(path, 4)) == [[1, 2], [], [22, 23], [31]]


@pytest.mark.parametrize("name", ["ann", None])
@pytest.mark.parametrize("ending", FORMATS)
def test_a_table_of_one_animal_is_read_as_before(tmp_path, ending, name):
    write_predictions(_table([(0, name), (3, name)]), tmp_path / f"t.{ending}")
    assert isinstance(predictions_of_video(tmp_path / f"t.{ending}", 6), VideoPredictions)


@pytest.mark.parametrize("ending", FORMATS)
def test_animals_without_any_track_are_several(tmp_path, ending):
    write_predictions(_table([(0, None), (1, None), (1, None)]), tmp_path / f"t.{ending}")
    predictions = predictions_of_video(tmp_path / f"t.{ending}", 2)
    assert predictions.individuals == (None,)
    assert list(map(len, _noses(predictions))) == [1, 2]


def test_confidence_is_what_the_calibration_makes_of_it(tmp_path):
    write_predictions(_table(), tmp_path / "t.csv")
    predictions = predictions_of_video(tmp_path / "t.csv", 6, lambda likelihood: likelihood / 5)
    first = next(predictions.of_frames())
    np.testing.assert_allclose(first.confidence, 0.1)


def test_table_of_another_video_or_of_images_is_refused(tmp_path):
    path = tmp_path / "t.csv"
    write_predictions(_table(), path)
    with pytest.raises(PoseError, match="outside the video of 3 frames: 3"):
        predictions_of_video(path, 3)
    images = tuple(f"labeled-data/a/img{frame}.png" for frame, _ in ROWS)
    write_predictions(replace(_table(), frame=images), path)
    with pytest.raises(PoseError, match="of images"):
        predictions_of_video(path, 6)


def test_memory_does_not_grow_with_the_length_of_a_csv_file(tmp_path):
    peaks = []
    for frames in (512, 1_536):
        path = tmp_path / f"{frames}.csv"
        columns = [(name, part, axis) for name in ("ann", "bob") for part in SKELETON.names
                   for axis in ("x", "y", "likelihood")]  # fmt: skip
        header = ["scorer" + ",s" * 12]
        header += [
            ",".join([title, *(column[level] for column in columns)])
            for level, title in enumerate(("individuals", "bodyparts", "coords"))
        ]
        lines = (f"{number}" + ",1.5,2.5,0.9" * 4 for number in range(frames))
        path.write_text("\n".join([*header, *lines]) + "\n")
        predictions = AnimalPredictions(path, frames)
        tracemalloc.start()
        assert sum(map(len, predictions.of_frames())) == 2 * frames
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[1] < 1.5 * peaks[0]
