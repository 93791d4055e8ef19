"""A check of a project of several animals: who is labelled where, and what is odd about it."""

import cv2
import numpy as np
import pytest

from lp_data.check import check_project
from lp_data.check.report import report_text

ANIMALS = ["m1", "m2", "m3"]


@pytest.fixture
def project(tmp_path):
    """Six pictures, of which the rows that `write` is given are labelled."""
    rng = np.random.default_rng(0)
    (tmp_path / "v").mkdir()
    for i in range(6):
        cv2.imwrite(str(tmp_path / f"v/img{i}.png"), rng.integers(0, 256, (48, 64, 3), np.uint8))
    (tmp_path / "videos").mkdir()
    return tmp_path


def write(project, rows, animals=ANIMALS, scene=()):
    """Each row has for each animal the position of its nose, or None; its tail is 20 px away."""
    parts = [(name, part) for name in animals for part in ("nose", "tail")]
    parts += [("single", part) for part in scene]
    header = [["scorer", *["ann"] * 2 * len(parts)]]
    header.append(["individuals", *(a for a, _ in parts for _ in "xy")])
    header.append(["bodyparts", *(b for _, b in parts for _ in "xy")])
    header.append(["coords", *["x", "y"] * len(parts)])
    lines = [",".join(row) for row in header]
    for place, noses in enumerate(rows):
        cells = [
            ",,," if nose is None else f"{nose[0]},{nose[1]},{nose[0] + 20},{nose[1]}"
            for nose in noses
        ]
        lines.append(",".join([f"v/img{place}.png", *cells, *["5,6"] * len(scene)]))
    (project / "CollectedData.csv").write_text("\n".join(lines) + "\n")


def said(report):
    return [str(problem) for problem in report.problems]


def test_a_good_project_is_counted_animal_by_animal(project):
    write(project, [[(1, 1), (1, 30)], [(1, 1), None], [None, (5, 5)]], ["m1", "m2"])
    report = check_project(project)
    assert report.problems == ()
    assert (report.num_frames, report.num_labelled_frames, report.num_animals) == (3, 3, 4)
    assert [tuple(each) for each in report.animals] == [("m1", 2, 4), ("m2", 2, 4)]
    assert report.animals_per_image == {1: 2, 2: 1}
    assert report.image_sizes == {(48, 64): 3}
    assert report.share_labelled == 1
    text = report_text(report)
    assert ["nose", "4", "0", "100%"] in [line.split() for line in text.splitlines()]
    assert "1 in 2, 2 in 1 frames" in text


def test_what_is_odd_about_animals_is_told(project):
    rows = [[(1, 1), (2, 1), None], [None] * 3, [(1, 1), (1, 9), None], [None] * 3]
    write(project, rows, scene=["corner"])
    problems = said(check_project(project))
    for words in [
        ["'m1' and 'm2' of 'v/img0.png' are at the same place", "1.0 px apart", "line 5"],
        ["2 images have no labelled animal", "line 6 and others"],
        ["the individual 'm3' is never labelled", "CollectedData.csv"],
        ["the keypoint 'corner' of 'single' belongs to no animal"],
    ]:
        (told,) = [text for text in problems if words[0] in text]
        assert all(word in told for word in words), told
    assert len(problems) == 4
    assert not any(text.startswith("error") for text in problems)


def test_animals_with_one_keypoint_in_common_are_not_taken_for_one(project):
    """Two animals nose to nose."""
    write(project, [[(10, 10), None, None]])
    text = (project / "CollectedData.csv").read_text()
    (project / "CollectedData.csv").write_text(
        text.replace("10,10,30,10,,,,,,,", "10,10,30,10,10,10,0,10,,,,")
    )
    assert check_project(project).animals_per_image == {2: 1}
    assert not [text for text in said(check_project(project)) if "same place" in text]


def test_wrong_cells_of_one_of_several_animals_are_told_with_its_name(project):
    write(project, [[(1, 1), (7, 7), None]])
    file = project / "CollectedData.csv"
    file.write_text(file.read_text().replace("7,7,27,7", "7,oops,27,7"))
    (error,) = check_project(project).errors
    assert "'oops' is not a number" in error.problem
    assert "m2 nose y" in error.where


def test_files_with_and_without_names_are_told_where_they_meet(project):
    write(project, [[(1, 1), (7, 7), (30, 30)]])
    (project / "CollectedData_b.csv").write_text(
        "scorer,a,a\nbodyparts,nose,nose\ncoords,x,y\nv/img0.png,1,2\n"
    )
    (error,) = check_project(project).errors
    assert "have names in one label file, and none in another" in error.problem
    assert "CollectedData_b.csv, line 4" in error.where


def test_boxes_beside_the_labels_are_not_taken_for_labels(project):
    write(project, [[(1, 1)]], ["m1"])
    (project / "CollectedData_boxes.csv").write_text(
        "frame,individual,x,y,h,w\nv/img0.png,m1,1,1,9,9\n"
    )
    report = check_project(project)
    assert [path.name for path in report.label_files] == ["CollectedData.csv"]
    assert [path.name for path in report.other_tables] == ["CollectedData_boxes.csv"]
    assert not report.errors
