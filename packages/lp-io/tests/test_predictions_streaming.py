"""The predictions of a video survive whatever interrupts their writing."""

import tracemalloc
from contextlib import suppress

import numpy as np
import pytest

from lp_core.errors import PoseError
from lp_core.poses import (
    Content,
    PoseTable,
    Skeleton,
    read_pose_csv,
    read_pose_csv_chunks,
    write_pose_csv,
)
from lp_io.predictions import (
    PredictionCsvWriter,
)


def predicted(names, points, confidence, frame, split=None, scorer="tracker"):
    return PoseTable(
        Skeleton(tuple(names)), points, frame, confidence=confidence, split=split, scorer=scorer
    )


NAMES = ("nose", "tail")
RNG = np.random.default_rng(4)
KEYPOINTS = (RNG.random((50, 2, 2)) * 400).astype(np.float32)
CONFIDENCES = RNG.random((50, 2)).astype(np.float32)


class PowerCut(BaseException):
    pass


def writer(path, **options):
    return PredictionCsvWriter(path, NAMES, scorer="heatmap_tracker", **options)


def append(to, begin, end):
    to.append(KEYPOINTS[begin:end], CONFIDENCES[begin:end])


def interrupted(path, rows, **options):
    """Leave the partial file of a writer that stopped after some rows; gives its path."""
    part = writer(path, **options)
    with suppress(PowerCut), part:
        append(part, 0, rows)
        raise PowerCut
    return part.partial_path


def test_chunks_make_the_same_bytes_as_one_table(tmp_path):
    with writer(tmp_path / "chunks.csv") as chunks:
        for begin in range(0, 50, 7):
            append(chunks, begin, begin + 7)
    table = predicted(NAMES, KEYPOINTS, CONFIDENCES, tuple(range(50)), scorer="heatmap_tracker")
    write_pose_csv(table, tmp_path / "table.csv")
    assert (tmp_path / "chunks.csv").read_bytes() == (tmp_path / "table.csv").read_bytes()
    assert len(list(tmp_path.iterdir())) == 2


def test_nothing_stands_under_the_final_name_before_the_end(tmp_path):
    path = tmp_path / "p.csv"
    path.write_text("an older run")
    interrupted(path, 20)
    assert path.read_text() == "an older run"


@pytest.mark.parametrize("cut", [1, 2, 10, 30])
def test_a_torn_row_is_dropped_and_the_rest_is_taken_over(tmp_path, cut):
    path = tmp_path / "p.csv"
    partial = interrupted(path, 20)
    partial.write_bytes(partial.read_bytes()[:-cut])
    with writer(path, resume=True) as resumed:
        assert resumed.complete_rows == 19
        append(resumed, 19, 50)
        assert resumed.complete_rows == 50
    table = read_pose_csv(path, Content.PREDICTIONS)
    np.testing.assert_array_equal(table.points.astype(np.float32), KEYPOINTS)
    assert table.frame == tuple(range(50))
    assert list(tmp_path.iterdir()) == [path]


def test_blocks_that_the_power_cut_left_empty_are_dropped(tmp_path):
    partial = interrupted(tmp_path / "p.csv", 20)
    content = partial.read_bytes()
    partial.write_bytes(content[:-300] + b"\0" * 300)
    with writer(tmp_path / "p.csv", resume=True) as resumed:
        assert 0 < resumed.complete_rows < 20
        append(resumed, resumed.complete_rows, 50)
    keypoints = read_pose_csv(tmp_path / "p.csv", Content.PREDICTIONS).points
    np.testing.assert_array_equal(keypoints.astype(np.float32), KEYPOINTS)


def test_a_header_that_was_cut_short_starts_anew(tmp_path):
    partial = interrupted(tmp_path / "p.csv", 5)
    partial.write_bytes(partial.read_bytes()[:12])
    with writer(tmp_path / "p.csv", resume=True) as resumed:
        assert resumed.complete_rows == 0
        append(resumed, 0, 50)
    assert len(read_pose_csv(tmp_path / "p.csv", Content.PREDICTIONS)) == 50


@pytest.mark.parametrize("change", [{"identity": "model b"}, {"resume": False}])
def test_rows_of_another_model_are_not_taken_over(tmp_path, change):
    path = tmp_path / "p.csv"
    interrupted(path, 20, identity="model a")
    with writer(path, **{"identity": "model a", "resume": True, **change}) as other:
        assert other.complete_rows == 0
        append(other, 0, 50)
    assert len(read_pose_csv(path, Content.PREDICTIONS)) == 50
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("rows", [0, 1, 13, 20])
def test_a_writer_goes_back_to_an_earlier_row(tmp_path, rows):
    path = tmp_path / "p.csv"
    interrupted(path, 20)
    with writer(path, resume=True) as resumed:
        resumed.go_back(rows)
        there = read_pose_csv(resumed.partial_path, Content.PREDICTIONS)
        assert len(there) == resumed.complete_rows == rows
        append(resumed, rows, 50)
    with writer(tmp_path / "whole.csv") as whole:
        append(whole, 0, 50)
    assert path.read_bytes() == (tmp_path / "whole.csv").read_bytes()


def test_a_writer_cannot_go_back_to_rows_that_it_does_not_have(tmp_path):
    with writer(tmp_path / "p.csv") as rows:
        append(rows, 0, 5)
        with pytest.raises(PoseError, match="not 6 rows"):
            rows.go_back(6)
        append(rows, 5, 50)


def test_memory_does_not_grow_with_the_video(tmp_path):
    def peak(chunks):
        tracemalloc.start()
        with writer(tmp_path / "p.csv") as long:
            for _ in range(chunks):
                append(long, 0, 50)
        return tracemalloc.get_traced_memory()[1], tracemalloc.stop()

    peak(2)
    assert peak(200)[0] < 1.2 * peak(10)[0] + 10_000


def test_a_wrong_number_of_keypoints_is_refused(tmp_path):
    with writer(tmp_path / "p.csv") as part:
        with pytest.raises(PoseError, match="2 keypoint names"):
            part.append(KEYPOINTS[:, :1], CONFIDENCES[:, :1])
        append(part, 0, 50)
    with pytest.raises(PoseError, match="outside"):
        append(part, 0, 1)


def test_a_folder_that_cannot_be_written_to_is_named(tmp_path):
    (tmp_path / "file").write_text("")
    with (
        pytest.raises(PoseError, match="cannot be written"),
        writer(tmp_path / "file" / "p.csv"),
    ):
        pass


@pytest.mark.parametrize("rows", [1, 7, 25, 50, 1000])
def test_chunks_of_a_table_are_the_table(tmp_path, rows):
    path = tmp_path / "p.csv"
    with writer(path) as whole:
        append(whole, 0, 50)
    chunks = list(read_pose_csv_chunks(path, Content.PREDICTIONS, rows))
    assert [len(chunk) for chunk in chunks[:-1]] == [rows] * (len(chunks) - 1)
    assert sum((chunk.frame for chunk in chunks), ()) == tuple(range(50))
    keypoints = np.concatenate([chunk.points for chunk in chunks]).astype(np.float32)
    np.testing.assert_array_equal(keypoints, KEYPOINTS)
    confidences = np.concatenate([chunk.confidence for chunk in chunks]).astype(np.float32)
    np.testing.assert_array_equal(confidences, CONFIDENCES)


def test_a_table_without_rows_still_tells_its_keypoints(tmp_path):
    with writer(tmp_path / "p.csv"):
        pass
    (empty,) = read_pose_csv_chunks(tmp_path / "p.csv", Content.PREDICTIONS)
    assert (len(empty), empty.keypoint_names) == (0, NAMES)


def test_a_wrong_row_is_told_by_its_number_when_its_turn_has_come(tmp_path):
    path = tmp_path / "p.csv"
    with writer(path) as whole:
        append(whole, 0, 50)
    lines = path.read_text().splitlines()
    lines[3 + 30] += ",1"
    path.write_text("\n".join(lines))
    chunks = read_pose_csv_chunks(path, Content.PREDICTIONS, 10)
    assert sum(len(next(chunks)) for _ in range(3)) == 30
    with pytest.raises(PoseError, match="8 cells") as caught:
        next(chunks)
    assert caught.value.where.endswith("line 34, column 8")


def test_reading_in_chunks_takes_no_more_memory_for_longer_tables(tmp_path):
    def peak(rows):
        path = tmp_path / f"{rows}.csv"
        with writer(path) as whole:
            for _ in range(rows // 50):
                append(whole, 0, 50)
        tracemalloc.start()
        for _ in read_pose_csv_chunks(path, Content.PREDICTIONS, 100):
            pass
        _, most = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        return most

    assert peak(10_000) < 1.2 * peak(1_000)
