"""Label files of several animals."""

import numpy as np
import pytest

from lp_core.errors import PoseError
from lp_data.labels import read_label_files, read_labels, unique_keypoints, unique_note

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


UNIQUE = (
    "scorer,a,a,a,a,a,a\nindividuals,m1,m1,m2,m2,single,single\n"
    "bodyparts,n,n,n,n,corner,corner\ncoords,x,y,x,y,x,y\n"
)


def test_unique_body_parts_are_no_animal(tmp_path):
    path = write(tmp_path / "l.csv", ["a.png,1,2,3,4,5,6", "b.png,,,,,5,6"], UNIQUE)
    table = read_labels(path)
    assert table.keypoint_names == ("n",)
    assert table.individual == ("m1", "m2", None)
    assert not table.codes[2].any()
    assert unique_keypoints(path) == ("corner",)
    assert "'corner' of 'single'" in unique_note(path)


def test_unique_body_parts_belong_to_the_only_animal(tmp_path):
    header = UNIQUE.replace(",m2,m2", ",m1,m1").replace("n,n,n,n", "n,n,o,o")
    path = write(tmp_path / "l.csv", ["a.png,1,2,3,4,5,6"], header)
    assert read_labels(path).keypoint_names == ("n", "o", "corner")
    assert unique_note(path) is None


def test_animals_without_a_track_get_names_that_none_has(tmp_path):
    header = HEADER.replace("m1,m1,m2,m2", "animal1,animal1,untracked_0,untracked_0")
    path = write(tmp_path / "l.csv", ["a.png,1,2,3,4", "b.png,,,5,6", "c.png,,,,"], header)
    assert read_labels(path).individual == ("animal1", "animal2", "animal2", None)
    assert read_labels(path, name_all=False).individual == ("animal1", None, None, None)


def test_two_animals_without_a_track_survive_a_second_file(tmp_path):
    header = HEADER.replace("m1,m1,m2,m2", "untracked_0,untracked_0,untracked_1,untracked_1")
    first = write(tmp_path / "1.csv", ["a.png,1,2,3,4"], header)
    second = write(tmp_path / "2.csv", ["b.png,5,6,7,8"], header)
    table = read_label_files([first, second])
    assert table.points[:, 0].tolist() == [[1, 2], [3, 4], [5, 6], [7, 8]]


ONE = "scorer,a,a\nbodyparts,n,n\ncoords,x,y\n"


def test_a_file_without_names_joins_one_with_names(tmp_path):
    named = write(tmp_path / "1.csv", ["a.png,1,2,3,4"])
    other = write(tmp_path / "2.csv", ["b.png,5,6"], ONE)
    assert read_label_files([named, other]).individual == ("m1", "m2", "animal1")
    same = write(tmp_path / "3.csv", ["a.png,5,6"], ONE)
    with pytest.raises(PoseError, match="have names in one label file, and none") as caught:
        read_label_files([named, same])
    assert "1.csv, line 5" in caught.value.where
    assert "3.csv, line 4" in caught.value.where
