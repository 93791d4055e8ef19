"""Label files of several animals."""

import numpy as np
import pytest

from lp_core.errors import PoseError
from lp_data.labels import read_label_files, read_labels

HEADER = "scorer,a,a,a,a\nindividuals,m1,m1,m2,m2\nbodyparts,n,n,n,n\ncoords,x,y,x,y\n"


def write(path, rows, header=HEADER):
    path.write_text(header + "".join(f"{row}\n" for row in rows))
    return path


def test_each_animal_of_an_image_is_a_row(tmp_path):
    table = read_labels(write(tmp_path / "l.csv", ["a.png,1,2,3,4", "b.png,,,5,6", "c.png,,,,"]))
    assert table.frame == ("a.png", "a.png", "b.png", "c.png")
    assert table.individual == ("m1", "m2", "m2", None)
    np.testing.assert_array_equal(table.points[:3, 0], [[1, 2], [3, 4], [5, 6]])


def test_the_only_animal_of_a_file_has_no_name(tmp_path):
    header = "scorer,a,a\nindividuals,m1,m1\nbodyparts,n,n\ncoords,x,y\n"
    table = read_labels(write(tmp_path / "l.csv", ["a.png,1,2"], header))
    assert table.individual is None


def test_files_are_joined_animal_by_animal(tmp_path):
    first = write(tmp_path / "1.csv", ["a.png,1,2,,", "b.png,,,,"])
    second = write(tmp_path / "2.csv", ["a.png,,,3,4", "b.png,7,8,,"])
    table = read_label_files([first, second])
    rows = dict(
        zip(
            zip(table.frame, table.individual, strict=True),
            table.points[:, 0].tolist(),
            strict=True,
        )
    )
    assert rows == {("a.png", "m1"): [1, 2], ("a.png", "m2"): [3, 4], ("b.png", "m1"): [7, 8]}


def test_files_that_contradict_each_other_are_refused(tmp_path):
    first = write(tmp_path / "1.csv", ["a.png,1,2,,"])
    second = write(tmp_path / "2.csv", ["a.png,1,9,3,4"])
    with pytest.raises(PoseError, match=r"disagree about the keypoint 'n' of 'a.png'"):
        read_label_files([first, second])
