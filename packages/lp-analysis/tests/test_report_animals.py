"""What a report tells of several animals."""

from __future__ import annotations

from fractions import Fraction
from xml.etree import ElementTree

import numpy as np
import pytest
from PIL import Image

from lp_analysis.errors import TrackingError
from lp_analysis.labeled_predictions import LabeledPrediction
from lp_analysis.metrics.frame_metrics import TemporalNorm
from lp_analysis.metrics.metric_files import write_metric_tables
from lp_analysis.rendering.style import DrawingStyle
from lp_analysis.report.animals import errors_by_contact, reported_animals
from lp_analysis.report.content import worst_frame_pictures
from lp_analysis.report.page import render_page
from lp_analysis.report.parts import ReportedAnimals, Run, Track, TrainingReport
from lp_analysis.tracks.files import review_path
from lp_analysis.tracks.review import Doubt, read_review, write_review
from lp_core.poses import PoseTable, Skeleton
from lp_data.video.writer import VideoWriter
from lp_io.predictions import write_predictions

SKELETON = Skeleton(("nose", "tail"))
FRAMES = 40


def _body(x, y):
    """A pose 20 px long."""
    return np.array([[x, y], [x + 20.0, y]])


def _tree(page):
    return ElementTree.fromstring(page.removeprefix("<!DOCTYPE html>"))


def _rows_of(page, caption):
    """The cells of the table with that caption, header left out."""
    for table in _tree(page).iter("table"):
        if table.findtext("caption", "").startswith(caption):
            return [["".join(cell.itertext()) for cell in row] for row in table.find("tbody")]
    raise AssertionError(f"no table '{caption}'")


# labelled frames


def _labelled(individual=("ann", "bob") * 3):
    """Two animals in three frames: apart, near and touching; their errors are 1, 2 and 3 px."""
    points = np.array([_body(10, y) for gap in (100, 15, 2) for y in (10, 10 + gap)])
    frame = tuple(f"img{number}.png" for number in range(3) for _ in range(2))
    labels = PoseTable(SKELETON, points, frame, individual=individual)
    off = np.repeat([1.0, 2.0, 3.0], 2)[:, None, None] * (1.0, 0.0)
    sets = ("train", "train", "train", "train", "test", "test")
    return LabeledPrediction.of(labels, points + off, np.ones((6, 2)), sets)


def test_errors_of_labelled_frames_are_told_by_contact_and_split():
    errors = errors_by_contact(_labelled())
    assert errors.body_length == pytest.approx(20.0)
    found = {
        level: {split: part.mean for split, part in summary.overall.items()}
        for level, summary in errors.by_level.items()
    }
    assert found == {"apart": {"train": 1.0}, "near": {"train": 2.0}, "touching": {"test": 3.0}}
    page = render_page(TrainingReport(title="t", animal_errors=errors))
    assert _rows_of(page, "Pixel error") == [
        ["apart", "train", "2", "1.00", "1.00", "1.00"],
        ["near", "train", "2", "2.00", "2.00", "2.00"],
        ["touching", "test", "2", "3.00", "3.00", "3.00"],
    ]


def test_one_animal_has_no_contact_and_nothing_of_it_on_the_page():
    single = _labelled(individual=None)
    assert errors_by_contact(single) is None
    page = render_page(TrainingReport(title="t"))
    assert "contact" not in page.split("</style>")[1]


def test_the_page_counts_animals_where_there_are_several():
    result = _labelled()
    report = TrainingReport(
        title="t", errors=result.metric(result.errors), animal_errors=errors_by_contact(result)
    )
    text = "".join(_tree(render_page(report)).itertext())
    assert "labelled animals" in text
    assert "train (4 animals)" in text


def test_worst_frames_show_every_image_once_with_all_its_animals(tmp_path):
    result = _labelled()
    images = []
    for name in result.labels.image_paths:
        images.append(tmp_path / name)
        Image.new("RGB", (160, 160), (128, 128, 128)).save(images[-1])
    style = DrawingStyle(smallest_side=0)
    pictures = worst_frame_pictures(result, images, style=style)
    assert [item.caption.split(":")[0] for item in pictures] == [
        "img2.png (test)", "img1.png (train)", "img0.png (train)",
    ]  # fmt: skip
    assert "ann, " in pictures[0].caption
    apart = pictures[-1].picture
    for row in (0, 1):
        x, y = result.predictions.points[row, 0].astype(int)
        assert (apart[y, x] != 128).any()


# videos


@pytest.fixture
def video(tmp_path):
    path = tmp_path / "video.mp4"
    with VideoWriter(path, fps=Fraction(20), size=(128, 160)) as writer:
        for _ in range(FRAMES):
            writer.write(np.full((128, 160, 3), 128, np.uint8))
    return path


def _found():
    """Ann but for frames 10 to 14, Bob touching her from 20 on, a stranger in frame 3."""
    rows = [(n, "ann", _body(10, 10)) for n in range(FRAMES) if n not in range(10, 15)]
    rows += [(n, "bob", _body(10, 12)) for n in range(20, FRAMES)] + [(3, None, _body(80, 80))]
    frame, names, points = zip(*sorted(rows, key=lambda row: row[0]), strict=True)
    return PoseTable(
        SKELETON, np.array(points), frame, individual=names, confidence=np.ones((len(rows), 2))
    )


@pytest.fixture
def table(tmp_path):
    path = tmp_path / "video.csv"
    write_predictions(_found(), path)
    return path


def test_video_tells_animals_contacts_and_tracks_of_every_frame(video, table):
    found = reported_animals(video, table, 20.0, DrawingStyle())
    animals = np.ones(FRAMES)
    animals[10:15], animals[20:], animals[3] = 0, 2, 2
    np.testing.assert_array_equal(found.animals, animals)
    contact = np.where(animals > 0, 1, 0)
    contact[20:] = 3
    np.testing.assert_array_equal(found.contact, contact)
    assert found.tracks == [
        Track("ann", (Run(0, 10), Run(15, 40))), Track("bob", (Run(20, 40),)),
    ]  # fmt: skip
    assert (found.untracked, found.doubts) == (1, [])


def test_tables_of_the_page_hold_the_numbers(video, table):
    found = reported_animals(video, table, 20.0, DrawingStyle())
    page = render_page(TrainingReport(title="t", animals=[found]))
    assert _rows_of(page, "Animals per frame") == [
        ["0", "5", "12.5 %"], ["1", "14", "35.0 %"], ["2", "21", "52.5 %"],
    ]  # fmt: skip
    assert _rows_of(page, "Contact") == [
        ["apart", "15", "37.5 %"], ["near", "0", "0.0 %"], ["touching", "20", "50.0 %"],
    ]  # fmt: skip
    assert _rows_of(page, "Tracks") == [
        ["ann", "35", "87.5 %", "0", "39", "1"], ["bob", "20", "50.0 %", "20", "39", "0"],
    ]  # fmt: skip
    assert "1 animals in single frames belong to no track" in "".join(_tree(page).itertext())


def test_least_certain_decisions_are_listed_and_pictured_from_the_list_beside_the_table(
    video, table
):
    doubts = [Doubt(25, ("ann", "bob"), 0.5, "contact"), Doubt(39, ("bob",), 9.0, "gap")]
    write_review(review_path(table), doubts)
    found = reported_animals(video, table, 20.0, DrawingStyle())
    assert found.doubts == doubts
    captions = [item.caption for item in found.pictures]
    assert "frame 25: contact, ann, bob (margin 0.5)" in captions
    page = render_page(TrainingReport(title="t", animals=[found]))
    assert _rows_of(page, "The least certain")[0] == ["25", "1.25 s", "ann, bob", "0.50", "contact"]


def test_frames_with_an_unusual_number_of_animals_are_pictured(video, table):
    found = reported_animals(video, table, 20.0, DrawingStyle())
    captions = [item.caption for item in found.pictures]
    assert any("instead of 2 animals for 16 frames" in caption for caption in captions)


def test_a_review_list_comes_back_as_it_was_written_and_another_file_is_refused(tmp_path):
    doubts = [Doubt(3, ("a", "b"), 1.25, "contact, and a gap"), Doubt(4, (), 2.0, "left", "top")]
    write_review(tmp_path / "r.csv", doubts)
    assert read_review(tmp_path / "r.csv") == doubts
    for content in ("a,b\n1,2\n", "frame,view,individuals,margin,reason\nx,,a,1,b\n"):
        (tmp_path / "bad.csv").write_text(content)
        with pytest.raises(TrackingError):
            read_review(tmp_path / "bad.csv")


@pytest.mark.parametrize("frames", [0, 1, 200_000])
def test_figures_are_drawn_of_any_length_and_any_names(frames):
    name = "<b>$x_{1}$ _mouse"
    animals = np.arange(frames) % 3
    tracks = [Track(f"{name} {n}", (Run(0, frames),)) for n in range(40)] if frames else []
    video = ReportedAnimals(name, Fraction(30), animals, np.minimum(animals, 1), tracks)
    page = render_page(TrainingReport(title="t", animals=[video]))
    assert "".join(_tree(page).itertext()).count(name) > 0
    assert (frames == 0) or "16 shorter tracks" in page


def test_tables_of_several_animals_have_no_metrics_of_one(table):
    assert write_metric_tables(table, {"temporal_norm": TemporalNorm()}) == []
    assert not list(table.parent.glob("*temporal_norm*"))
