"""Files are found under almost their name, and paths of another system are told."""

import unicodedata

import pytest

from lp_core.paths import find_file, foreign_path_hint, nearest_file

NAME = "labeled-data/mäuse/img001.png"


@pytest.mark.parametrize("on_disk", ["NFC", "NFD"])
@pytest.mark.parametrize("asked", ["NFC", "NFD"])
def test_unicode_forms_are_equal(tmp_path, on_disk, asked):
    file = tmp_path / unicodedata.normalize(on_disk, NAME)
    file.parent.mkdir(parents=True)
    file.touch()
    assert find_file(tmp_path, unicodedata.normalize(asked, NAME)) == file
    assert find_file(tmp_path, NAME.replace("001", "002")) is None
    assert find_file(tmp_path, "labeled-data/mäuse") is None


@pytest.mark.parametrize(
    ("wrong", "right"),
    [
        ("v/Img001.PNG", "v/img001.png"),
        ("v/img001.jpg", "v/img001.png"),
        ("v/img1.png", "v/img001.png"),
        ("v/imgg001.png", "v/img001.png"),
        ("V/img001.png", "v/img001.png"),
        ("v/img003.png", None),  # another number is another frame
        ("w/img001.png", None),
        ("v/none.txt", None),
    ],
)
def test_the_nearest_file_is_named(tmp_path, wrong, right):
    (tmp_path / "v").mkdir()
    for name in ("img001.png", "img002.png", "notes.md"):
        (tmp_path / "v" / name).touch()
    assert nearest_file(tmp_path, wrong) == right


@pytest.mark.parametrize(
    ("path", "hint"),
    [
        ("D:\\lab\\proj", "path of Windows"),
        ("D:/lab/proj", "path of Windows"),
        ("\\\\server\\share\\proj", "path of Windows"),
        ("videos\\new", "write 'videos/new'"),
    ],
)
def test_paths_of_windows_are_told(path, hint):
    assert hint in foreign_path_hint(path)


def test_paths_of_this_system_need_no_hint():
    assert foreign_path_hint("/home/ann/new project:2") is None
