"""The rows of a video on their way to a table."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lp_core.errors import PoseError
from lp_core.poses import PoseTable, Skeleton
from lp_core.poses.table import concatenate
from lp_io.predictions.rows import RowFile

NAMES = ("a", "b")


def rows(frames):
    """One row for each entry, with numbers that tell where it is from."""
    place = np.arange(len(frames), dtype=np.float64)[:, None, None]
    points = (
        np.array(frames, dtype=np.float64)[:, None, None] * 10 + place / 8 + np.zeros((1, 2, 2))
    )
    return PoseTable(
        Skeleton(NAMES),
        points,
        tuple(frames),
        score=place[:, 0, 0] / 8,
        confidence=np.full((len(frames), 2), 0.5),
    )


def written(path, parts, *, identity="", resume=False):
    with RowFile(path, NAMES, identity=identity, resume=resume) as file:
        for frames, numbers in parts:
            file.append(rows(frames), numbers)
        return concatenate(list(file.chunks()))


@settings(max_examples=25, deadline=None)
@given(counts=st.lists(st.integers(0, 3), min_size=1, max_size=30), size=st.integers(1, 7))
def test_every_row_comes_back_in_the_order_of_frames(tmp_path_factory, counts, size):
    parts = []
    for start in range(0, len(counts), size):
        numbers = range(start, min(start + size, len(counts)))
        parts.append(
            ([frame for frame in reversed(numbers) for _ in range(counts[frame])], numbers)
        )
    table = written(tmp_path_factory.mktemp("rows") / "v.csv", parts)
    assert table.frame == tuple(f for f, n in enumerate(counts) for _ in range(max(1, n)))
    found = np.isfinite(table.points).all(axis=(1, 2))
    assert found.sum() == sum(counts)
    np.testing.assert_array_equal(table.points[found][:, 0, 0] // 10, np.array(table.frame)[found])
    assert np.isnan(table.score[~found]).all()


def interrupted(path):
    with RowFile(path, NAMES, identity="") as file:
        file.append(rows([0, 0, 1]), range(2))
        file.append(rows([2]), range(2, 4))
        raise KeyboardInterrupt


def test_an_interrupted_file_goes_on_where_it_stopped(tmp_path):
    path = tmp_path / "v.csv"
    whole = written(tmp_path / "w.csv", [([0, 0, 1], range(2)), ([3, 2], range(2, 4))])
    with pytest.raises(KeyboardInterrupt):
        interrupted(path)
    torn = next(tmp_path.glob(".v.csv.*.rows"))
    torn.write_bytes(torn.read_bytes()[:-5])
    with RowFile(path, NAMES, identity="", resume=True) as file:
        assert file.frames == 2
        file.keep(2)
        file.append(rows([3, 2]), range(2, 4))
        again = concatenate(list(file.chunks()))
    np.testing.assert_array_equal(again.points, whole.points)
    assert again.frame == whole.frame


def test_rows_of_another_model_are_not_taken_over(tmp_path):
    path = tmp_path / "v.csv"
    written(path, [([0], range(1))], identity="old")
    with RowFile(path, NAMES, identity="new", resume=True) as file:
        assert list(file.chunks()) == []
        file.remove()
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_cannot_be_written_is_named(tmp_path):
    (tmp_path / "file").touch()
    with (
        pytest.raises(PoseError, match=r"file.*"),
        RowFile(tmp_path / "file" / "v.csv", NAMES, identity=""),
    ):
        pass


def test_links_come_back_with_their_rows_and_those_of_the_last_frames(tmp_path):
    """A row's place among the rows of the frame before goes with it when rows are put in order."""
    with RowFile(tmp_path / "v.csv", NAMES, identity="") as file:
        file.append(rows([0, 0]), range(1))
        file.append(
            rows([2, 1, 1]), range(1, 4), np.array([1, 0, -1]), np.array([False, 1, 1], bool)
        )
        links, seen = file.links()
        assert links.tolist() == [-1, -1, 0, -1, 1, -1]
        assert seen.tolist() == [True, True, True, True, False, True]
        assert file.last(2).frame == (2, 3)
        assert file.links(2)[0].tolist() == [1, -1]
        assert file.links(9)[0].tolist() == links.tolist()
    with RowFile(tmp_path / "none.csv", NAMES, identity="") as empty:
        assert len(empty.last(2)) == len(empty.links(2)[0]) == 0
