"""Labels are read from and written to ordinary label files, and edits are never lost."""

import json

import numpy as np
import pytest

from lp_app.errors import AppError
from lp_app.labels.frame import Animal, FrameLabels, Keypoint
from lp_app.labels.journal import Journal
from lp_app.labels.label_file import LabelFile, read_label_file
from lp_app.labels.store import Choice, FrameConflictError, LabelStore
from lp_data.labels import read_labels

NAMES = ("nose", "tail")
FILE = """scorer,me,me,me,me,me,me
bodyparts,nose,nose,nose,tail,tail,tail
coords,x,y,visible,x,y,visible
labeled-data/v/img01.png,1.25,2.5,2,,,1
labeled-data/v/img02.png,,,0,,,0
labeled-data/v/img03.png,3.0,4.0,1,5.0,6.0,2
"""
PLAIN = """scorer,,,me,me,me,me
bodyparts,,,nose,nose,tail,tail
coords,,,x,y,x,y
labeled-data,v,img01.png,1.25,2.5,,
labeled-data,v,img02.png,7.0,8.0,9.0,10.0
"""
SEVERAL = """scorer,me,me,me,me,me,me,me,me,me,me
individuals,a,a,a,a,b,b,b,b,single,single
bodyparts,nose,nose,tail,tail,nose,nose,tail,tail,corner,corner
coords,x,y,x,y,x,y,x,y,x,y
labeled-data/v/img01.png,1.0,2.0,3.0,4.0,,,,,9.0,9.5
labeled-data/v/img02.png,5.0,6.0,7.0,8.0,1.0,1.5,2.0,2.5,9.0,9.5
"""
IMAGE = "labeled-data/v/img01.png"
OTHER = "labeled-data/v/img03.png"


def labels(*points, name=None):
    return FrameLabels((Animal(name, tuple(Keypoint(*point) for point in points)),))


@pytest.fixture
def store_of(tmp_path):
    """Opens the store of a label file, again and again."""
    opened = []

    def call(text=None):
        path = tmp_path / "CollectedData.csv"
        if text is not None:
            path.write_text(text)
        file = read_label_file(path) if path.exists() else LabelFile(path, NAMES)
        opened.append(LabelStore([file], Journal(tmp_path / "app" / "journal.jsonl")))
        return opened[-1]

    return call


@pytest.mark.parametrize("text", [FILE, PLAIN, SEVERAL], ids=["visible", "plain", "several"])
def test_a_file_that_is_written_again_says_the_same(text, tmp_path):
    path = tmp_path / "CollectedData.csv"
    path.write_text(text)
    file = read_label_file(path)
    before = read_labels(path, require_labels=False, name_all=False)
    file.write(file.frames)
    after = read_labels(path, require_labels=False, name_all=False)
    assert after.frame == before.frame
    assert after.individual == before.individual
    assert after.keypoint_names == before.keypoint_names
    assert after.scorer == before.scorer
    np.testing.assert_array_equal(after.points, before.points)
    np.testing.assert_array_equal(after.codes, before.codes)
    rows = (each.splitlines()[-1].split(",") for each in (path.read_text(), text))
    assert sorted(next(rows)) == sorted(next(rows))


def test_the_four_states_of_a_keypoint_are_kept(store_of, tmp_path):
    store = store_of()
    store.choose([Choice(IMAGE, "CollectedData.csv", "by hand")])
    states = labels((1.5, 2.25, 2), (None, None, 1))
    store.edit(IMAGE, states, store.labels(IMAGE).version)
    store.save()
    table = read_labels(tmp_path / "CollectedData.csv")
    assert table.codes.tolist() == [[2, 1]]
    assert table.points[0, 0].tolist() == [1.5, 2.25]
    assert np.isnan(table.points[0, 1]).all()
    again = labels((1.5, 2.25, 1), (None, None, 0))
    store.edit(IMAGE, again, states.version)
    store.save()
    table = read_labels(tmp_path / "CollectedData.csv")
    assert table.codes.tolist() == [[1, 0]]
    assert table.points[0, 0].tolist() == [1.5, 2.25]


def test_chosen_images_are_no_rows_until_they_are_labelled_or_said_to_be_empty(store_of, tmp_path):
    store = store_of(FILE)
    store.choose([Choice("labeled-data/v/img09.png", "CollectedData.csv", "by hand")])
    store.save()
    assert "img09" not in (tmp_path / "CollectedData.csv").read_text()
    assert store_of().choice("labeled-data/v/img09.png").why == "by hand"
    store.edit("labeled-data/v/img09.png", FrameLabels(empty=True), FrameLabels().version)
    store.save()
    table = read_labels(tmp_path / "CollectedData.csv")
    assert table.frame[-1] == "labeled-data/v/img09.png"
    assert not table.codes[-1].any()


def test_an_edit_of_labels_that_changed_meanwhile_is_refused(store_of):
    store = store_of(FILE)
    seen_by_both = store.labels(IMAGE).version
    store.edit(IMAGE, labels((10, 10, 2), (1, 1, 2)), seen_by_both)
    with pytest.raises(FrameConflictError) as refused:
        store.edit(IMAGE, labels((20, 20, 2), (1, 1, 2)), seen_by_both)
    assert refused.value.current == labels((10, 10, 2), (1, 1, 2))
    assert store.labels(IMAGE) == labels((10, 10, 2), (1, 1, 2))
    store.edit(OTHER, labels((20, 20, 2), (1, 1, 2)), store.labels(OTHER).version)


def test_an_edit_that_is_sent_twice_is_acknowledged_twice(store_of):
    store = store_of(FILE)
    version = store.labels(IMAGE).version
    new = labels((10, 10, 2), (1, 1, 2))
    store.edit(IMAGE, new, version)
    assert store.edit(IMAGE, new, version) == new


def test_edits_that_no_file_has_are_taken_from_the_journal(store_of, tmp_path):
    store = store_of(FILE)
    new = labels((11, 12, 2), (13, 14, 1))
    store.edit(IMAGE, new, store.labels(IMAGE).version)
    assert "11" not in (tmp_path / "CollectedData.csv").read_text()
    journal = tmp_path / "app" / "journal.jsonl"
    with journal.open("a") as file:  # as an edit that was being written when the power failed
        file.write('{"kind":"edit","number":2,"file":"CollectedData.csv","image":"lab')
    again = store_of()
    assert again.labels(IMAGE) == new
    table = read_labels(tmp_path / "CollectedData.csv")
    assert table.points[0].tolist() == [[11, 12], [13, 14]]
    again.edit(IMAGE, labels((15, 16, 2), (13, 14, 1)), new.version)
    kinds = [json.loads(line)["kind"] for line in journal.read_text().splitlines()]
    assert kinds == ["edit", "saved", "edit"]


def test_edits_that_a_file_has_are_not_replayed_over_what_came_later(store_of, tmp_path):
    store = store_of(FILE)
    store.edit(IMAGE, labels((11, 12, 2), (13, 14, 1)), store.labels(IMAGE).version)
    store.close()
    path = tmp_path / "CollectedData.csv"
    path.write_text(path.read_text().replace("11.0", "99.0"))  # in a spreadsheet
    assert store_of().labels(IMAGE).animals[0].keypoints[0].x == 99


def test_what_another_program_writes_is_taken_and_not_overwritten(store_of, tmp_path):
    store = store_of(FILE)
    path = tmp_path / "CollectedData.csv"
    old = store.labels(OTHER).version
    path.write_text(FILE.replace("5.0,6.0", "50.0,60.0") + "labeled-data/v/img04.png,1,1,2,1,1,2\n")
    with pytest.raises(FrameConflictError):
        store.edit(OTHER, labels((1, 1, 2), (1, 1, 2)), old)
    store.edit(IMAGE, labels((21, 22, 2), (1, 1, 2)), store.labels(IMAGE).version)
    store.save()
    table = read_labels(path)
    assert table.frame[-1] == "labeled-data/v/img04.png"
    assert table.points[2, 1].tolist() == [50, 60]
    assert table.points[0, 0].tolist() == [21, 22]


def test_a_file_that_another_program_broke_is_left_alone(store_of, tmp_path):
    store = store_of(FILE)
    path = tmp_path / "CollectedData.csv"
    broken = FILE.replace("3.0,4.0", "three,4.0")
    path.write_text(broken)
    store.edit(IMAGE, labels((21, 22, 2), (1, 1, 2)), store.labels(IMAGE).version)
    store.save()
    assert path.read_text() == broken
    assert "three" in store.problems["CollectedData.csv"]
    path.write_text(FILE)
    store.save()
    assert not store.problems
    assert read_labels(path).points[0, 0].tolist() == [21, 22]


def test_removing_the_last_label_leaves_a_file_that_can_be_read(store_of, tmp_path):
    store = store_of()
    store.choose([Choice(IMAGE, "CollectedData.csv", "by hand")])
    new = labels((1, 1, 2), (1, 1, 2))
    store.edit(IMAGE, new, FrameLabels().version)
    store.save()
    store.edit(IMAGE, FrameLabels(), new.version)
    store.save()
    assert not read_label_file(tmp_path / "CollectedData.csv").frames[IMAGE].is_labelled
    assert store.images() == [IMAGE]


@pytest.mark.parametrize(
    "value",
    [
        {"animals": [{"name": None, "keypoints": [[1, 2, 2]]}], "empty": False},
        {"animals": [{"name": None, "keypoints": [[1, None, 2], [1, 2, 2]]}], "empty": False},
        {"animals": [{"name": None, "keypoints": [[None, None, 2], [1, 2, 2]]}], "empty": False},
        {"animals": [{"name": None, "keypoints": [[1e400, 1, 2], [1, 2, 2]]}], "empty": False},
        {"animals": [{"name": None, "keypoints": [[1, 1, 3], [1, 2, 2]]}], "empty": False},
        {"animals": [{"name": "a", "keypoints": [[1, 1, 2], [1, 2, 2]]}] * 2, "empty": False},
        {"animals": "none", "empty": False},
        {},
    ],
)
def test_labels_that_contradict_themselves_are_refused(value):
    with pytest.raises(AppError):
        FrameLabels.from_json(value, 2)
