"""One look at a project finds everything that is wrong, and says where."""

from __future__ import annotations

import unicodedata

import av
import cv2
import numpy as np
import pytest

from lp_data.check import check_project
from lp_data.check.report import report_text
from lp_data.errors import DataError

HEADER = "scorer,ann,ann,ann,ann\nbodyparts,nose,nose,tail,tail\ncoords,x,y,x,y\n"


def write_video(path, num_frames):
    path.parent.mkdir(exist_ok=True)
    with av.open(str(path), "w") as container:
        stream = container.add_stream("mpeg4", rate=25)
        stream.width, stream.height = 64, 48
        for i in range(num_frames):
            picture = np.full((48, 64, 3), 10 * i, np.uint8)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, "rgb24")))
        container.mux(stream.encode(None))


@pytest.fixture
def project(tmp_path):
    """Sixteen frames of a drifting scene, of which three are labelled, and one video."""
    rng = np.random.default_rng(0)
    (tmp_path / "v").mkdir()
    scene = cv2.GaussianBlur(rng.integers(0, 256, (48, 128, 3), dtype=np.uint8), (0, 0), 3)
    for i in range(16):
        cv2.imwrite(str(tmp_path / f"v/img{i}.png"), scene[:, 2 * i : 2 * i + 64])
    rows = "v/img2.png,1,2,3,4\nv/img12.png,,,5,6\nv/img15.png,7,8,,\n"
    (tmp_path / "labels.csv").write_text(HEADER + rows)
    (tmp_path / "other.csv").write_text("time,speed\n1,2\n")
    write_video(tmp_path / "videos/a.mp4", 7)
    return tmp_path


def said(report):
    return [str(problem) for problem in report.problems]


def test_a_good_project_is_summarised(project):
    report = check_project(project)
    assert report.problems == ()
    assert [path.name for path in report.label_files] == ["labels.csv"]
    assert [path.name for path in report.other_tables] == ["other.csv"]
    assert (report.num_frames, report.num_labelled_frames) == (3, 3)
    assert [(k.name, k.visible, k.occluded) for k in report.keypoints] == [
        ("nose", 2, 0),
        ("tail", 2, 0),
    ]
    assert report.share_labelled == pytest.approx(4 / 6)
    assert report.image_sizes == {(48, 64): 3}
    assert report.neighbours.num_proved == 2  # after img15 nothing comes
    assert report.neighbours.num_unproved == 0
    (video,) = report.videos
    assert (video.codec, video.size, video.num_frames, video.fps) == ("mpeg4", (48, 64), 7, 25)


def test_the_text_has_the_tables(project):
    text = report_text(check_project(project))
    lines = [line.split() for line in text.splitlines()]
    assert ["nose", "2", "0", "67%"] in lines
    assert ["a.mp4", "mpeg4", "64×48", "7", "25"] in lines
    assert ["with", "neighbours", "2", "of", "3", "frames", "(±2)"] in lines
    assert lines[-1] == ["no", "problem", "found"]


def test_images_of_consecutive_numbers_are_not_taken_for_neighbours_in_time(project):
    rng = np.random.default_rng(1)
    for i in range(16):  # as if they were selected far apart
        image = cv2.GaussianBlur(rng.integers(0, 256, (48, 64, 3), dtype=np.uint8), (0, 0), 3)
        cv2.imwrite(str(project / f"v/img{i}.png"), image)
    text = " ".join(report_text(check_project(project)).split())
    assert "with neighbours 0 of 3 frames (±2); 2 images have files of the numbers before" in text
    assert "nothing shows that these are neighbours in time" in text


def test_everything_wrong_is_found_in_one_pass(project):
    rows = (
        "v/img0.png,1,2,3,4\n"
        "v/img1.png,1,2,x,4\n"
        "v/img2.png,1,2,3\n"
        "v/img3.png,200,2,3,-4\n"
        "v/img4.png,1,2,3,4\n"
        "v/img77.png,1,2,3,4\n"
        "v/img6.png,1,2,,\n"
        "v/img7.png,1,2,,\n"
    )
    (project / "labels.csv").write_text(HEADER + rows)
    (project / "v/img4.png").write_bytes(b"no image")
    (project / "v/img7.png").write_bytes((project / "v/img6.png").read_bytes())
    (project / "videos/b.mp4").write_bytes(b"no video")
    (project / "videos/notes.txt").write_text("no video, and not meant as one")
    (project / "copy.csv").write_text(HEADER + "v/img0.png,9,9,,\n")
    report = check_project(project, keypoint_names=["nose", "ear"])
    problems = said(report)
    for words in [
        ["error: 'x' is not a number", "labels.csv, line 5, column 4 (tail x)"],
        ["error: the row has 4 cells", "line 6"],
        ["error: two label files disagree", "nose", "copy.csv, line 4", "labels.csv, line 4"],
        ["error: no label file has a keypoint 'ear'"],
        ["error: there is no such image", "v/img77.png", "line 9"],
        ["error: the file cannot be decoded", "v/img4.png", "line 8"],
        ["warning: 'v/img7.png' and 'v/img6.png' are the same picture", "line 10", "line 11"],
        ["warning: (200, 2) is not on the image of 64×48 px", "line 7 (nose)"],
        ["warning: (3, -4) is not on the image", "line 7 (tail)"],
        ["error", "b.mp4"],
    ]:
        matching = [text for text in problems if all(word in text for word in words)]
        assert len(matching) == 1, words
    assert len(problems) == 10
    assert len(report.errors) == 7
    assert report_text(report).endswith("7 errors, 3 warnings")


def test_a_keypoint_that_is_never_labelled(project):
    (project / "labels.csv").write_text(HEADER + "v/img0.png,1,2,,\n")
    assert any("'tail' is never labelled" in text for text in said(check_project(project)))


def test_label_files_and_videos_may_be_elsewhere(project):
    (project / "labels.csv").rename(project / "mine.txt")
    (project / "videos").rename(project / "films")
    report = check_project(project, label_files=["mine.txt"], video_dir="films")
    assert report.problems == ()
    assert report.num_frames == 3
    assert len(report.videos) == 1


def test_an_empty_project_says_what_it_lacks(tmp_path):
    text = "\n".join(said(check_project(tmp_path)))
    assert "there is no label file" in text
    assert "there is no folder of videos" in text
    assert report_text(check_project(tmp_path)).endswith("1 error, 1 warning")


def test_a_file_without_header_does_not_hide_the_videos(project):
    report = check_project(project, label_files=["other.csv"])
    assert "'scorer' is missing" in said(report)[0]
    assert len(report.videos) == 1


def test_no_project(tmp_path):
    with pytest.raises(DataError, match="not a folder"):
        check_project(tmp_path / "none")


@pytest.mark.parametrize(
    ("content", "message"),
    [("", "the label file is empty"), ("x,y\n1,2\n", "the header row 'scorer' is missing")],
)
def test_a_file_with_the_usual_name_is_a_label_file_whatever_is_in_it(project, content, message):
    (project / "CollectedData_new.csv").write_text(content)
    (error,) = check_project(project).errors
    assert message in error.problem
    assert "CollectedData_new.csv" in error.where


def test_tables_without_the_header_of_label_files_are_named_where_there_is_no_other(project):
    (project / "labels.csv").write_text("nose,tail\n1,2\n")
    (error,) = check_project(project).errors
    assert "no CSV file begins with the rows scorer" in error.problem
    assert "labels.csv, other.csv" in error.where


def test_many_problems_of_one_kind_are_told_once(project):
    rows = "".join(f"v/img{i}.png,{200 + i},2,3,4\n" for i in range(9))
    (project / "labels.csv").write_text(HEADER + rows)
    report = check_project(project)
    text = report_text(report)
    assert text.count("is not on the image") == 1
    assert "line 4 (nose)" in text
    assert "and 8 more warnings of this kind, which --verbose lists" in text
    assert text.endswith("9 warnings")
    assert report_text(report, verbose=True).count("is not on the image") == 9


@pytest.mark.parametrize(
    ("written", "on_disk"),
    [("v/img{}.jpg", "img{}.png"), ("v/Img{}.PNG", "img{}.png"), ("V/img0{}.png", "img{}.png")],
)
def test_the_image_that_is_almost_named_is_the_hint(project, written, on_disk):
    rows = "".join(f"{written.format(i)},1,2,3,4\n" for i in range(9))
    (project / "labels.csv").write_text(HEADER + rows)
    report = check_project(project)
    assert len(report.errors) == 9
    assert f"there is 'v/{on_disk.format(3)}'" in report.errors[3].remedy
    assert report_text(report).count("there is no such image") == 1


def test_zeros_for_missing_keypoints_are_told(project):
    rows = "".join(f"v/img{i}.png,{5 + i},2,0,0\n" for i in range(4))
    (project / "labels.csv").write_text(HEADER + rows + "v/img5.png,,,0,0\n")
    (told,) = check_project(project).problems
    assert told.severity == "warning"
    assert "5 labels in 5 rows are at exactly (0, 0)" in told.problem
    assert "tail" in told.where
    assert "nose" not in told.where


def test_one_label_in_the_corner_is_no_matter(project):
    (project / "labels.csv").write_text(HEADER + "v/img0.png,0,0,3,4\nv/img1.png,1,2,3,4\n")
    assert check_project(project).problems == ()


def test_shares_instead_of_pixels_are_told(project):
    rows = "".join(f"v/img{i}.png,0.{i},0.2,0.7,1\n" for i in range(4))
    (project / "labels.csv").write_text(HEADER + rows)
    (told,) = check_project(project).problems
    assert "no label is beyond 1 px" in told.problem
    assert "multiply" in told.remedy


def test_exchanged_coordinates_are_told_in_one_line(project):
    rows = "".join(f"v/img{i}.png,{40 + i},{50 + i},5,{55 + i}\n" for i in range(8))
    (project / "labels.csv").write_text(HEADER + rows)
    (told,) = check_project(project).problems
    assert "x and y seem to be exchanged in 'v': 16 labels in 8 of 8 rows" in told.problem
    rows = rows.replace("45,55,5,60", "63,55,5,60")  # does not fit either way
    (project / "labels.csv").write_text(HEADER + rows)
    assert all("is not on the image" in text for text in said(check_project(project)))


def test_names_in_another_unicode_form_are_the_same(project):
    composed, decomposed = "mäuse", unicodedata.normalize("NFD", "mäuse")
    (project / "v").rename(project / decomposed)
    header = HEADER.replace("nose", "häß")
    (project / "labels.csv").write_text(header + f"{composed}/img2.png,1,2,3,4\n")
    names = [unicodedata.normalize("NFD", "häß"), "tail"]
    report = check_project(project, keypoint_names=names)
    assert report.problems == ()
