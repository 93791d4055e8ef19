"""Files of points in space keep everything, and say what is wrong with them."""

import numpy as np
import pandas as pd
import pytest

from lp_core.errors import PoseError
from lp_core.poses import PoseTable, Skeleton
from lp_io.points3d import Points3D, points3d_writer, read_points3d, write_points3d


def points(rows=4, individual=None, quality=True, first=0):
    random = np.random.default_rng(rows)
    xyz = random.normal(0, 100, (rows, 2, 3))
    xyz[1, 0] = np.nan
    root = random.normal(0, 1, (rows, 2, 3, 3))
    covariance = root @ root.swapaxes(-1, -2) if quality else None
    frames = tuple(first + row // (2 if individual else 1) for row in range(rows))
    table = PoseTable(
        Skeleton(("nose", "tail, base")),
        xyz,
        frames,
        individual=individual,
        covariance=covariance,
        scorer="ours",
    )
    error = random.uniform(0, 3, (rows, 2)) if quality else None
    views = random.integers(0, 5, (rows, 2)).astype(float) if quality else None
    return Points3D(table, error, views)


def assert_same(one, other):
    assert one.table.frame == other.table.frame
    assert one.table.individual == other.table.individual
    assert one.table.keypoint_names == other.table.keypoint_names
    assert one.table.scorer == other.table.scorer
    assert one.coords == other.coords
    np.testing.assert_array_equal(one.values(), other.values())


@pytest.mark.parametrize("individual", [None, ("a", "b", "a", "b")])
@pytest.mark.parametrize("quality", [True, False])
def test_everything_comes_back(individual, quality, tmp_path):
    path = tmp_path / "points3d.csv"
    given = points(individual=individual, quality=quality)
    write_points3d(given, path)
    assert_same(read_points3d(path), given)


def test_pandas_reads_it(tmp_path):
    path = tmp_path / "points3d.csv"
    given = points()
    write_points3d(given, path)
    frame = pd.read_csv(path, header=[0, 1, 2], index_col=0)
    np.testing.assert_array_equal(frame["ours"]["nose"]["z"], given.table.points[:, 0, 2])
    assert frame["ours"]["nose"]["views"].dtype == np.int64
    np.testing.assert_array_equal(
        frame["ours"]["tail, base"]["xz"], given.table.covariance[:, 1, 0, 2]
    )


def test_parts_make_one_file(tmp_path):
    with points3d_writer(tmp_path / "a.csv") as writer:
        writer.write(points(4))
        writer.write(points(3, first=4))
    found = read_points3d(tmp_path / "a.csv")
    assert found.table.frame == (0, 1, 2, 3, 4, 5, 6)
    np.testing.assert_array_equal(found.table.points[4:], points(3).table.points)


def test_a_file_that_is_not_complete_has_no_name(tmp_path):
    def interrupted():
        with points3d_writer(tmp_path / "a.csv") as writer:
            writer.write(points())
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert list(tmp_path.iterdir()) == []


def test_two_rows_of_one_animal_are_refused(tmp_path):
    with pytest.raises(PoseError, match="frame 0: 'a' has two rows"):
        write_points3d(points(individual=("a", "a", "a", "b")), tmp_path / "a.csv")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a,b\n1,2\n", "this is not a file of points in space"),
        ("scorer,s,s\nbodyparts,n,n\ncoords,x,y\n0,1,2\n", "every keypoint should have x, y and z"),
        ("scorer,s,s,s\nbodyparts,n,n,n\ncoords,x,y,z\n0,1,2\n", "2 values, the header 3"),
        ("scorer,s,s,s\nbodyparts,n,n,n\ncoords,x,y,z\n0,1,2,q\n", "not a number"),
    ],
)
def test_other_files_are_told(text, message, tmp_path):
    path = tmp_path / "a.csv"
    path.write_text(text)
    with pytest.raises(PoseError, match=message) as error:
        read_points3d(path)
    assert str(path) in error.value.where
