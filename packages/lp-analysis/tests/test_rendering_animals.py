"""Pictures and videos of several animals: who is who, and where each has been."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest

from lp_analysis.rendering.draw import Animal, PoseDrawer
from lp_analysis.rendering.labeled_video import labeled_frames
from lp_analysis.rendering.palette import NEUTRAL, contrast, keypoint_colours
from lp_analysis.rendering.prediction_video import draw_predictions
from lp_analysis.rendering.style import DrawingStyle
from lp_core.poses import PoseTable, Skeleton
from lp_data.video.open import open_video
from lp_data.video.writer import VideoWriter
from lp_io.predictions import predictions_of_video, write_predictions

PLAIN = DrawingStyle(smallest_side=0, stamp=False, radius=5.0, trail=0)
GREY = np.full((160, 240, 3), 128, np.uint8)
NAMES = ("nose", "tail")
ANN = np.array([[40.0, 80.0], [70.0, 80.0]])
BOB = np.array([[150.0, 80.0], [190.0, 80.0]])
FIRST, SECOND = keypoint_colours(2)


def _draw(*animals, style=PLAIN, frame=GREY, individuals=("ann", "bob", None)):
    return PoseDrawer(NAMES, frame.shape[:2], style, individuals).draw_animals(frame, animals)


def _both():
    return Animal(ANN, individual="ann"), Animal(BOB, individual="bob")


def test_each_individual_has_a_colour_whatever_the_order_of_the_rows():
    for animals in (_both(), _both()[::-1]):
        picture = _draw(*animals)
        for pose, colour in ((ANN, FIRST), (BOB, SECOND)):
            assert {tuple(picture[int(y), int(x)]) for x, y in pose} == {colour}


def test_colours_by_keypoint_leave_the_individuals_their_skeletons():
    style = replace(PLAIN, color_by="keypoint", skeleton=(NAMES,))
    picture = _draw(*_both(), style=style)
    for pose in (ANN, BOB):
        colours = [tuple(picture[int(y), int(x)]) for x, y in pose]
        assert colours == [FIRST, SECOND]
    middles = [picture[80, 55].astype(int), picture[80, 170].astype(int)]
    assert np.abs(middles[0] - middles[1]).max() > 60


def test_animals_without_a_track_are_grey_have_no_name_and_are_beneath_the_others():
    picture = _draw(Animal(ANN))
    assert {tuple(picture[int(y), int(x)]) for x, y in ANN} == {NEUTRAL}
    assert (picture[:70] == 128).all()
    picture = _draw(Animal(ANN, individual="ann"), Animal(ANN))
    assert tuple(picture[80, 40]) == FIRST


@pytest.mark.parametrize("ground", [0, 128, 255])
def test_names_can_be_read_on_any_ground(ground):
    frame = np.full(GREY.shape, ground, np.uint8)
    picture = _draw(Animal(ANN, individual="ann"), frame=frame)
    tag = picture[:70].reshape(-1, 3)
    tag = tag[(tag != ground).any(axis=-1)]
    light, dark = tag[tag.sum(axis=-1).argmax()], tag[tag.sum(axis=-1).argmin()]
    assert contrast(tuple(map(int, light)), tuple(map(int, dark))) > 7


@pytest.mark.parametrize("corner", [(5, 5), (5, 150), (230, 5), (230, 150), (120, 80)])
def test_a_name_stays_in_the_picture_and_covers_no_keypoint_of_any_animal(corner):
    x, y = corner
    pose = np.array([[x, y], [x + 3.0, y + 3.0]])
    around = np.array([[x - 25.0, y], [x + 25.0, y]])
    plain = _draw(Animal(pose), Animal(around))
    picture = _draw(Animal(pose, individual="bob"), Animal(around))
    assert (picture != plain).any(axis=-1).sum() > 200
    assert (picture[_within(around)] == plain[_within(around)]).all()
    assert [tuple(picture[int(v), int(u)]) for u, v in pose] == [SECOND] * 2


def _within(points):
    y, x = np.mgrid[: GREY.shape[0], : GREY.shape[1]]
    return np.any([np.hypot(x - u, y - v) < 5 for u, v in points], axis=0)


def test_names_of_animals_on_one_another_do_not_cover_each_other():
    picture = _draw(Animal(ANN, individual="ann"), Animal(ANN, individual="bob"))
    for colour, part in ((FIRST, picture[:70]), (SECOND, picture[90:])):
        assert (part == colour).all(axis=-1).sum() > 20


def test_legend_names_individuals_and_keypoints_only_where_these_have_colours():
    style = replace(PLAIN, legend=True)
    by_individual = PoseDrawer(NAMES, (160, 240), style, ("ann", "bob", None))
    panel = by_individual.draw_animals(GREY, [])[:, 240:].reshape(-1, 3)
    for colour in (FIRST, SECOND, NEUTRAL):
        assert (panel == colour).all(axis=-1).sum() > 10
    by_keypoint = PoseDrawer(NAMES, (160, 240), replace(style, color_by="keypoint"), ("ann", "bob"))
    panel = by_keypoint.draw_animals(GREY, [])[:, 240:].reshape(-1, 3)
    for colour in keypoint_colours(4):
        assert (panel == colour).all(axis=-1).sum() > 10


def test_legend_of_hundreds_of_tracks_stays_narrow():
    names = [f"track_{number}" for number in range(500)]
    drawer = PoseDrawer(NAMES, (480, 640), replace(PLAIN, legend=True), names)
    assert drawer.picture_size[1] < 900


def _upright(x):
    """A pose whose centre is at (x, 80), with both keypoints far from there."""
    return np.array([[x, 30.0], [x, 130.0]])


def _filmed(frames, individuals, style):
    """The last picture of some frames' animals."""
    drawer = PoseDrawer(NAMES, GREY.shape[:2], style, individuals)
    numbered = ((number, GREY) for number in range(len(frames)))
    *_, picture = labeled_frames(numbered, iter(frames), drawer, fps=Fraction(30))
    return picture


def test_trail_follows_the_centre_of_each_individual_and_of_no_untracked_animal():
    frames = [
        [
            Animal(_upright(20.0 + 6 * number), individual="ann"),
            Animal(_upright(140.0 + 6 * number)),
        ]
        for number in range(5)
    ]
    picture = _filmed(frames, ("ann", None), replace(PLAIN, trail=5))
    assert (picture[80, 21:43] != 128).any(axis=-1).all()
    assert (picture[80, 130:] == 128).all()


def test_trail_of_an_individual_breaks_where_it_was_not_seen():
    places = (20.0, 24.0, 28.0, None, 36.0, 40.0)
    frames = [[] if x is None else [Animal(_upright(x), individual="ann")] for x in places]
    drawn = (_filmed(frames, ("ann",), replace(PLAIN, trail=9, radius=1.0))[80] != 128).any(axis=-1)
    assert drawn[21:28].all()
    assert not drawn[31:34].any()
    assert drawn[37:40].all()


class _Recorder(PoseDrawer):
    """Remembers how much of the past it was asked to draw."""

    def draw_animals(self, frame, animals, *, stamp=""):
        self.past = [len(animal.past) for animal in animals]
        return frame


def test_past_of_an_individual_is_bounded_and_forgotten_once_it_is_gone_for_long():
    drawer = _Recorder(NAMES, GREY.shape[:2], replace(PLAIN, trail=14), ("ann",))
    ann = [Animal(ANN, individual="ann")]
    gone = [ann] * 40 + [[]] * 14 + [ann]
    lengths = []
    for _ in labeled_frames(((n, GREY) for n in range(55)), iter(gone), drawer, fps=Fraction(30)):
        lengths.append(drawer.past)
    assert lengths[39] == [14]
    assert lengths[-1] == [0]


# videos of tables

FRAMES = 12


@pytest.fixture
def video(tmp_path):
    """A grey video of 12 frames."""
    path = tmp_path / "video.mp4"
    with VideoWriter(path, fps=Fraction(30), size=(160, 240)) as writer:
        for _ in range(FRAMES):
            writer.write(GREY)
    with open_video(path) as source:
        yield source


def _table():
    """Ann in all frames but two, Bob in the second half, and someone without a track in frame 3."""
    rows = [(n, "ann", ANN + n) for n in range(FRAMES) if n not in (4, 5)]
    rows += [(n, "bob", BOB) for n in range(6, FRAMES)] + [(3, None, BOB)]
    frames, names, poses = zip(*sorted(rows, key=lambda row: row[0]), strict=True)
    confidence = np.full((len(rows), 2), 0.9)
    return PoseTable(
        Skeleton(NAMES), np.array(poses), frames, individual=names, confidence=confidence
    )


@pytest.mark.parametrize("ending", ["csv", "h5", "parquet", "slp", "json", "nc"])
def test_every_format_draws_all_rows_in_their_frames(video, tmp_path, ending):
    path = tmp_path / f"table.{ending}"
    write_predictions(_table(), path)
    style = replace(PLAIN, colormap="brg")  # blue and green
    drawn = draw_predictions(
        video, predictions_of_video(path, FRAMES), tmp_path / "o.mp4", style=style
    )
    assert (drawn.frames, drawn.keypoints, drawn.drawn) == (FRAMES, 34, 34)
    with open_video(tmp_path / "o.mp4") as labelled:
        pictures = labelled.read(0, FRAMES).astype(int)
    assert len(pictures) == FRAMES
    for number, picture in enumerate(pictures):
        blue, green = picture[80 + number, 40 + number], picture[80, 150]
        assert (blue[2] > 60 + blue[0]) == (number not in (4, 5))
        assert (green[1] > 60 + green[2]) == (number >= 6)
        assert (abs(green - 128).max() > 20) == (number == 3 or number >= 6)


def test_one_animal_with_a_name_is_drawn_as_one_without(video, tmp_path):
    rows = np.array([0, 1, 2, 3])
    table = replace(_table().rows(rows), individual=("ann",) * 4)
    contents = []
    for name, part in (("named", table), ("nameless", replace(table, individual=None))):
        write_predictions(part, tmp_path / f"{name}.csv")
        predictions = predictions_of_video(tmp_path / f"{name}.csv", FRAMES)
        draw_predictions(video, predictions, tmp_path / f"{name}.mp4")
        contents.append((tmp_path / f"{name}.mp4").read_bytes())
    assert contents[0] == contents[1]
