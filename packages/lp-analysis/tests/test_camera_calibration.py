"""Cameras that were moved are put right by what they saw."""

from dataclasses import replace
from fractions import Fraction

import cv2
import numpy as np
import pytest
from scipy.optimize import approx_fprime

from lp_analysis.camera_calibration import (
    AdjustmentOptions,
    Board,
    Bodies,
    adjust,
    calibrate,
    calibrate_videos,
    refine_poses,
    refine_with_tables,
)
from lp_analysis.camera_calibration.adjustment import _Problem
from lp_analysis.errors import TriangulationError
from lp_core.geometry.cameras import Camera, Rig, project, rotation_matrix, triangulate
from lp_core.poses import PoseTable, Skeleton, write_pose_csv
from lp_data.video.writer import VideoWriter
from lp_io.predictions import write_predictions


def camera(name, azimuth, model="pinhole"):
    position = np.array([500 * np.cos(azimuth), 500 * np.sin(azimuth), 250.0])
    matrix = np.array([[600.0, 0, 320], [0, 600.0, 240], [0, 0, 1]])
    lens = np.array([-0.2, 0.05, 0.001, 0.0, 0.0][: 4 if model == "fisheye" else 5]) * 0.5
    return Camera.looking_at(
        (0, 0, 0),
        position,
        name=name,
        size=(640, 480),
        matrix=matrix,
        distortion=lens,
        model=model,
    )


RIG = Rig((camera("a", 0.0), camera("b", 1.5, "fisheye"), camera("c", 3.0), camera("d", 4.5)), "mm")


def moved(rig, seed=0, angle=0.02, shift=8.0):
    """The rig after somebody bumped into all of its cameras."""
    random = np.random.default_rng(seed)
    cameras = [
        replace(
            each,
            rotation=rotation_matrix(random.normal(0, angle, 3)) @ each.rotation,
            translation=each.translation + random.normal(0, shift, 3),
        )
        for each in rig
    ]
    return replace(rig, cameras=tuple(cameras))


def scene(count=300, seed=1):
    return np.random.default_rng(seed).uniform(-100, 100, (count, 3))


def detections(points, noise=0.5, seed=2):
    frames = project(RIG, points)
    return frames + np.random.default_rng(seed).normal(0, noise, frames.shape)


def shape_error(points, truth):
    """The root mean square distance after the best move, turn and scale."""
    a, b = points - points.mean(axis=0), truth - truth.mean(axis=0)
    left, singular, right = np.linalg.svd(a.T @ b)
    sign = np.diag([1, 1, np.linalg.det(left @ right)])
    scale = (singular * np.diag(sign)).sum() / (a**2).sum()
    return float(np.sqrt(np.mean(np.sum((scale * a @ (left @ sign @ right) - b) ** 2, axis=1))))


def test_moved_cameras_are_put_right():
    seen, wrong = detections(scene()), moved(RIG)
    found = refine_poses(wrong, seen, AdjustmentOptions(noise=0.5))
    before = shape_error(triangulate(wrong, seen).points, scene())
    after = shape_error(triangulate(found.rig, seen).points, scene())
    best = shape_error(triangulate(RIG, seen).points, scene())
    assert before > 2 * best
    assert after < 1.15 * best
    for each in found.cameras:
        assert each.after < 0.8
        assert each.detections == 300
        assert 0.2 < each.covered <= 1
    assert max(each.before for each in found.cameras) > 3
    assert "median error" in found.text()


def test_the_world_stays_where_it_was():
    """Detections do not tell where the world is, nor how large: the rig that was given does."""
    wrong = moved(RIG)
    found = refine_poses(wrong, detections(scene())).rig
    old, new = (np.stack([each.centre for each in rig]) for rig in (wrong, found))
    np.testing.assert_allclose(new.mean(axis=0), old.mean(axis=0), atol=1e-6)
    spread = [np.linalg.norm(each - each.mean(axis=0)) for each in (old, new)]
    assert spread[1] == pytest.approx(spread[0])


def test_outliers_and_absent_detections_do_little_harm():
    """Lightning Pose's app takes only frames in which every view saw every keypoint."""
    seen = detections(scene())
    random = np.random.default_rng(3)
    seen[random.random(seen.shape[:2]) < 0.3] = np.nan
    wrong_ones = random.random(seen.shape[:2]) < 0.05
    seen[wrong_ones] = random.uniform((0, 0), (640, 480), (int(wrong_ones.sum()), 2))
    found = refine_poses(moved(RIG), seen, AdjustmentOptions(noise=0.5))
    clean = project(RIG, scene())
    assert shape_error(triangulate(found.rig, clean).points, scene()) < 0.6


def test_focal_lengths_can_be_refined():
    wrong = moved(RIG, angle=0.005, shift=2.0)
    matrix = wrong["c"].matrix * np.array([[1.03], [1.03], [1.0]])
    matrix[:, 2] = wrong["c"].matrix[:, 2]
    cameras = [replace(each, matrix=matrix) if each.name == "c" else each for each in wrong]
    wrong = replace(wrong, cameras=tuple(cameras))
    seen = detections(scene(120), 0.2)
    found = refine_poses(wrong, seen, AdjustmentOptions(noise=0.2, focal=True)).rig
    assert found["c"].matrix[0, 0] == pytest.approx(600.0, rel=0.02)
    kept = refine_poses(wrong, seen, AdjustmentOptions(noise=0.2)).rig
    np.testing.assert_array_equal(kept["c"].matrix, matrix)


def boards(frames=6):
    """A board of 5 × 4 corners in several poses."""
    random = np.random.default_rng(4)
    corners = np.stack([*np.mgrid[:5, :4].reshape(2, -1) * 30.0, np.zeros(20)], axis=-1)
    turns = np.stack([rotation_matrix(random.normal(0, 0.3, 3)) for _ in range(frames)])
    shifts = random.uniform(-50, 20, (frames, 3))
    body = np.repeat(np.arange(frames), len(corners))
    return Bodies(np.tile(corners, (frames, 1)), body, turns, shifts)


def test_boards_give_the_scale():
    truth = boards()
    seen = detections(truth.points, 0.3)
    wrong = moved(RIG)
    random = np.random.default_rng(5)
    start = replace(truth, translation=truth.translation + random.normal(0, 5, (6, 3)))
    found = adjust(wrong, seen, start, AdjustmentOptions(noise=0.3))
    assert np.nanmedian(found.error) < 0.6
    points = triangulate(found.rig, seen).points.reshape(6, 5, 4, 3)
    edges = np.linalg.norm(np.diff(points, axis=1), axis=-1)
    assert edges.mean() == pytest.approx(30.0, abs=0.1)


@pytest.mark.parametrize("rigid", [False, True])
def test_derivatives_are_right(rigid):
    bodies = boards(2) if rigid else None
    points = bodies.points if rigid else scene(5)
    seen = detections(points)
    seen[0, 1] = np.nan
    problem = _Problem(RIG, seen, points, bodies, AdjustmentOptions(focal=True))
    x = np.random.default_rng(6).normal(0, 1e-2, problem.size)
    expected = approx_fprime(x, problem.residuals, 1e-7)
    scale = np.abs(expected).max()
    np.testing.assert_allclose(problem.jacobian(x).toarray(), expected, atol=1e-5 * scale)


def test_too_little_is_told():
    with pytest.raises(TriangulationError, match="10 points were seen by two cameras or more"):
        refine_poses(RIG, detections(scene(10)))
    seen = detections(scene(50))
    seen[2] = np.nan
    with pytest.raises(TriangulationError, match="the camera 'c' saw none of the points"):
        refine_poses(RIG, seen)


CHECKERBOARD = "checkerboard:8x5:20"
CHARUCO = "charuco:7x5:24:18:DICT_4X4_50"
UP = np.diag([1.0, -1.0, -1.0])  # a board that lies on the floor, seen from above


def held(board, frames, seed=7, tilt=0.45):
    """(F, N, 3) corners of a board that somebody moves about."""
    random = np.random.default_rng(seed)
    turns = np.stack([rotation_matrix(random.normal(0, tilt, 3)) @ UP for _ in range(frames)])
    shifts = random.uniform((-120, -40, -40), (40, 120, 60), (frames, 3))
    return np.einsum("fij,nj->fni", turns, board.corners) + shifts[:, None]


def test_a_rig_from_what_it_saw_of_a_board():
    board = Board.parse(CHECKERBOARD)
    random = np.random.default_rng(8)
    seen = project(RIG, held(board, 50))
    seen += random.normal(0, 0.2, seen.shape)
    seen[~((seen > 0) & (seen < (640, 480))).all(axis=-1)] = np.nan
    for view in range(4):
        seen[view, random.random(50) < 0.3] = np.nan
    corners = dict(zip(RIG.names, seen, strict=True))
    sizes = dict.fromkeys(RIG.names, (640, 480))
    found = calibrate(board, corners, sizes, fisheye={"b"})
    assert [each.model for each in found.rig] == ["pinhole", "fisheye", "pinhole", "pinhole"]
    for each in found.cameras:
        assert each.together < 0.5
        assert each.frames > 20
    assert found.square == pytest.approx(20.0, rel=0.003)
    points = triangulate(found.rig, project(RIG, scene())).points
    assert shape_error(points, scene()) < 1.0
    lengths = [np.linalg.norm(np.diff(each, axis=0), axis=1) for each in (points, scene())]
    np.testing.assert_allclose(lengths[0], lengths[1], rtol=0.05)
    assert np.mean([each.centre[2] for each in found.rig]) > 100  # they stand above the board
    assert "a and b both saw the board in" in found.text()


def test_cameras_that_share_no_frame_are_told():
    board = Board.parse(CHECKERBOARD)
    seen = project(RIG, held(board, 40))
    seen[:2, :20] = np.nan
    seen[2:, 20:] = np.nan
    corners = dict(zip(RIG.names, seen, strict=True))
    sizes = dict.fromkeys(RIG.names, (640, 480))
    with pytest.raises(TriangulationError, match=r"to the others: (c, d|a, b)"):
        calibrate(board, corners, sizes, fisheye={"b"})
    seen[1] = np.nan
    with pytest.raises(TriangulationError, match="the camera 'b' saw the board in 0 frames"):
        calibrate(board, corners, sizes)


def picture(board, side=60):
    """The board drawn flat, `side` pixels for a square, with a margin of one square."""
    if board.marker is None:
        rows, columns = np.mgrid[: board.rows, : board.columns]
        cells = ((rows + columns) % 2 * 255).astype(np.uint8)
        flat = np.kron(cells, np.ones((side, side), np.uint8))
    else:
        markers = cv2.aruco.getPredefinedDictionary(getattr(cv2.aruco, board.dictionary))
        drawn = cv2.aruco.CharucoBoard(
            (board.columns, board.rows), board.square, board.marker, markers
        )
        flat = drawn.generateImage((board.columns * side, board.rows * side))
    return cv2.copyMakeBorder(flat, side, side, side, side, cv2.BORDER_CONSTANT, value=255)


def photograph(board, corners, size=(640, 480), side=60):
    """The board as a camera sees its corners (N, 2), but for distortion."""
    flat = board.corners[:, :2] / board.square * side + side - 0.5
    homography, _ = cv2.findHomography(flat, corners)
    return cv2.warpPerspective(picture(board, side), homography, size, borderValue=200)


@pytest.mark.parametrize("text", [CHECKERBOARD, CHARUCO])
@pytest.mark.parametrize("turn", [0.0, 2.8])
def test_corners_are_found_in_their_order(text, turn):
    """A board that is held upside down is not taken for one that is not."""
    board = Board.parse(text)
    rotation = rotation_matrix(np.array([0.3, -0.2, turn]))
    middle = board.corners.mean(axis=0)
    in_camera = (board.corners - middle) @ rotation.T + (5.0, -8.0, 260.0)
    corners = in_camera[:, :2] / in_camera[:, 2:] * 600 + (320, 240)
    found = board.detector().find(photograph(board, corners))
    known = np.isfinite(found).all(axis=1)
    assert known.sum() >= 0.8 * len(corners)
    assert np.abs(found[known] - corners[known]).max() < 1.0


def test_a_rig_from_videos(tmp_path):
    plain = [replace(each, distortion=np.zeros(4), model="pinhole") for each in RIG.cameras[:2]]
    rig = Rig(tuple(plain), "mm")
    board = Board.parse(CHARUCO)
    frames = project(rig, held(board, 24, tilt=0.25))
    videos = {}
    for camera_, corners in zip(rig, frames, strict=True):
        path = tmp_path / f"{camera_.name}.mp4"
        with VideoWriter(path, fps=Fraction(30), size=(480, 640)) as writer:
            for own in corners:
                writer.write(np.repeat(photograph(board, own)[..., None], 3, axis=-1))
        videos[camera_.name] = path
    found = calibrate_videos(board, videos)
    assert found.square == pytest.approx(24.0, rel=0.01)
    assert max(each.together for each in found.cameras) < 1.0
    apart = np.linalg.norm(found.rig["a"].centre - found.rig["b"].centre)
    assert apart == pytest.approx(np.linalg.norm(rig["a"].centre - rig["b"].centre), rel=0.05)
    with pytest.raises(TriangulationError, match="no video is of the fisheye camera 'q'"):
        calibrate_videos(board, videos, fisheye=["q"])


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("chessboard:8x5:20", "is not a board"),
        ("charuco:7x5:24", "is not a board"),
        ("checkerboard:8x6:20", "looks the same upside down"),
        ("checkerboard:2x5:20", "at least 3 × 3"),
        ("charuco:7x5:24:30:DICT_4X4_50", "smaller than its square"),
        ("charuco:7x5:24:18:DICT_9X9", "no markers 'DICT_9X9'"),
    ],
)
def test_an_impossible_board_is_told(text, message):
    with pytest.raises(TriangulationError, match=message):
        Board.parse(text)


def test_labels_of_a_session_refine_its_rig(tmp_path):
    """Labels are joined by session and frame; those of another session do not count."""
    names = tuple(f"k{number}" for number in range(6))
    seen = detections(scene(60), 0.3).reshape(4, 10, 6, 2)
    files = {}
    for view, own in zip(RIG.names, seen, strict=True):
        paths = [f"labeled-data/one_{view}/img{frame:04d}.png" for frame in range(10)]
        other = [path.replace("one_", "two_") for path in paths]
        points = np.concatenate([own, own[::-1]])
        table = PoseTable(Skeleton(names), points, (*paths, *other))
        files[view] = tmp_path / f"CollectedData_{view}.csv"
        write_pose_csv(table.rows(np.random.default_rng(ord(view)).permutation(20)), files[view])
    wrong = moved(RIG, angle=0.01, shift=4.0)
    found = refine_with_tables(wrong, files, session="one")
    assert found.points == 60
    assert max(each.after for each in found.cameras) < 0.5
    assert max(each.before for each in found.cameras) > 1.0


@pytest.mark.parametrize("later", [0, 7])
def test_sure_predictions_refine_a_rig(tmp_path, later):
    """Also those of a video that begins so many frames earlier than the others."""
    seen = detections(scene(100), 0.3).reshape(4, 50, 2, 2)
    first = RIG.names[0]
    (tmp_path / "a.mp4").touch()
    row = f"mouse,{first},a.mp4,{later}"
    (tmp_path / "sessions.csv").write_text(f"session,view,video,frame_offset\n{row}\n")
    files = {}
    for view, own in zip(RIG.names, seen, strict=True):
        confidence = np.where(np.arange(50) < 40, 0.97, 0.4)
        own[40:] += 60.0  # where the tracker is not sure, it is wrong
        table = PoseTable(
            Skeleton(("nose", "tail")),
            own,
            tuple(frame + (later if view == first else 0) for frame in range(50)),
            confidence=np.repeat(confidence[:, None], 2, axis=1),
        )
        files[view] = tmp_path / f"mouse_{view}.csv"
        write_predictions(table, files[view])
    found = refine_with_tables(moved(RIG, angle=0.01, shift=4.0), files)
    assert found.points == 80
    assert max(each.after for each in found.cameras) < 0.5
