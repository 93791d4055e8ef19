"""Animals told apart by what they look like in their video."""

from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest

from lp_analysis.errors import TrackingError
from lp_analysis.tracks import (
    Appearance,
    AppearanceReader,
    FileTracking,
    LinkedRows,
    TrackingOptions,
    track_file,
    track_offline,
)
from lp_analysis.tracks.tables import usual_size
from lp_core.poses import PoseTable, Skeleton
from lp_data.video.open import open_video
from lp_data.video.writer import VideoWriter
from lp_io.predictions import read_predictions, write_predictions

TWO = TrackingOptions(animals=2)
RED, BLUE = np.array([190.0, 60, 60]), np.array([60.0, 60, 190])
SIZE = (96, 160)


def film(path, points, frame, colours):
    """Write a video in which each row is a thick line of its colour along its keypoints."""
    noise = np.random.default_rng(0)
    frames = noise.normal(150, 6, (frame.max() + 1, *SIZE, 3))
    y, x = np.mgrid[: SIZE[0], : SIZE[1]]
    for pose, number, colour in zip(points, frame, colours, strict=True):
        ways = np.linspace(0, len(pose) - 1, 20)
        spine = np.stack([np.interp(ways, range(len(pose)), pose[:, axis]) for axis in (0, 1)])
        off = np.hypot(x[..., None] - spine[0], y[..., None] - spine[1]).min(axis=-1)
        frames[number][off < 5] = colour + noise.normal(0, 6, (int((off < 5).sum()), 3))
    with VideoWriter(path, fps=Fraction(30), size=SIZE) as writer:
        for picture in np.clip(frames, 0, 255).astype(np.uint8):
            writer.write(picture)
    return path


def meeting(worm, hidden, apart=4.0, frames=200):
    """Rows of two worms that meet, are not seen for some frames, and part again."""
    rng, rows = np.random.default_rng(1), []
    for frame in range(frames):
        away = 0.35 * (frame - frames // 2)
        if abs(away) >= 0.35 * hidden / 2:
            for animal, side in enumerate((-1, 1)):
                place = (80 + side * away, 48 + side * apart)
                pose = worm(6, 40.0) + place
                rows.append((pose + rng.normal(0, 0.5, pose.shape), frame, animal))
    points, frame, animal = zip(*rows, strict=True)
    names = tuple(f"k{number}" for number in range(6))
    table = PoseTable(
        Skeleton(names),
        np.array(points),
        frame,
        individual=(None,) * len(frame),
        confidence=np.full((len(frame), 6), 0.9),
    )
    return table, np.array(frame), np.array(animal)


def tracks_of(truth, track):
    return sorted(sorted(set(track[truth == number].tolist())) for number in (0, 1))


@pytest.mark.parametrize("exchanged", [False, True])
def test_the_video_tells_who_comes_out_of_a_contact(worm, tmp_path, exchanged):
    table, frame, animal = meeting(worm, hidden=30)
    truth = np.where(frame > 100, 1 - animal, animal) if exchanged else animal
    video = film(tmp_path / "v.mp4", table.points, frame, np.array([RED, BLUE])[truth])
    write_predictions(table, tmp_path / "rows.slp")
    done = track_file(tmp_path / "rows.slp", tmp_path / "tracked.slp", FileTracking(TWO), video)
    found = read_predictions(done.path, several=True)
    # the rows of a frame by their place: worm 0 is above
    order = np.lexsort([np.nanmedian(found.points[:, :, 1], axis=1), found.frame])
    names = np.array([int(found.individual[row][-1]) for row in order])
    expected = truth[np.lexsort([np.nanmedian(table.points[:, :, 1], axis=1), frame])]
    assert tracks_of(expected, names) == [[0], [1]]


def test_the_video_undoes_an_exchange_that_motion_is_sure_of(worm, tmp_path):
    table, frame, animal = meeting(worm, hidden=0)
    truth = np.where(frame >= 100, 1 - animal, animal)
    video = film(tmp_path / "v.mp4", table.points, frame, np.array([RED, BLUE])[truth])
    assert tracks_of(animal, track_offline(table, TWO).track) == [[0], [1]]
    with open_video(video) as source:
        looks = Appearance.of_video(source, table)
    found = track_offline(table, TWO, appearance=looks)
    wrong = found.track != np.where(found.track[0] == truth[0], truth, 1 - truth)
    assert frame[wrong].tolist() == [] or set(frame[wrong]) <= set(range(85, 116))
    assert any(doubt.reason == "contact" for doubt in found.doubts)


def test_a_video_of_alike_animals_changes_nothing(worm, tmp_path):
    table, frame, _ = meeting(worm, hidden=30)
    video = film(tmp_path / "v.mp4", table.points, frame, np.array([RED, RED])[frame % 2])
    with open_video(video) as source:
        looks = Appearance.of_video(source, table)
    with_looks, without = track_offline(table, TWO, appearance=looks), track_offline(table, TWO)
    assert with_looks.track.tolist() == without.track.tolist()
    assert with_looks.doubts == without.doubts


def test_of_long_videos_some_frames_tell_what_animals_look_like(worm, tmp_path):
    table, frame, animal = meeting(worm, hidden=30)
    truth = np.where(frame > 100, 1 - animal, animal)
    video = film(tmp_path / "v.mp4", table.points, frame, np.array([RED, BLUE])[truth])
    with open_video(video) as source:
        looks = Appearance.of_video(source, table, most_rows=100)
    assert len(looks.rows) <= 100
    assert tracks_of(truth, track_offline(table, TWO, appearance=looks).track) == [[0], [1]]


@pytest.mark.parametrize("most_rows", [10_000, 60])
@pytest.mark.parametrize("resumed", [0, 64])
def test_looks_while_predicting_are_those_of_the_video(worm, tmp_path, resumed, most_rows):
    """Also of a prediction that was interrupted, and whose chunks are others."""
    table, frame, animal = meeting(worm, hidden=30)
    video = film(tmp_path / "v.mp4", table.points, frame, np.array([RED, BLUE])[animal])
    rows = LinkedRows.unlinked(table)
    rows.seen[[7, 100]] = False
    with open_video(video) as source:
        size = usual_size(table)
        reader = AppearanceReader(source, table.skeleton, size, most_rows)
        if resumed:
            before = np.flatnonzero(frame < resumed)
            reader.read_again(LinkedRows(table.rows(before), rows.link[before], rows.seen[before]))
        runs = [range(start, min(start + 24, 200)) for start in range(resumed, 200, 24)]
        pictures = [reader.video.read(run.start, run.stop) for run in runs]
        for run in runs:
            here = np.flatnonzero(np.isin(frame, run))
            reader.add(run, LinkedRows(table.rows(here), rows.link[here], rows.seen[here]))
        assert len(pictures) == len(runs)
        looks, expected = reader.of(table), Appearance.of_video(source, table, most_rows)
    assert set(expected.rows) - set(looks.rows) == {7, 100} & set(expected.rows)
    there = np.isin(expected.rows, looks.rows)
    assert looks.vectors == pytest.approx(expected.vectors[there], nan_ok=True)
    assert (looks.stride, len(looks.rows) <= most_rows) == (expected.stride, True)


def test_colours_are_those_of_the_places_at_any_size(worm, tmp_path):
    """F33: frames are RGB, their last axis the colours."""
    table, frame, animal = meeting(worm, hidden=100)
    colours = np.array([RED, BLUE])
    video = film(tmp_path / "v.mp4", table.points, frame, colours[animal])
    with open_video(video) as source, open_video(video, resize_to=(192, 320)) as larger:
        looks, same = Appearance.of_video(source, table), Appearance.of_video(larger, table)
    keypoints = looks.vectors[:, : 3 * 6].reshape(len(looks.rows), 6, 3)
    expected = colours[animal[looks.rows]][:, None]
    assert np.nanmedian(np.abs(keypoints - expected)) < 10
    assert np.nanmean(np.abs(same.vectors - looks.vectors)) < 10


def test_places_that_may_show_something_else_have_no_colour(tmp_path, worm):
    covered, other, outside = (
        worm(10, 40.0) + np.array(place) for place in ((40.0, 20.0), (40.0, 50.0), (143.0, 80.0))
    )
    other[0] = covered[9] + 1
    confidence = np.full((3, 10), 0.9)
    confidence[0, 3] = 0.1
    points = np.array([covered, other, outside])
    names = tuple(f"k{number}" for number in range(10))
    table = PoseTable(Skeleton(names), points, (0, 0, 0), confidence=confidence)
    video = film(tmp_path / "v.mp4", points, np.zeros(3, int), [RED, BLUE, RED])
    with open_video(video) as source:
        looks = Appearance.of_video(source, table)
    unknown = np.isnan(looks.vectors[:, : 3 * 10].reshape(3, 10, 3)).any(axis=2)
    assert [np.flatnonzero(row).tolist() for row in unknown] == [[3, 9], [0], [9]]


def test_a_table_of_another_video_is_refused(worm, tmp_path):
    table, frame, animal = meeting(worm, hidden=100)
    video = film(
        tmp_path / "v.mp4", table.points[:20], frame[:20], np.array([RED, BLUE])[animal[:20]]
    )
    write_predictions(table, tmp_path / "rows.slp")
    with pytest.raises(TrackingError, match="a frame 199, and the last one of the video is 9"):
        track_file(tmp_path / "rows.slp", tmp_path / "t.slp", FileTracking(TWO), video)
    views = replace(table, view=("top", "side") * (len(table) // 2))
    with open_video(video) as source, pytest.raises(TrackingError, match="several cameras"):
        Appearance.of_video(source, views)
