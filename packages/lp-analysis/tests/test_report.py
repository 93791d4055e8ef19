"""The HTML report: complete in itself, safe with any name, and true to the numbers."""

from __future__ import annotations

import base64
import re
from dataclasses import replace
from fractions import Fraction
from html.parser import HTMLParser
from xml.etree import ElementTree

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lp_analysis.confidence.calibration import fit_calibration, label_radii
from lp_analysis.confidence.stored import stated_radius
from lp_analysis.errors import EvaluationError
from lp_analysis.figures.reliability import reliability_curve
from lp_analysis.labeled_predictions import LabeledPrediction, write_labeled_prediction
from lp_analysis.metrics.curves import Curve, TrainingCurves
from lp_analysis.metrics.metric_files import MetricTable, read_metric_file
from lp_analysis.metrics.outliers import Outlier, clip_around, worst_frames
from lp_analysis.rendering.style import DrawingStyle
from lp_analysis.report.content import training_facts, worst_frame_pictures
from lp_analysis.report.page import duration, render_page, write_report
from lp_analysis.report.parts import (
    CaptionedPicture,
    ReportedConfidence,
    ReportedVideo,
    TrainingReport,
)
from lp_analysis.report.reliability import kept_promises, reported_confidence
from lp_analysis.report.videos import reported_video
from lp_core.errors import PoseError
from lp_core.poses import PoseTable, Skeleton, Visibility
from lp_data.video.writer import VideoWriter
from lp_io.predictions import write_predictions

HOSTILE = "<script>alert('x')</script>\"'&amp; $x_{1}$ {{ 7*7 }} \x1b[31m\x00 ‮ \udcff"
INDEX = tuple(f"{row}.png" for row in range(10))
SETS = ["train"] * 6 + ["validation"] * 2 + ["test"] * 2


def _report(name="paw"):
    random = np.random.default_rng(0)
    values = random.gamma(2.0, 3.0, (10, 2))
    values[:, 1] += 100
    curve = Curve(np.arange(4.0), np.arange(4.0), np.array([4.0, 3.0, 2.0, 1.0]))
    picture = CaptionedPicture(np.full((40, 60, 3), 200, np.uint8), f"frame of {name}")
    probability = random.random(50)
    return TrainingReport(
        title=f"Training of {name}",
        facts={"backbone": f"{name}-net"},
        errors=MetricTable((name, "tail"), INDEX, values, tuple(SETS)),
        curves=TrainingCurves({"train_supervised_loss": curve, "val_supervised_loss": curve}),
        worst_frames=[picture],
        confidence=ReportedConfidence(
            {name: reliability_curve(probability, random.random(50) < probability)},
            "within 5 px",
            "Tested.",
            splits={"test": reliability_curve(probability, random.random(50) < probability)},
            promises=kept_promises(
                name,
                (name, "tail"),
                np.full((40, 2), 0.9),
                np.arange(80.0).reshape(40, 2),
                np.array([5.0, 6.0]),
            ),
            warnings=(f"{name} is too sure",),
        ),
        videos=[
            ReportedVideo(
                f"{name}.mp4", Fraction(30), [name, "tail"], {f"norm {name}": values}, [picture]
            )
        ],
        timings={f"training {name}": 75.0},
        config=f"data:\n  data_dir: {name}\n",
    )


@pytest.fixture(scope="module")
def page():
    return render_page(_report())


@pytest.fixture(scope="module")
def hostile_page():
    return render_page(_report(HOSTILE))


def _tree(page):
    """The page as an element tree; it is well-formed XML, so any parser agrees on its structure."""
    return ElementTree.fromstring(page.removeprefix("<!DOCTYPE html>"))


@pytest.mark.parametrize("which", ["page", "hostile_page"])
def test_page_is_well_formed_with_unique_ids_and_links_that_lead_somewhere(which, request):
    tree = _tree(request.getfixturevalue(which))
    ids = [node.get("id") for node in tree.iter() if node.get("id")]
    assert len(ids) == len(set(ids))
    links = [node.get("href") for node in tree.iter("a")]
    assert len(links) == 7
    assert {link[1:] for link in links} <= set(ids)
    for section in tree.iter("section"):
        assert section.get("aria-labelledby") in ids


@pytest.mark.parametrize("which", ["page", "hostile_page"])
def test_page_refers_to_nothing_outside_itself(which, request):
    text = request.getfixturevalue(which)
    tree = _tree(text)
    for node in tree.iter():
        for attribute in ("src", "srcset", "href", "action", "data", "poster", "background"):
            value = node.get(attribute)
            assert value is None or value.startswith(("data:image/", "#"))
    assert not re.search(r"https?:|//[a-z]|url\(|@import", re.sub(r"base64,[^\"]*", "", text))
    policy = next(node for node in tree.iter("meta") if node.get("http-equiv"))
    assert "default-src 'none'" in policy.get("content")


def test_page_has_no_script_whatever_the_names(hostile_page):
    class Parser(HTMLParser):
        tags: set[str] = set()  # noqa: RUF012

        def handle_starttag(self, tag, attrs):
            self.tags.add(tag)
            assert not [name for name, _ in attrs if name.startswith("on")]

    parser = Parser()
    parser.feed(hostile_page)
    assert parser.tags.isdisjoint({"script", "iframe", "object", "embed", "link", "base", "form"})


def test_hostile_names_are_shown_as_they_are_but_for_characters_that_steer(hostile_page):
    tree = _tree(hostile_page)
    shown = "".join(tree.find("body/header/h1").itertext())
    assert shown.startswith("Training of <script>alert('x')</script>\"'&amp; $x_{1}$ {{ 7*7 }}")
    text = "".join(tree.itertext())
    assert "49" not in shown
    assert not re.search("[\x00-\x08\x1b‮\ud800-\udfff]", text)


@settings(deadline=None, max_examples=25)
@given(name=st.text(max_size=30))
def test_any_name_gives_a_well_formed_page(name):
    report = TrainingReport(title=name, facts={name: name}, timings={name: 1.0}, config=name)
    tree = _tree(render_page(report))
    assert tree.find("body/header/h1") is not None


def test_pictures_are_embedded_whole_and_described(page):
    tree = _tree(page)
    images = list(tree.iter("img"))
    assert len(images) == 4 + 2  # figures, and pictures of frames
    for image in images:
        assert image.get("alt")
        content = base64.b64decode(image.get("src").partition("base64,")[2])
        assert cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_COLOR) is not None


def test_each_figure_has_a_light_and_a_dark_form(page):
    pictures = list(_tree(page).iter("picture"))
    assert len(pictures) == 4
    for picture in pictures:
        dark, light = picture.find("source"), picture.find("img")
        assert dark.get("media") == "(prefers-color-scheme: dark)"
        tones = []
        for address in (dark.get("srcset"), light.get("src")):
            content = base64.b64decode(address.partition("base64,")[2])
            tones.append(np.median(cv2.imdecode(np.frombuffer(content, np.uint8), 0)))
        assert tones[0] < 60 < 200 < tones[1]


def test_error_table_holds_the_statistics_of_each_keypoint_and_split(page):
    values = _report().errors.values
    rows = {
        row.find("th").text: [cell.text for cell in row.findall("td")]
        for row in _tree(page).find(".//section[@id='errors']//tbody")
    }
    assert list(rows) == ["paw", "tail", "all keypoints"]
    assert rows["paw"][0] == f"{values[:6, 0].mean():.2f}"
    assert rows["tail"][7] == f"{np.median(values[8:, 1]):.2f}"
    assert rows["all keypoints"][3] == f"{values[6:8].mean():.2f}"


def test_headline_is_about_frames_that_were_not_trained_on(page):
    errors = _report().errors
    strong = [node.text for node in _tree(page).iter("strong")]
    assert strong[0] == f"{np.median(errors.values[8:]):.2f} px"
    assert strong[3] == "10"


def test_video_section_tells_the_frame_and_keypoint_of_the_largest_value(page):
    values = _report().errors.values
    row = _tree(page).find(".//section[@id='videos']//tbody/tr")
    frame = int(values.max(axis=1).argmax())
    cells = [cell.text for cell in row]
    assert cells == [str(frame), f"{frame / 30:.2f} s", "tail", f"{values.max():.1f} px"]


def test_what_is_left_out_has_no_section():
    tree = _tree(render_page(TrainingReport(title="empty")))
    assert list(tree.iter("section")) == []
    assert list(tree.iter("a")) == []


def test_curves_without_anything_logged_by_stage_have_no_section():
    curve = Curve(np.arange(2.0), np.arange(2.0), np.ones(2))
    report = TrainingReport(title="t", curves=TrainingCurves({"learning_rate": curve}))
    assert list(_tree(render_page(report)).iter("section")) == []


def test_report_is_written_whole_or_not_at_all(tmp_path):
    path = tmp_path / "report.html"
    write_report(TrainingReport(title=HOSTILE), path)
    assert path.read_text(encoding="utf-8").startswith("<!DOCTYPE html>")
    assert [file.name for file in tmp_path.iterdir()] == ["report.html"]
    with pytest.raises(EvaluationError, match="cannot be written"):
        write_report(TrainingReport(title="t"), path / "below" / "report.html")


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.04, "0.0 s"), (59.94, "59.9 s"), (59.96, "1 min 0 s"), (3725.0, "1 h 2 min"),
     (float("nan"), "–")],
)  # fmt: skip
def test_durations_read_as_people_say_them(seconds, text):
    assert duration(seconds) == text


# outliers


def test_worst_frames_come_first_and_a_lasting_fault_counts_once():
    values = np.zeros((100, 2))
    values[40:44, 1] = [50.0, 90.0, 80.0, 70.0]
    values[10, 0] = 60.0
    values[99, 0] = np.nan
    found = worst_frames(values, 2, apart=5)
    assert found == [Outlier(41, 1, 90.0), Outlier(10, 0, 60.0)]


def test_worst_frames_leave_out_frames_without_a_value():
    values = np.full((4, 2), np.nan)
    assert worst_frames(values, 3) == []
    assert worst_frames(np.zeros((0, 2)), 3) == []
    values[2, 1] = 1.0
    assert worst_frames(values, 3) == [Outlier(2, 1, 1.0)]


@settings(deadline=None, max_examples=40)
@given(
    frames=st.integers(1, 60), count=st.integers(0, 10), apart=st.integers(1, 20),
    seed=st.integers(0, 99),
)  # fmt: skip
def test_worst_frames_are_apart_and_none_of_the_others_is_worse(frames, count, apart, seed):
    values = np.random.default_rng(seed).random((frames, 3))
    found = worst_frames(values, count, apart=apart)
    numbers = [outlier.frame for outlier in found]
    assert len(numbers) <= count
    assert all(abs(a - b) >= apart for i, a in enumerate(numbers) for b in numbers[:i])
    assert [o.value for o in found] == sorted((o.value for o in found), reverse=True)
    if found:
        assert found[0].value == values.max()


@given(frame=st.integers(0, 50), length=st.integers(1, 80), more=st.integers(1, 30))
def test_clip_holds_its_frame_and_lies_within_the_video(frame, length, more):
    frames = frame + more
    clip = clip_around(frame, length, frames)
    assert frame in clip
    assert clip.start >= 0
    assert clip.stop <= frames
    assert len(clip) == min(length, frames)


# what a report tells of labels


def _labels(tmp_path, sets, rows=40, off=0.0):
    random = np.random.default_rng(0)
    truth = random.uniform(10, 50, (rows, 3, 2))
    truth[0, 0] = np.nan
    sure = random.random((rows, 3))
    away = np.where(random.random((rows, 3)) < sure, 0.5, 9.0)
    image = tmp_path / "image.png"
    cv2.imwrite(str(image), np.full((60, 60, 3), 100, np.uint8))
    predicted = truth + away[..., None] * [1.0, 0.0]
    predicted[rows - 1, 1, 0] += off
    names = tuple(f"img{row}.png" for row in range(rows))
    table = PoseTable(Skeleton(("a", "b", "c")), truth, names)
    return LabeledPrediction.of(table, predicted, sure, tuple(sets)), [image] * rows


def test_worst_frame_pictures_name_image_split_and_keypoint(tmp_path):
    result, images = _labels(tmp_path, ["train"] * 39 + ["test"], off=200.0)
    first, *others = worst_frame_pictures(result, images, count=4)
    error = result.errors[39, 1]
    assert first.caption == f"img39.png (test): b {error:.1f} px off"
    assert len(others) == 3
    assert first.picture.shape == (480, 480, 3)
    assert (first.picture != 100).any()


def test_guesses_about_hidden_keypoints_are_told_beside(tmp_path):
    """The table under Lightning Pose's name counts them, what is shown counts what is visible."""
    result, images = _labels(tmp_path, ["train"] * 39 + ["test"], off=200.0)
    codes = result.labels.codes.copy()
    codes[39, 1] = Visibility.OCCLUDED
    hidden = replace(result, labels=replace(result.labels, visibility=codes))
    seen = np.delete(result.errors[39], 1).mean()
    told = f"{seen:.2f} px (with keypoints labelled as occluded: {result.errors[39].mean():.2f} px)"
    assert training_facts(hidden, None)["mean pixel error, test"] == told
    assert training_facts(result, None)["mean pixel error, test"] == (
        f"{result.errors[39].mean():.2f} px"
    )
    assert "img39.png" not in worst_frame_pictures(hidden, images, count=1)[0].caption
    write_labeled_prediction(hidden, tmp_path / "predictions.csv", "us")
    table = read_metric_file(tmp_path / "predictions_pixel_error.csv")
    np.testing.assert_allclose(table.values[39], result.errors[39], rtol=1e-6)


def test_confidence_is_judged_on_test_frames_that_calibration_did_not_see(tmp_path):
    labels, _ = _labels(tmp_path, ["validation"] * 20 + ["test"] * 20)
    confidence = reported_confidence(labels)
    assert "test frames" in confidence.source
    radii = label_radii(labels.labels.points, labels.errors[:20], labels.labels.skeleton)
    known = np.isfinite(labels.errors)
    calibration = fit_calibration(labels.confidences[:20], labels.errors[:20], radii)
    assert confidence.within == stated_radius(calibration)
    expected = reliability_curve(
        calibration.probability(labels.confidences[20:])[known[20:]],
        (labels.errors[20:] <= radii)[known[20:]],
    )
    np.testing.assert_array_equal(confidence.curves["calibrated"].predicted, expected.predicted)
    np.testing.assert_array_equal(confidence.curves["calibrated"].observed, expected.observed)


def test_confidence_without_test_frames_is_judged_by_cross_validation(tmp_path):
    labels, _ = _labels(tmp_path, ["train"] * 20 + ["validation"] * 20)
    assert "cross-validation" in reported_confidence(labels).source


def test_confidence_uses_the_calibration_that_the_tracker_carries(tmp_path):
    labels, _ = _labels(tmp_path, ["train"] * 20 + ["test"] * 20)
    assert reported_confidence(labels) is None
    calibration = fit_calibration(labels.confidences, labels.errors, 3.0)
    confidence = reported_confidence(labels, calibration=calibration)
    assert confidence.within == "within 3 px"
    assert "calibrated" in confidence.curves


def _promising(sets, right, seed=0, sure=0.9):
    """Predictions of 40 px animals, keypoint ``k`` of which is right with probability right[k]."""
    random = np.random.default_rng(seed)
    rows, count = len(sets), len(right)
    truth = np.tile(
        np.stack([np.linspace(0, 32, count), np.linspace(0, 24, count)], 1), (rows, 1, 1)
    )
    away = np.where(random.random((rows, count)) < right, 0.5, 30.0)
    names = tuple(f"keypoint {number}" for number in range(count))
    table = PoseTable(Skeleton(names), truth, tuple(f"{seed}_{row}.png" for row in range(rows)))
    confidences = np.full((rows, count), sure)
    return LabeledPrediction.of(table, truth + away[..., None] * [1, 0], confidences, tuple(sets))


_CALIBRATED = fit_calibration(np.full(1000, 0.9), np.repeat([0.5, 30.0], [900, 100]), 2.0)
"""A confidence of 0.9 is right in 90 %."""


def test_a_keypoint_whose_confidence_fails_is_named_with_what_to_do():
    result = _promising(["test"] * 60, [0.9, 0.9, 0.4, 0.9])
    confidence = reported_confidence(result, calibration=_CALIBRATED)
    (warning,) = confidence.warnings
    right = (result.errors[:, 2] <= 2).mean()
    assert warning == (
        "the confidence of keypoint 2 is too sure in the test frames: it promises 90 % within 2 px "
        f"of the label, and {100 * right:.0f} % of 60 are: do not rely on it there; label more "
        "frames in which it errs, and train again"
    )
    page = render_page(TrainingReport("a", confidence=confidence))
    assert warning in page
    assert f'<td class=" fails">{100 * right:.0f} %</td>' in page
    assert page.count(' fails"') == 4  # two numbers of the keypoint, and of all together


def test_a_confidence_that_keeps_its_promises_gives_no_warning():
    result = _promising(["train"] * 60 + ["validation"] * 60 + ["test"] * 60, [0.9] * 4)
    assert reported_confidence(result, calibration=_CALIBRATED).warnings == ()


def test_a_confidence_that_is_too_cautious_is_told_but_not_for_frames_that_were_learned_from():
    result = _promising(["train"] * 60 + ["test"] * 60, [1.0] * 3, sure=0.9)
    low = fit_calibration(np.full(1000, 0.9), np.repeat([0.5, 30.0], [500, 500]), 2.0)
    (warning,) = reported_confidence(result, calibration=low).warnings
    assert "too cautious in the test frames: it promises 50 %" in warning
    assert "lower threshold" in warning


def test_other_label_files_are_judged_by_themselves():
    result = _promising(["test"] * 60, [0.9] * 3)
    other = _promising(["test"] * 30, [0.3, 0.3, 0.3], seed=1)
    both = replace(result, others={"CollectedData_new.csv": other})
    confidence = reported_confidence(both, calibration=_CALIBRATED)
    (warning,) = confidence.warnings
    assert "the keypoints is too sure in CollectedData_new.csv" in warning
    assert "unlike those of the training: label some of them" in warning
    assert list(confidence.splits) == ["test", "CollectedData_new.csv"]
    promised = {p.keypoint: p for p in confidence.promises if p.where == "CollectedData_new.csv"}
    for number, name in enumerate(result.labels.keypoint_names):
        assert promised[name].observed == (other.errors[:, number] <= 2).mean()
        assert promised[name].points == 30


def test_keypoints_with_few_labels_are_said_to_be_beyond_judgement():
    result = _promising(["test"] * 60, [0.9] * 3)
    result.errors[5:, 1] = np.nan
    confidence = reported_confidence(result, calibration=_CALIBRATED)
    assert confidence.warnings == ()
    (note,) = confidence.notes
    assert note.startswith("the test frames cannot judge keypoint 1: ")
    result.errors[5:] = np.nan
    (note,) = reported_confidence(result, calibration=_CALIBRATED).notes
    assert "cannot judge the keypoints one by one" in note


def test_too_few_labels_tell_nothing_of_confidence(tmp_path):
    labels, _ = _labels(tmp_path, ["train"] * 38 + ["validation", "test"])
    assert reported_confidence(labels) is None
    labels.labels.points[:], labels.errors[:] = np.nan, np.nan
    assert reported_confidence(labels) is None


def test_labels_of_disagreeing_sizes_are_refused(tmp_path):
    with pytest.raises(PoseError):
        _labels(tmp_path, ["train"] * 39)


def test_suspicious_frames_of_a_video_are_those_very_frames(tmp_path):
    with VideoWriter(tmp_path / "v.mp4", fps=Fraction(2), size=(480, 480)) as writer:
        for number in range(12):
            writer.write(np.full((480, 480, 3), 20 * number, np.uint8))
    points = np.full((12, 1, 2), 200.0)
    points[2:, 0, 0] += 9
    points[7:, 0, 1] += 33
    table = PoseTable(
        Skeleton(("nose",)), points, tuple(range(12)), confidence=np.ones((12, 1)), scorer="s"
    )
    write_predictions(table, tmp_path / "v.csv")
    pictures = reported_video(tmp_path / "v.mp4", tmp_path / "v.csv", {}, DrawingStyle()).pictures
    assert [picture.caption for picture in pictures[:2]] == [
        "frame 7: nose 33.0 px (movement since the frame before)",
        "frame 2: nose 9.0 px (movement since the frame before)",
    ]
    assert [round(float(p.picture[5, 5].mean()) / 20) for p in pictures[:2]] == [7, 2]
    assert (pictures[0].picture[233, 209] != pictures[0].picture[5, 5]).any()
