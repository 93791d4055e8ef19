"""Tables of several views become points in space, whatever a view lacks; and how good they are."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from lp_analysis.errors import TriangulationError
from lp_analysis.triangulation import (
    TriangulationOptions,
    bone_lengths,
    leave_one_view_out,
    reproject,
    triangulate_tables,
    views_of,
    world_error,
)
from lp_analysis.triangulation.medians import RunningMedians
from lp_core.errors import CameraError
from lp_core.geometry.cameras import Camera, Rig, project, triangulate
from lp_core.poses import PoseTable, Skeleton
from lp_io.points3d import read_points3d
from lp_io.predictions import read_predictions, write_predictions

NAMES = ("nose", "tail")
FRAMES = 30


def camera(name, azimuth):
    position = np.array([500 * np.cos(azimuth), 500 * np.sin(azimuth), 250.0])
    matrix = np.array([[600.0, 0, 320], [0, 600.0, 240], [0, 0, 1]])
    lens = np.array([-0.2, 0.05, 0.001, 0.0, 0.0])
    return Camera.looking_at(
        (0, 0, 0),
        position,
        name=name,
        size=(640, 480),
        matrix=matrix,
        distortion=lens,
    )


RIG = Rig(
    (camera("cam1", 0.0), camera("cam10", 1.5), camera("cam2", 3.0), camera("top", 4.5)), "mm"
)


def scene(frames=FRAMES, animals=1):
    random = np.random.default_rng(0)
    start = random.uniform(-80, 80, (1, animals, 1, 3))
    walk = np.cumsum(random.normal(0, 1, (frames, animals, 1, 3)), axis=0)
    bone = random.normal(0, 1, (frames, animals, 1, 3))
    bone *= 40 / np.linalg.norm(bone, axis=-1, keepdims=True)
    return start + np.concatenate([walk, walk + bone], axis=2)


def write(folder, view, points, individuals=(), suffix=".csv", names=NAMES, confidence=0.9):
    """The predictions of a view, (F, A, K, 2)."""
    frames, animals = points.shape[:2]
    table = PoseTable(
        Skeleton(names),
        points.reshape(frames * animals, -1, 2),
        tuple(frame for frame in range(frames) for _ in range(animals)),
        individual=tuple(individuals) * frames or None,
        confidence=np.full((frames * animals, len(names)), confidence),
    )
    path = folder / f"mouse_{view}{suffix}"
    write_predictions(table, path)
    return path


@pytest.fixture
def tables(tmp_path):
    seen = project(RIG, scene())
    return {view: write(tmp_path, view, own) for view, own in zip(RIG.names, seen, strict=True)}


def test_tables_come_home(tables, tmp_path):
    done = triangulate_tables(RIG, tables, tmp_path / "points3d.csv")
    found = read_points3d(done.path)
    np.testing.assert_allclose(found.table.points, scene()[:, 0], atol=1e-3)
    assert found.table.frame == tuple(range(FRAMES))
    assert (found.views == 4).all()
    assert found.error.max() < 1e-3
    np.testing.assert_allclose(found.table.confidence, 0.9)
    assert found.table.covariance.shape == (FRAMES, 2, 3, 3)
    assert done.points == done.wanted == 2 * FRAMES
    assert max(done.errors.values()) < 1e-3


def test_a_session_longer_than_a_part(tmp_path, monkeypatch):
    import lp_analysis.triangulation.tables as module

    monkeypatch.setattr(module, "_POINTS", 14)
    seen = project(RIG, scene())
    tables = {view: write(tmp_path, view, own) for view, own in zip(RIG.names, seen, strict=True)}
    done = triangulate_tables(RIG, tables, tmp_path / "a.csv")
    np.testing.assert_allclose(read_points3d(done.path).table.points, scene()[:, 0], atol=1e-3)


def test_views_of_unequal_length_and_frames_without_a_row(tmp_path):
    """Faults 48, 53 and 54: what a view lacks is missing there and nowhere else."""
    seen = project(RIG, scene())
    tables = {
        "cam1": write(tmp_path, "cam1", seen[0][:20]),
        "cam10": write(tmp_path, "cam10", seen[1]),
    }
    tables["top"] = write(tmp_path, "top", seen[3])
    lines = tables["top"].read_text().splitlines(keepends=True)
    tables["top"].write_text("".join(lines[:3] + lines[6:]))  # frames 0, 1 and 2 have no row
    done = triangulate_tables(RIG, tables, tmp_path / "a.csv")
    found = read_points3d(done.path)
    np.testing.assert_allclose(found.table.points, scene()[:, 0], atol=1e-3)
    views = found.views[:, 0].tolist()
    assert views == [2] * 3 + [3] * 17 + [2] * 10


def test_offsets_align_videos(tmp_path):
    seen = project(RIG, scene())
    tables = {
        "cam1": write(tmp_path, "cam1", seen[0]),
        "cam2": write(tmp_path, "cam2", np.concatenate([seen[2][:4] * 0 + 9, seen[2]])),
        "top": write(tmp_path, "top", seen[3][3:]),
    }
    options = TriangulationOptions(offsets={"cam2": 4, "top": -3})
    done = triangulate_tables(RIG, tables, tmp_path / "a.csv", options)
    found = read_points3d(done.path)
    np.testing.assert_allclose(found.table.points, scene()[:, 0], atol=1e-3)
    assert found.views[:, 0].tolist() == [2] * 3 + [3] * 27


def test_several_animals_are_matched_by_name(tmp_path):
    truth = scene(animals=2)
    seen = project(RIG, truth)
    tables = {"cam1": write(tmp_path, "cam1", seen[0], ("a", "b"))}
    tables["top"] = write(tmp_path, "top", seen[3][:, ::-1], ("b", "a"))
    done = triangulate_tables(RIG, tables, tmp_path / "a.csv")
    found = read_points3d(done.path).table
    assert found.individual[:2] == ("a", "b")
    np.testing.assert_allclose(found.points.reshape(-1, 2, 2, 3), truth, atol=1e-3)


def test_keypoints_are_matched_by_name(tmp_path):
    """Fault 2: another order of keypoints in a view."""
    seen = project(RIG, scene())
    tables = {"cam1": write(tmp_path, "cam1", seen[0])}
    tables["top"] = write(tmp_path, "top", seen[3][:, :, ::-1], names=NAMES[::-1])
    done = triangulate_tables(RIG, tables, tmp_path / "a.csv")
    np.testing.assert_allclose(read_points3d(done.path).table.points, scene()[:, 0], atol=1e-3)
    tables["top"] = write(tmp_path, "top", seen[3], names=("nose", "ear"))
    with pytest.raises(TriangulationError, match="other keypoints than mouse_cam1"):
        triangulate_tables(RIG, tables, tmp_path / "a.csv")


def test_unsure_detections_can_be_left_out(tmp_path):
    seen = project(RIG, scene())
    tables = {view: write(tmp_path, view, own) for view, own in zip(RIG.names, seen, strict=True)}
    tables["cam2"] = write(tmp_path, "cam2", seen[2] + 60, confidence=0.3)
    options = TriangulationOptions(min_confidence=0.5)
    found = read_points3d(triangulate_tables(RIG, tables, tmp_path / "a.csv", options).path)
    np.testing.assert_allclose(found.table.points, scene()[:, 0], atol=1e-3)
    assert (found.views == 3).all()


def test_parquet_and_movement(tables, tmp_path):
    pytest.importorskip("pyarrow")
    xarray = pytest.importorskip("xarray")
    csv, parquet, movement = (tmp_path / f"a{suffix}" for suffix in (".csv", ".parquet", ".nc"))
    for path in (csv, parquet, movement):
        triangulate_tables(RIG, tables, path, TriangulationOptions(fps=30.0))
    given = read_points3d(csv)
    frame = pd.read_parquet(parquet)
    expected = pd.read_csv(csv, header=[0, 1, 2], index_col=0)
    np.testing.assert_allclose(frame.to_numpy(), expected.to_numpy())
    assert list(frame.columns) == list(expected.columns)
    with xarray.open_dataset(movement, engine="h5netcdf") as data:
        assert data["space"].values.tolist() == ["x", "y", "z"]
        position = data["position"].sel(keypoint="tail", space="z", individual=data.individual[0])
        np.testing.assert_array_equal(position.values, given.table.points[:, 1, 2])
        error = data["error"].sel(keypoint="nose").values[:, 0]
        np.testing.assert_array_equal(error, given.error[:, 0])
        shared = data["covariance"].sel(entry="xz", keypoint="tail").values[:, 0]
        np.testing.assert_array_equal(shared, given.table.covariance[:, 1, 0, 2])
        assert data["time"].values[3] == pytest.approx(0.1)
        assert data.attrs["space_unit"] == "mm"


def test_views_are_read_from_the_ends_of_names(tmp_path):
    """Faults 45, 46 and 47: cam1 is not cam10, xcam1 is none, and a session may contain a view."""
    paths = [tmp_path / name for name in ("a_cam1_cam10.csv", "a_cam1_cam2.csv", "a_cam1_cam1.csv")]
    session, found = views_of(paths, RIG.names)
    assert session == "a_cam1"
    assert list(found.items()) == [("cam1", paths[2]), ("cam10", paths[0]), ("cam2", paths[1])]
    with pytest.raises(TriangulationError, match="ends in no view"):
        views_of([tmp_path / "axcam1.csv"], RIG.names)
    with pytest.raises(TriangulationError, match="two tables are of the view 'cam1'"):
        views_of([tmp_path / "a_cam1.csv", tmp_path / "a_cam1.parquet"], RIG.names)
    with pytest.raises(TriangulationError, match="of different sessions: a_cam1"):
        views_of([tmp_path / "a_cam1.csv", tmp_path / "b_cam2.csv"], RIG.names)


def test_a_view_may_have_an_underscore_in_its_name(tmp_path):
    """Fault 5: the session is what precedes the whole name of the view."""
    path = tmp_path / "day_1_cam_top.csv"
    assert views_of([path], ["top", "cam_top"]) == ("day_1", {"cam_top": path})


def test_what_does_not_go_together_is_told(tables, tmp_path):
    with pytest.raises(TriangulationError, match="at least 2 views, got 1"):
        triangulate_tables(RIG, {"cam1": tables["cam1"]}, tmp_path / "a.csv")
    with pytest.raises(CameraError, match="no camera 'side'"):
        triangulate_tables(RIG, {"cam1": tables["cam1"], "side": tables["top"]}, tmp_path / "a.csv")
    several = write(tmp_path, "cam2", project(RIG, scene(animals=2))[2], ("a", "b"))
    with pytest.raises(TriangulationError, match="of one animal, but those of other views"):
        triangulate_tables(RIG, {**tables, "cam2": several}, tmp_path / "a.csv")
    assert not (tmp_path / "a.csv").exists()


def test_errors_in_space_and_lengths_of_bones():
    points = scene()[:, 0]
    skeleton = Skeleton(NAMES, (("nose", "tail"),))
    (bone,) = bone_lengths(skeleton, points)
    assert bone.median == pytest.approx(40.0)
    assert bone.spread == pytest.approx(0.0, abs=1e-9)
    assert bone.rows == FRAMES
    random = np.random.default_rng(1)
    noisy = points + random.normal(0, 2, points.shape)
    noisy[0, 0] = np.nan
    (bone,) = bone_lengths(skeleton, noisy)
    assert bone.rows == FRAMES - 1
    assert 0.03 < bone.spread < 0.15  # two ends of 2 mm along 40 mm
    error = world_error(noisy, points)
    assert np.isnan(error[0, 0])
    assert np.nanmean(error) == pytest.approx(3.2, rel=0.15)


def test_a_view_that_is_off_is_seen_by_leaving_it_out():
    seen = project(RIG, scene())[:, :, 0].reshape(4, -1, 2)
    moved = seen.copy()
    moved[2] += 12.0
    errors = leave_one_view_out(RIG, moved)
    assert np.median(errors[2]) == pytest.approx(12 * np.sqrt(2), rel=0.05)
    moved[3, 0] = np.nan
    errors = leave_one_view_out(RIG, moved)
    assert np.isnan(errors[3, 0])
    pair = replace(RIG, cameras=RIG.cameras[:2])
    assert np.isnan(leave_one_view_out(pair, seen[:2])).all()


def test_the_likelihood_of_a_reprojected_point_is_how_often_it_is_near():
    random, points = np.random.default_rng(0), scene(3000)[:, 0]
    truth = project(RIG, points).reshape(4, -1, 2)
    seen = truth + random.normal(0, 2.0, truth.shape)
    found = triangulate(RIG, seen, noise=2.0)
    for radius in (1.0, 2.5, 4.0):
        shown = reproject(RIG, found.points, found.covariance, radius)
        off = np.linalg.norm(shown.points - truth, axis=-1)
        for view in range(4):
            share = (off[view] <= radius).mean()
            assert shown.likelihood[view].mean() == pytest.approx(share, abs=0.08)
    usual = reproject(RIG, found.points, found.covariance)
    np.testing.assert_allclose(
        usual.likelihood, reproject(RIG, found.points, found.covariance, 8.0).likelihood
    )  # 1 % of the diagonal of 640 x 480
    behind = np.array([[5000.0, 0.0, 250.0]])  # of cam1
    hidden = reproject(RIG, behind, np.eye(3)[None])
    assert np.isnan(hidden.points[0]).all()
    assert hidden.likelihood[0] == 0


def test_tables_of_reprojected_points_have_the_rows_of_their_videos(tmp_path):
    truth = scene(animals=2)
    seen = project(RIG, truth)
    tables = {
        "cam1": write(tmp_path, "cam1", seen[0], ("a", "b")),
        "top": write(tmp_path, "top", np.concatenate([seen[3][:4] * 0, seen[3][:20]]), ("a", "b")),
    }
    paths = {view: tmp_path / f"{view}_shown.csv" for view in tables}
    options = TriangulationOptions(offsets={"top": 4})
    triangulate_tables(RIG, tables, tmp_path / "a.csv", options, reprojected=paths)
    top = read_predictions(paths["top"], several=True)
    assert set(top.frame) == set(range(24))
    rows = [row for row, frame in enumerate(top.frame) if frame >= 4]
    np.testing.assert_allclose(top.points[rows].reshape(20, 2, -1, 2), seen[3][:20], atol=1e-3)
    assert np.isnan(top.points[:2]).all()


def test_medians_of_parts_are_those_of_the_whole():
    random = np.random.default_rng(0)
    values = random.lognormal(0, 1, (2, 5001))
    values[0, ::3] = np.nan
    medians = RunningMedians(3)
    for part in np.array_split(np.concatenate([values, values[:1] * np.nan]), 7, axis=1):
        medians.add(part)
    np.testing.assert_allclose(medians.medians()[:2], np.nanmedian(values, axis=1), rtol=0.001)
    assert np.isnan(medians.medians()[2])
