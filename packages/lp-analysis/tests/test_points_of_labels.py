"""Label files of several views become points in space, each session by its own cameras."""

import cv2
import numpy as np
import pytest

from lp_analysis.errors import TriangulationError
from lp_analysis.triangulation import (
    SessionRigs,
    TriangulationOptions,
    triangulate_files,
    triangulate_labels,
)
from lp_core.errors import CameraError
from lp_core.geometry.cameras import Camera, Rig, project
from lp_core.poses import PoseTable, Skeleton, Visibility, write_pose_csv
from lp_data.errors import SessionError
from lp_io.calibration import write_rig
from lp_io.points3d import read_points3d

NAMES = ("nose", "tail")
FRAMES = 6
VIEWS = ("cam1", "cam10", "top")


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


RIGS = {
    session: Rig(tuple(camera(view, turn + 1.5 * n) for n, view in enumerate(VIEWS)), "mm")
    for session, turn in (("a_cam1", 0.0), ("b", 0.4))
}


def truth(session, animals=1):
    return np.random.default_rng(len(session)).uniform(-80, 80, (FRAMES, animals, 2, 3))


def path(session, view, frame):
    return f"labeled-data/{session}_{view}/img{frame:04d}.png"


def write(folder, offsets=None, individuals=(), visibility=None, off=0.0):
    """A label file for each view, of both sessions, with its rows in an order of its own."""
    files = {}
    for number, view in enumerate(VIEWS):
        points, frames = [], []
        for session, rig in RIGS.items():
            seen = project(rig, truth(session, max(1, len(individuals))))[number]
            points.append(seen.reshape(-1, 2, 2) + off * number)
            later = (offsets or {}).get((session, view), 0)
            frames += [
                path(session, view, frame + 10 + later)
                for frame in range(FRAMES)
                for _ in range(max(1, len(individuals)))
            ]
        table = PoseTable(
            Skeleton(NAMES),
            np.concatenate(points),
            tuple(frames),
            individual=tuple(individuals) * (2 * FRAMES) or None,
            visibility=None if visibility is None else visibility[number],
        )
        order = np.random.default_rng(number).permutation(len(table))
        files[view] = folder / f"CollectedData_{view}.csv"
        write_pose_csv(table.rows(order), files[view])
    return files


@pytest.fixture
def calibrated(tmp_path):
    (tmp_path / "calibrations").mkdir()
    for session, rig in RIGS.items():
        write_rig(rig, tmp_path / "calibrations" / f"{session}.toml")
    return tmp_path


def found_of(output):
    """Points by session and frame."""
    table = read_points3d(output).table
    return dict(zip(zip(table.frame, table.individual or [None] * 99), table.points))  # noqa: B905


def test_each_session_has_its_own_cameras_and_rows_are_joined_by_frame(calibrated):
    """`multiview_facts` 1 and 9: rows of other sessions were paired, and cameras by position."""
    files = write(calibrated)
    lines = files["top"].read_text().splitlines()
    lost = next(line for line in lines if line.startswith(path("b", "top", 12)))
    files["top"].write_text("\n".join(line for line in lines if line != lost) + "\n")
    rigs = SessionRigs(calibrated)
    assert rigs.views == VIEWS
    done = triangulate_labels(rigs, files, calibrated / "points.csv")
    assert (done.frames, done.points, done.wanted) == (2 * FRAMES, 4 * FRAMES, 4 * FRAMES)
    found = found_of(done.path)
    for session in RIGS:
        for frame in range(FRAMES):
            key = f"labeled-data/{session}/img{frame + 10:04d}.png", None
            np.testing.assert_allclose(found[key], truth(session)[frame, 0], atol=1e-3)
    points = read_points3d(done.path)
    views = dict(zip(points.table.frame, points.views[:, 0].tolist(), strict=True))
    assert [f for f, count in views.items() if count == 2] == ["labeled-data/b/img0012.png"]


def test_a_manifest_shifts_the_images_of_a_session(calibrated):
    files = write(calibrated, {("b", "cam10"): 7})
    rows = [f"b,{view},v_{view}.mp4,,,{7 if view == 'cam10' else 0}" for view in VIEWS]
    for view in VIEWS:
        (calibrated / f"v_{view}.mp4").touch()
    head = "session,view,video,calibration,boxes,frame_offset"
    (calibrated / "sessions.csv").write_text("\n".join([head, *rows]) + "\n")
    done = triangulate_files(SessionRigs(calibrated), "", files, calibrated / "points.csv")
    found = found_of(done.path)
    assert len(found) == 2 * FRAMES
    np.testing.assert_allclose(
        found["labeled-data/b/img0013.png", None], truth("b")[3, 0], atol=1e-3
    )
    options = TriangulationOptions(offsets={"top": 3})
    with pytest.raises(TriangulationError, match="depend on the session"):
        triangulate_files(SessionRigs(calibrated), "", files, calibrated / "b.csv", options)


def test_a_session_without_cameras_is_named(calibrated):
    files = write(calibrated)
    (calibrated / "calibrations" / "b.toml").unlink()
    with pytest.raises(TriangulationError, match="no calibration of the session 'b'"):
        triangulate_labels(SessionRigs(calibrated), files, calibrated / "points.csv")
    assert not (calibrated / "points.csv").exists()


def test_animals_are_joined_by_name_and_refused_without(calibrated):
    files = write(calibrated, individuals=("ann", "bob"))
    done = triangulate_labels(SessionRigs(calibrated), files, calibrated / "points.csv")
    found = found_of(done.path)
    expected = truth("b", 2)[3]
    np.testing.assert_allclose(found["labeled-data/b/img0013.png", "bob"], expected[1], atol=1e-3)
    files["top"].write_text(files["top"].read_text().replace("bob", "untracked_0"))
    with pytest.raises(TriangulationError, match="an animal has no name"):
        triangulate_labels(SessionRigs(calibrated), files, calibrated / "again.csv")


def test_what_is_marked_as_occluded_counts_half(calibrated):
    codes = [np.full((2 * FRAMES, 2), Visibility.VISIBLE, np.int8) for _ in VIEWS]
    codes[2][:] = Visibility.OCCLUDED
    files = write(calibrated, visibility=codes, off=2.0)
    rigs = SessionRigs(calibrated)
    with_it = read_points3d(triangulate_labels(rigs, files, calibrated / "with.csv").path)
    assert (with_it.views == 3).all()
    np.testing.assert_allclose(with_it.table.confidence, 2.5 / 3)
    options = TriangulationOptions(min_confidence=0.6)
    without = read_points3d(triangulate_labels(rigs, files, calibrated / "out.csv", options).path)
    assert (without.views == 2).all()


def test_images_of_another_size_than_the_calibration_are_refused(calibrated):
    """`multiview_facts` 14: images that were made smaller gave wrong points."""
    files = write(calibrated)
    image = calibrated / path("a_cam1", "cam10", 10)
    image.parent.mkdir(parents=True)
    for frame in range(FRAMES):
        file = image.with_name(f"img{frame + 10:04d}.png")
        cv2.imwrite(str(file), np.zeros((240, 320, 3), np.uint8))
    with pytest.raises(CameraError, match="'cam10': 320 × 240 px, calibrated with 640 × 480 px"):
        triangulate_labels(SessionRigs(calibrated), files, calibrated / "points.csv")


def test_images_of_another_view_are_refused(calibrated):
    files = write(calibrated)
    files["cam1"], files["top"] = files["top"], files["cam1"]
    with pytest.raises(SessionError, match="is an image of the view 'top'"):
        triangulate_labels(SessionRigs(calibrated), files, calibrated / "points.csv")
