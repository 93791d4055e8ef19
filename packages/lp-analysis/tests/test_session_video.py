"""One video of all views of a session in step, with the points in space and the poses there."""

from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest

from lp_analysis.errors import RenderingError
from lp_analysis.prediction.session_drawing import DrawableSession, draw_session
from lp_analysis.rendering.palette import keypoint_colours
from lp_analysis.rendering.scene import SceneDrawer, Stage
from lp_analysis.rendering.style import DrawingStyle
from lp_analysis.triangulation import TriangulationOptions, triangulate_tables
from lp_core.geometry.cameras import Camera, Rig, project
from lp_core.poses import PoseTable, Skeleton
from lp_data.sessions import SessionVideo
from lp_data.video.open import open_video
from lp_data.video.writer import VideoWriter
from lp_io.predictions import write_predictions

VIEWS = ("top", "left", "right")
NAMES = ("nose", "tail")
FRAMES, SIDE = 12, 120
STYLE = DrawingStyle(skeleton=(("nose", "tail"),), smallest_side=SIDE)


def camera(name, azimuth):
    position = np.array([500 * np.cos(azimuth), 500 * np.sin(azimuth), 250.0])
    middle = (SIDE - 1) / 2
    matrix = np.array([[150.0, 0, middle], [0, 150.0, middle], [0, 0, 1]])
    return Camera.looking_at(
        (0, 0, 0),
        position,
        name=name,
        size=(SIDE, SIDE),
        matrix=matrix,
    )


RIG = Rig(tuple(map(camera, VIEWS, (0.0, 1.5, 3.0))), "mm")
POINTS = np.array([[60.0, 0.0, 0.0], [-60.0, 20.0, 20.0]]) + np.zeros((FRAMES, 1, 1))


def level(number):
    """The brightness of a frame of a video, which tells its number."""
    return 60 + 10 * number


@pytest.fixture
def session(tmp_path):
    """Three videos, of which one begins 3 frames earlier and one ends 4 frames earlier."""
    offsets, lengths = {"top": 0, "left": 3, "right": 0}, {"top": 12, "left": 15, "right": 8}
    tables, videos = {}, []
    for view, shown in zip(VIEWS, project(RIG, POINTS), strict=True):
        path = tmp_path / f"day_{view}.mp4"
        with VideoWriter(path, fps=Fraction(30), size=(SIDE, SIDE), quality=5) as writer:
            for number in range(lengths[view]):
                writer.write(np.full((SIDE, SIDE, 3), level(number), np.uint8))
        poses = np.repeat(shown[:1], lengths[view], axis=0)
        sure = np.full(poses.shape[:2], 0.95)
        if view == "right":
            poses += np.array((40.0, 0.0))  # a guess
            sure *= 0.1
        tables[view] = tmp_path / f"day_{view}.csv"
        table = PoseTable(Skeleton(NAMES), poses, tuple(range(len(poses))), confidence=sure)
        write_predictions(table, tables[view])
        videos.append(SessionVideo("day", view, path, offset=offsets[view]))
    options = TriangulationOptions(offsets=offsets)
    marks = {v: path.with_name(f"{path.stem}_reprojected.csv") for v, path in tables.items()}
    triangulate_tables(RIG, tables, tmp_path / "day_points3d.csv", options, reprojected=marks)
    return DrawableSession(videos, (*VIEWS, "back"), tables, RIG)


def drawn(session, path, rig=RIG, style=STYLE, **more):
    done = draw_session(
        session.videos, session.views, session.tables, path, rig=rig, style=style, **more
    )
    with open_video(path) as source:
        return done, source.read(0, len(source)).astype(int)


def panels_of(frame):
    """The five panels of 2 rows: three views and the absent one, and the wide scene."""
    places = [(row * SIDE, column * SIDE) for row in (0, 1) for column in (0, 1, 2)]
    return [frame[top : top + SIDE, left : left + SIDE] for top, left in places]


def test_views_are_in_step_and_absent_ones_are_black(session, tmp_path):
    done, frames = drawn(session, tmp_path / "out.mp4")
    assert done.frames == len(frames) == 15  # from frame -3 of the session on
    assert frames.shape[1:3] == (2 * SIDE, 3 * SIDE)
    for place, frame in enumerate(frames):
        number = place - 3
        top, left, right, back, *_ = (cell[90:98, 104:112].mean() for cell in panels_of(frame))
        assert left == pytest.approx(level(number + 3), abs=4)
        assert top == pytest.approx(level(number) if number >= 0 else 0, abs=4)
        assert right == pytest.approx(level(number) if 0 <= number < 8 else 0, abs=4)
        assert back < 3


def near(cell, point, colour, reach=4):
    """How unlike a colour the pixels around a point are, at best."""
    x, y = np.rint(point).astype(int)
    around = cell[max(y - reach, 0) : y + reach + 1, max(x - reach, 0) : x + reach + 1]
    return np.abs(around - np.array(colour)).sum(axis=-1).min()


def test_a_view_shows_what_the_others_see_although_its_own_guess_is_not_drawn(session, tmp_path):
    style = replace(STYLE, confidence_threshold=0.5)
    done, frames = drawn(session, tmp_path / "out.mp4", style=style)
    assert 0 < done.share < 1
    right = panels_of(frames[6])[2]
    expected = project(RIG, POINTS[0])[2]
    for point, colour in zip(expected, keypoint_colours(2), strict=True):
        assert near(right, point, colour) < 150
        assert near(right, point + np.array((40.0, 0.0)), colour) > 150  # its own guess
    for file in tmp_path.glob("*_reprojected.csv"):
        file.unlink()
    _, bare = drawn(session, tmp_path / "bare.mp4", style=style)
    right = panels_of(bare[6])[2]
    assert all(near(right, p, c) > 150 for p, c in zip(expected, keypoint_colours(2), strict=True))


def test_the_scene_shows_the_poses_and_turns(session, tmp_path):
    _, frames = drawn(session, tmp_path / "out.mp4")
    scene = frames[:, SIDE + 24 :, SIDE:]
    before, first, later = scene[0], scene[4], scene[14]
    colours = [np.array(colour) for colour in keypoint_colours(2)]

    def has(picture, colour):
        return np.abs(picture - colour).sum(axis=-1).min() < 200

    assert not any(has(before, colour) for colour in colours)  # no points yet
    assert all(has(first, colour) for colour in colours)
    assert np.abs(first - later).max() > 60  # the same pose, seen from elsewhere
    _, flat = drawn(session, tmp_path / "flat.mp4", rig=None)
    assert flat.shape[2] == 2 * SIDE  # four views, without the scene


def test_some_frames_and_a_legend(session, tmp_path):
    seen = []
    done, frames = drawn(
        session,
        tmp_path / "out.mp4",
        style=replace(STYLE, legend=True),
        frames=lambda whole: whole[4:7],
        on_progress=lambda *numbers: seen.append(numbers),
    )
    assert done.frames == len(frames) == 3
    assert seen[-1] == (3, 3)
    assert frames.shape[2] > 3 * SIDE
    assert panels_of(frames[0])[0][90:98, 104:112].mean() == pytest.approx(level(1), abs=4)


def test_a_session_is_found_by_its_points(session, tmp_path):
    with pytest.raises(RenderingError, match="nothing says which cameras"):
        DrawableSession.of_points(tmp_path / "day_points3d.csv", tmp_path)


def test_what_is_shown_does_not_follow_outliers_and_stands_upright():
    random = np.random.default_rng(0)
    points = random.uniform(-50, 50, (1000, 3)) * (1, 1, 0.2)
    points[:10] = 1e5
    stage = Stage.around(points, RIG)
    assert stage.radius < 120
    np.testing.assert_allclose(stage.axes[2], (0, 0, 1))  # the cameras are held upright
    turned = Rig(tuple(replace(c, rotation=c.rotation @ np.diag((1.0, -1, -1))) for c in RIG))
    np.testing.assert_allclose(Stage.around(points, turned).axes[2], (0, 0, -1))
    assert stage.grid in (10.0, 20.0)
    corners = (
        np.array([[x, y, z] for x in (0, 1) for y in (0, 1) for z in (0, 1)])
        * (stage.high - stage.low)
        + stage.low
    )
    for second in np.arange(0.0, 30.0, 3.0).tolist():
        seen = project(Rig((stage.camera((200, 300), second),)), corners @ stage.axes)[0]
        assert (seen >= 0).all()
        assert (seen <= (299, 199)).all()
    assert Stage.around(np.full((3, 3), np.nan), RIG) is None


def test_a_scene_names_several_animals():
    stage = Stage.around(POINTS.reshape(-1, 3), RIG)
    drawer = SceneDrawer(NAMES, stage, (200, 200), STYLE, ("a", "b"), fps=30.0)
    table = PoseTable(
        Skeleton(NAMES),
        np.stack([POINTS[0], POINTS[0] + (0.0, 30.0, 0.0)]),
        (0, 0),
        individual=("a", "b"),
        confidence=np.ones((2, 2)),
    )
    picture = drawer.draw(0, table).astype(int)
    for colour in keypoint_colours(2):
        assert np.abs(picture - np.array(colour)).sum(axis=-1).min() < 40
