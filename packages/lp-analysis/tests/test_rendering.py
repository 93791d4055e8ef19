"""Pictures and videos of poses: where things are drawn, and that every frame is there once."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lp_analysis.errors import RenderingError
from lp_analysis.rendering.draw import Animal, PoseDrawer
from lp_analysis.rendering.labeled_video import labeled_frames, write_labeled_video
from lp_analysis.rendering.palette import contrast, keypoint_colours
from lp_analysis.rendering.style import DrawingStyle
from lp_analysis.rendering.text import text_width, write_text
from lp_data.video.open import open_video
from lp_data.video.writer import VideoWriter

PLAIN = DrawingStyle(smallest_side=0, stamp=False)
GREY = np.full((120, 160, 3), 128, np.uint8)
NOWHERE = np.full((1, 2), np.nan)


def _draw(keypoints, *, style=PLAIN, frame=GREY, skeleton=(), **options):
    names = [f"k{number}" for number in range(len(keypoints))]
    drawer = PoseDrawer(names, frame.shape[:2], replace(style, skeleton=tuple(skeleton)))
    return drawer.draw(frame, np.array(keypoints, np.float64), **options)


def _centroid(picture, background=GREY):
    """(x, y) of what was drawn, weighted by how much it differs from the background."""
    change = np.abs(picture.astype(float) - background).sum(axis=-1)
    y, x = np.mgrid[: change.shape[0], : change.shape[1]]
    return (x * change).sum() / change.sum(), (y * change).sum() / change.sum()


@settings(deadline=None, max_examples=25)
@given(x=st.floats(12, 140), y=st.floats(12, 100))
def test_keypoint_is_drawn_where_it_is_to_a_fraction_of_a_pixel(x, y):
    np.testing.assert_allclose(_centroid(_draw([[x, y]])), (x, y), atol=0.15)


def test_keypoint_of_an_enlarged_frame_stays_on_the_same_pixel_of_the_frame():
    frame = np.full((32, 40, 3), 128, np.uint8)
    picture = _draw([[10.0, 20.0]], frame=frame, style=DrawingStyle(smallest_side=96, stamp=False))
    assert picture.shape == (96, 120, 3)
    background = np.full((96, 120, 3), 128, np.uint8)
    np.testing.assert_allclose(
        _centroid(picture, background), (10.5 * 3 - 0.5, 20.5 * 3 - 0.5), atol=0.15
    )


def test_frame_that_is_large_enough_is_not_enlarged():
    assert DrawingStyle(smallest_side=480).scale((396, 406)) == 1
    assert DrawingStyle(smallest_side=480).scale((128, 128)) == 4
    assert DrawingStyle(smallest_side=0).scale((16, 16)) == 1


def test_keypoint_has_its_colour_in_the_middle_and_a_rim_that_contrasts_with_it():
    picture = _draw(
        [[80.0, 60.0], [20.0, 20.0]],
        style=DrawingStyle(colormap="tab10", smallest_side=0, stamp=False, radius=8.0),
    )
    first, second = keypoint_colours(2, "tab10")
    assert tuple(picture[60, 80]) == first
    assert tuple(picture[20, 20]) == second
    for (x, y), colour in (((89, 60), first), ((29, 20), second)):
        assert contrast(tuple(map(int, picture[y, x])), colour) > 3


def test_drawing_leaves_the_frame_itself_alone():
    frame = GREY.copy()
    frame.setflags(write=False)
    _draw([[80.0, 60.0]], frame=frame, stamp="frame 1")


def test_less_confident_keypoints_are_fainter_and_those_below_the_threshold_absent():
    style = DrawingStyle(confidence_threshold=0.3, smallest_side=0, stamp=False)
    keypoints = [[30.0, 60.0], [80.0, 60.0], [130.0, 60.0]]
    picture = _draw(keypoints, style=style, confidences=np.array([1.0, 0.3, 0.29]))
    change = [
        np.abs(picture[50:70, x - 10 : x + 10].astype(int) - 128).sum() for x in (30, 80, 130)
    ]
    assert change[0] > 1.5 * change[1] > 0
    assert change[2] == 0


@pytest.mark.parametrize("missing", [[np.nan, np.nan], [np.nan, 3.0], [1e300, 5.0], [np.inf, 5.0]])
def test_missing_and_absurd_keypoints_draw_nothing(missing):
    picture = _draw([missing, [80.0, 60.0]], skeleton=[("k0", "k1")], truth=np.array([missing] * 2))
    np.testing.assert_array_equal(picture[:, :60], GREY[:, :60])
    assert (picture != GREY).any()


@pytest.mark.parametrize("place", [[-3.0, -3.0], [159.0, 119.0], [300.0, 60.0], [-400.0, 60.0]])
def test_keypoints_at_and_beyond_the_edge_do_no_harm(place):
    assert _draw([place]).shape == GREY.shape


def test_skeleton_joins_keypoints_by_name():
    keypoints = [[20.0, 60.0], [140.0, 60.0], [80.0, 10.0]]
    assert (_draw(keypoints)[60, 80] == 128).all()
    assert (_draw(keypoints, skeleton=[("k0", "k1")])[60, 80] != 128).any()


def test_unknown_colour_map_names_the_nearest():
    with pytest.raises(RenderingError, match="did you mean 'viridis'"):
        keypoint_colours(3, "virids")


def test_keypoints_of_a_continuous_map_have_different_colours_and_of_a_list_the_first_ones():
    assert len(set(keypoint_colours(17, "cool"))) == 17
    assert len(set(keypoint_colours(10, "tab10"))) == 10
    assert keypoint_colours(12, "tab10")[10:] == keypoint_colours(2, "tab10")


def test_trail_joins_the_poses_of_as_many_past_frames_as_the_style_says():
    style = DrawingStyle(trail=2, smallest_side=0, stamp=False)
    past = [np.array([[x, 60.0]]) for x in (20.0, 50.0, 80.0)]
    picture = _draw([[110.0, 60.0]], style=style, past=past)
    drawn = (picture[60] != 128).any(axis=-1)
    assert drawn[52:100].all()
    assert not drawn[20:45].any()
    assert not (_draw([[110.0, 60.0]], past=past)[60, :90] != 128).any()


def test_trail_breaks_where_the_keypoint_was_not_seen():
    style = DrawingStyle(trail=9, smallest_side=0, stamp=False)
    past = [np.array([[20.0, 60.0]]), NOWHERE, np.array([[80.0, 60.0]])]
    drawn = (_draw([[110.0, 60.0]], style=style, past=past)[60] != 128).any(axis=-1)
    assert not drawn[:75].any()
    assert drawn[82:100].all()


def test_trail_breaks_where_the_keypoint_jumps():
    style = DrawingStyle(trail=9, smallest_side=0, stamp=False)
    past = [np.array([[x, 60.0]]) for x in (10.0, 14.0, 18.0, 22.0, 26.0)]
    drawn = (_draw([[110.0, 60.0]], style=style, past=past)[60] != 128).any(axis=-1)
    assert drawn[10:26].all()
    assert not drawn[34:100].any()


def test_trail_of_a_fast_keypoint_does_not_break():
    style = DrawingStyle(trail=9, smallest_side=0, stamp=False)
    past = [np.array([[x, 60.0]]) for x in (10.0, 35.0, 60.0, 85.0)]
    drawn = (_draw([[110.0, 60.0]], style=style, past=past)[60] != 128).any(axis=-1)
    assert drawn[10:110].all()


@pytest.mark.parametrize("ground", [0, 60, 128, 200, 255])
@pytest.mark.parametrize("colormap", ["distinct", "cool", "turbo", "gray"])
def test_every_keypoint_stands_out_on_any_ground(ground, colormap):
    frame = np.full((60, 20 * 24, 3), ground, np.uint8)
    keypoints = [[10.0 + 20 * number, 30.0] for number in range(24)]
    style = DrawingStyle(smallest_side=0, stamp=False, colormap=colormap, radius=5.0)
    picture = _draw(keypoints, style=style, frame=frame)
    for number in range(24):
        around = picture[18:43, 20 * number : 20 * number + 20].reshape(-1, 3)
        best = max(contrast(tuple(map(int, pixel)), (ground,) * 3) for pixel in around)
        assert best > 2


def test_default_colours_are_far_apart():
    def nearest(colours):
        points = np.array([oklab(colour) for colour in colours])
        distances = np.linalg.norm(points[:, None] - points[None], axis=-1)
        return distances[~np.eye(len(points), dtype=bool)].min()

    for count in (5, 12, 17, 24):
        assert nearest(keypoint_colours(count)) > 0.08
        assert nearest(keypoint_colours(count)) > 1.3 * nearest(keypoint_colours(count, "turbo"))
    assert keypoint_colours(30)[24:] == keypoint_colours(6)


def oklab(colour):
    """Oklab of an sRGB colour (B. Ottosson, 2020)."""
    value = np.array(colour) / 255
    linear = np.where(value <= 0.04045, value / 12.92, ((value + 0.055) / 1.055) ** 2.4)
    cones = [[0.4122, 0.5363, 0.0514], [0.2119, 0.6807, 0.1074], [0.0883, 0.2817, 0.6300]]
    axes = [[0.2105, 0.7936, -0.0041], [1.9780, -2.4286, 0.4506], [0.0259, 0.7828, -0.8087]]
    return np.array(axes) @ np.cbrt(np.array(cones) @ linear)


def test_truth_is_a_ring_around_the_true_position():
    style = DrawingStyle(smallest_side=0, stamp=False, radius=5.0)
    picture = _draw([[np.nan, np.nan]], style=style, truth=np.array([[80.0, 60.0]]))
    assert (picture[60, 80] == 128).all()
    np.testing.assert_allclose(_centroid(picture), (80, 60), atol=0.15)


def test_legend_stands_beside_the_frame_and_names_every_keypoint():
    names = [f"keypoint {number}" for number in range(30)]
    style = DrawingStyle(colormap="hsv", legend=True, smallest_side=0, stamp=False)
    drawer = PoseDrawer(names, GREY.shape[:2], style)
    picture = drawer.draw(GREY, np.full((30, 2), np.nan))
    assert picture.shape[:2] == drawer.picture_size
    np.testing.assert_array_equal(picture[:, :160], GREY)
    panel = picture[:, 160:].reshape(-1, 3)
    for colour in drawer.colours:
        assert (panel == colour).all(axis=-1).sum() > 10


@pytest.mark.parametrize("name", ["", "\x1b[31m\n", "鼻", "x" * 500])
def test_legend_takes_any_name(name):
    drawer = PoseDrawer([name], (64, 64), style=DrawingStyle(legend=True, smallest_side=0))
    assert drawer.picture_size[1] < 600


def test_text_is_drawn_beyond_ascii():
    narrow, wide = np.zeros((20, 60, 3), np.uint8), np.zeros((20, 60, 3), np.uint8)
    write_text(narrow, "µ", 2.0, 10.0, size=12)
    write_text(wide, "?", 2.0, 10.0, size=12)
    assert narrow.any()
    assert (narrow != wide).any()
    assert text_width("größer", 12) > text_width("gr", 12)


def test_frame_of_another_size_is_refused():
    drawer = PoseDrawer(["nose"], (100, 100))
    with pytest.raises(RenderingError, match="160×120"):
        drawer.draw(GREY, NOWHERE)


@pytest.mark.parametrize(
    "options",
    [{"confidence_threshold": 90.0}, {"trail": -1}, {"radius": 0.0}, {"smallest_side": -1}],
)
def test_senseless_styles_are_refused(options):
    with pytest.raises(RenderingError):
        DrawingStyle(**options)


# videos

FPS = Fraction(30000, 1001)
FRAMES = 23


@pytest.fixture
def video(tmp_path):
    """A black video in which frame n is as bright as 10 n."""
    path = tmp_path / "video.mp4"
    with VideoWriter(path, fps=FPS, size=(96, 128)) as writer:
        for number in range(FRAMES):
            writer.write(np.full((96, 128, 3), 10 * number, np.uint8))
    with open_video(path) as source:
        yield source


def _walking(frames=FRAMES):
    """The keypoint walks from the left to the right, 4 px per frame."""
    return [[Animal(np.array([[10.0 + 4 * number, 48.0]]), np.ones(1))] for number in range(frames)]


def test_labelled_video_has_every_frame_with_its_own_pose_at_the_sources_rate(video, tmp_path):
    path = tmp_path / "out" / "labelled.mp4"
    progress = []
    written = write_labeled_video(
        video,
        _walking(),
        path,
        ["nose"],
        style=DrawingStyle(smallest_side=0, stamp=False, radius=6.0, colormap="hsv"),
        on_progress=progress.append,
    )
    with open_video(path) as labelled:
        assert (written, len(labelled), labelled.fps) == (FRAMES, FRAMES, FPS)
        assert labelled.size == video.size
        for number, picture in enumerate(labelled.read(0, FRAMES)):
            assert abs(int(picture[5, 5].mean()) - 10 * number) < 8
            red = picture[..., 0].astype(float) - picture[..., 1:].max(axis=-1)
            assert np.argmax(red.sum(axis=0)) == pytest.approx(10 + 4 * number, abs=5)
    assert progress[-1] == FRAMES


def test_clip_holds_the_chosen_frames_and_their_numbers(video, tmp_path):
    frames = range(8, 13)
    style = DrawingStyle(smallest_side=0, stamp=False)
    write_labeled_video(
        video, _walking()[8:13], tmp_path / "c.mp4", ["nose"], frames=frames, style=style
    )
    with open_video(tmp_path / "c.mp4") as clip:
        levels = clip.read(0, len(clip))[:, 5, 5].mean(axis=-1)
    np.testing.assert_allclose(levels, [80, 90, 100, 110, 120], atol=8)


class _Recorder(PoseDrawer):
    """Remembers what it was asked to draw."""

    def draw_animals(self, frame, animals, *, stamp=""):
        self.stamp, self.past = stamp, {animal.individual: animal.past for animal in animals}
        return frame


def test_stamp_tells_number_and_time_of_each_frame():
    drawer = _Recorder(["nose"], GREY.shape[:2])
    stamps = []
    frames = ((n, GREY) for n in range(5, 5 + FRAMES))
    for _ in labeled_frames(frames, iter(_walking()), drawer, fps=FPS):
        stamps.append(drawer.stamp)
    assert stamps[0] == f"frame 5  {5 * 1001 / 30000:.3f} s"
    assert stamps[15] == f"frame 20  {20 * 1001 / 30000:.3f} s"


def test_trail_of_a_video_is_bounded_and_leaves_out_what_was_not_sure():
    style = DrawingStyle(trail=2, confidence_threshold=0.5)
    drawer = _Recorder(["nose"], GREY.shape[:2], style)
    keypoints, confidences = np.arange(8.0).reshape(4, 1, 2), np.array([[1.0], [0.4], [1.0], [1.0]])
    animals = [[Animal(*row)] for row in zip(keypoints, confidences, strict=True)]
    for _ in labeled_frames(((n, GREY) for n in range(4)), iter(animals), drawer, fps=FPS):
        past = drawer.past[None]
    np.testing.assert_array_equal(past, [[[0.0, 1.0]], [[np.nan, np.nan]], [[4.0, 5.0]]])
    missing = ([Animal(NOWHERE, np.ones(1))] for _ in range(40))
    for _ in labeled_frames(((n, GREY) for n in range(40)), missing, drawer, fps=FPS):
        past = drawer.past[None]
    assert len(past) == drawer.memory < 20


@pytest.mark.parametrize("frames", [FRAMES - 1, FRAMES + 1])
def test_predictions_of_another_video_are_refused_and_leave_no_file(video, tmp_path, frames):
    path = tmp_path / "out" / "labelled.mp4"
    with pytest.raises(RenderingError, match="prediction"):
        write_labeled_video(video, _walking(frames), path, ["nose"])
    assert list(path.parent.iterdir()) == []
