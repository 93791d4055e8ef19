"""Predictions of labelled frames of calibrated cameras, compared with the labels in space."""

import csv
from dataclasses import replace

import numpy as np
import pytest

from lp_analysis.errors import TriangulationError
from lp_analysis.metrics.metric_files import read_metric_file
from lp_analysis.prediction.space_errors import space_errors, view_statistics, write_space_errors
from lp_analysis.report.page import render_page
from lp_analysis.report.parts import TrainingReport
from lp_analysis.triangulation import LabelRigs
from lp_core.geometry.cameras import Camera, Rig, project
from lp_core.poses import PoseTable, Skeleton, Visibility
from lp_data.sessions import ViewNames
from lp_io.calibration import write_rig

VIEWS = ViewNames(("top", "left", "right"))
SKELETON = Skeleton(("nose", "tail", "ear"), (("nose", "tail"),))
FRAMES = 20


def camera(name, azimuth):
    position = np.array([500 * np.cos(azimuth), 500 * np.sin(azimuth), 250.0])
    matrix = np.array([[600.0, 0, 320], [0, 600.0, 240], [0, 0, 1]])
    return Camera.looking_at(
        (0, 0, 0),
        position,
        name=name,
        size=(640, 480),
        matrix=matrix,
    )


def rig_at(*azimuths):
    return Rig(tuple(map(camera, VIEWS.names, azimuths)), "mm")


RIGS = {"day1": rig_at(0.0, 1.5, 3.0), "day2": rig_at(0.4, 2.1, 4.0)}
"""The cameras were moved between the sessions."""


def moments():
    return [f"labeled-data/{day}/img{n:03d}.png" for day in RIGS for n in range(FRAMES // 2)]


def rigs():
    return LabelRigs(tuple(RIGS.values()), ("a.toml", "b.toml"), {"day1": 0, "day2": 1})


def points():
    random = np.random.default_rng(0)
    middle = random.uniform(-60, 60, (FRAMES, 1, 3))
    bone = random.normal(0, 1, (FRAMES, 1, 3))
    bone *= 30 / np.linalg.norm(bone, axis=-1, keepdims=True)
    return np.concatenate([middle, middle + bone, middle - 0.5 * bone], axis=1)


def seen(space):
    """(V, F, K, 2) by the cameras of each session."""
    half = FRAMES // 2
    parts = zip(RIGS.values(), (space[:half], space[half:]), strict=True)
    return np.concatenate([project(rig, part) for rig, part in parts], axis=1)


def table(images, **more):
    """Rows of (V, F, K, 2), those of a frame neighbours."""
    rows = [
        (path.replace("/img", f"_{view}/img"), view, images[number, frame])
        for frame, path in enumerate(moments())
        for number, view in enumerate(VIEWS.names)
    ]
    paths, views, found = zip(*rows, strict=True)
    return PoseTable(SKELETON, np.array(found), paths, view=views, **more)


@pytest.fixture
def truth():
    return points()


@pytest.fixture
def labels(truth):
    """One view does not show the ear, but has a label of where it is."""
    codes = np.full((3 * FRAMES, 3), int(Visibility.VISIBLE), np.int8)
    codes[2::3, 2] = int(Visibility.OCCLUDED)
    return table(seen(truth), visibility=codes)


def predicted(images, confidence=0.9):
    split = tuple("train" if row < 30 else "test" for row in range(3 * FRAMES))
    sure = np.full((3 * FRAMES, 3), confidence)
    sure[2::3, 2] = 0.05
    return table(images, confidence=sure, split=split)


def test_perfect_predictions_have_no_error(labels, truth):
    errors = space_errors(labels, predicted(seen(truth)), VIEWS, rigs())
    np.testing.assert_allclose(errors.truth, truth, atol=1e-3)
    assert errors.errors.max() < 1e-2
    assert errors.left_out.max() < 1e-2
    assert errors.unit == "mm"
    assert errors.table.index == tuple(moments())
    assert errors.sets == ("train",) * 10 + ("test",) * 10


def test_a_hidden_keypoint_gains_from_the_other_views(labels, truth):
    images = seen(truth)
    images[2, :, 2] += 40.0  # where the ear is hidden, the tracker guesses, and is not sure
    errors = space_errors(labels, predicted(images), VIEWS, rigs())
    assert np.nanmedian(errors.errors) < 1.0
    figures = view_statistics(errors, ["test"])["right"]
    assert figures["own, hidden"] == pytest.approx(40 * np.sqrt(2))
    assert figures["reprojected, hidden"] < 2.0
    assert figures["own, visible"] < 1e-6
    assert figures["reprojected, visible"] < 1e-1
    assert figures["against the other views"] == pytest.approx(40 * np.sqrt(2) / 3, rel=0.02)


def test_an_error_in_space_is_in_its_unit_and_bones_tell_it(labels, truth):
    moved = truth.copy()
    moved[:, 1] += (0.0, 0.0, 8.0)
    errors = space_errors(labels, predicted(seen(moved)), VIEWS, rigs())
    np.testing.assert_allclose(errors.errors[:, 1], 8.0, atol=0.01)
    ((labelled, found),) = errors.bones
    assert labelled.mean == pytest.approx(30.0, abs=1e-2)
    assert labelled.deviation == pytest.approx(0.0, abs=1e-2)
    expected = np.linalg.norm(moved[:, 0] - moved[:, 1], axis=-1)
    assert found.mean == pytest.approx(expected.mean(), abs=1e-2)
    assert found.deviation == pytest.approx(expected.std(), abs=1e-2)


def test_absent_views_and_frames_without_cameras(labels, truth):
    keep = [row for row in range(3 * FRAMES) if row % 3 != 1 or row >= 30]
    known = replace(rigs(), numbers={"day1": 0})
    guess = predicted(seen(truth)).rows(keep)
    errors = space_errors(labels.rows(keep), guess, VIEWS, known)
    assert np.isfinite(errors.truth[:10]).all()
    assert np.isnan(errors.truth[10:]).all()
    assert len(errors.of_view(1, errors.own).index) == 10
    assert np.isnan(errors.left_out[0, :10]).all()  # two views
    assert space_errors(labels, predicted(seen(truth)), VIEWS, replace(rigs(), numbers={})) is None


def test_files_and_report_tell_the_same(labels, truth, tmp_path):
    random = np.random.default_rng(1)
    images = seen(truth)
    images += random.normal(0, 2, images.shape)
    errors = space_errors(labels, predicted(images), VIEWS, rigs(), skeleton=SKELETON)
    paths = write_space_errors(errors, tmp_path)
    assert all(path.is_file() for path in paths)
    read = read_metric_file(tmp_path / "predictions_points3d_error.csv")
    np.testing.assert_allclose(read.values, errors.errors, atol=1e-5)
    assert read.sets == errors.sets
    own = read_metric_file(tmp_path / "predictions_left_reprojected_error.csv")
    assert own.index[0] == "labeled-data/day1_left/img000.png"
    np.testing.assert_allclose(own.values, errors.reprojected[1], atol=1e-5)
    with (tmp_path / "points3d_error_summary.csv").open(newline="") as file:
        rows = {(row["set"], row["keypoint"]): row for row in csv.DictReader(file)}
    test = errors.errors[10:]
    assert float(rows["test", "all keypoints"]["mean"]) == pytest.approx(test.mean(), abs=1e-4)
    with (tmp_path / "bone_lengths.csv").open(newline="") as file:
        (bone,) = csv.DictReader(file)
    assert float(bone["labelled_mean"]) == pytest.approx(30.0, abs=0.01)
    assert float(bone["predicted_standard_deviation"]) > 0.5
    page = render_page(TrainingReport("t", space=errors))
    assert "Points in space" in page
    assert f"<strong>{np.median(test):.2f} mm</strong>" in page
    assert "nose – tail" in page


def test_the_cameras_of_labels_are_kept(tmp_path):
    for name, rig in RIGS.items():
        write_rig(rig, tmp_path / f"{name}.toml")
    files = {path: tmp_path / f"{path.split('/')[1]}.toml" for path in moments()}
    known = LabelRigs.read(files, VIEWS.names)
    assert dict(known.numbers) == {"day1": 0, "day2": 1}
    again = LabelRigs.from_dict(known.to_dict())
    for rig, other in zip(again.rigs, RIGS.values(), strict=True):
        np.testing.assert_allclose(project(rig, points()), project(other, points()), atol=1e-6)
    assert again.number("labeled-data/day2/img777.png") == 1
    assert again.number("labeled-data/day3/img000.png") is None
    files[moments()[0]] = tmp_path / "day2.toml"  # other cameras in one frame of a session
    mixed = LabelRigs.read(files, VIEWS.names)
    assert mixed.number(moments()[0]) != mixed.number(moments()[1])
    (line,) = mixed.told
    assert line.startswith("top (pinhole, 640×480 px), left")
    assert "in mm; " in line
    assert "day2.toml" in line
    with pytest.raises(TriangulationError, match="damaged"):
        LabelRigs.from_dict({"rigs": [], "sessions": {"a": 0}})
