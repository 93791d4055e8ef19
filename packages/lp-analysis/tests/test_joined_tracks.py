"""Tracklets joined to individuals, with the whole video at hand."""

import numpy as np
import pytest

from lp_analysis.errors import TrackingError
from lp_analysis.tracks import (
    UNTRACKED,
    Appearance,
    AppearanceMetric,
    Count,
    JoiningOptions,
    TrackingOptions,
    least_certain,
    track_offline,
    track_online,
    with_tracks,
    write_review,
)
from lp_core.poses import PoseTable, Skeleton


def table_of(points, frame, **fields):
    names = tuple(f"k{number}" for number in range(points.shape[1]))
    return PoseTable(Skeleton(names), points, tuple(int(number) for number in frame), **fields)


def at(pose, x, y):
    return pose + np.array([x, y])


def tracks_by_animal(animal, track):
    """For each animal the tracks of its rows, without those that have none."""
    return {
        int(number): set(track[(animal == number) & (track != UNTRACKED)].tolist())
        for number in np.unique(animal)
    }


def together(frames):
    """Rows of consecutive frames, each a list of (K, 2) poses."""
    points = np.array([pose for frame in frames for pose in frame])
    return points, np.repeat(np.arange(len(frames)), [len(frame) for frame in frames])


def exchanged(worm, sizes, rng, frames=200, keypoints=6):
    """Two animals that meet, are hidden together for 12 frames, and come out on either side."""
    rows = []
    for frame in range(frames):
        if abs(frame - frames // 2) < 6:
            continue
        side = -1 if frame < frames // 2 else 1
        away = side * 0.8 * (frame - frames // 2)
        for number in (0, 1):
            place = (300 + (away if number else -away) * side, 300 + 2 * number)
            pose = at(worm(keypoints, sizes[number]), *place)
            rows.append((pose + rng.normal(0, 0.5, pose.shape), frame, number))
    points, frame, animal = zip(*rows, strict=True)
    return np.array(points), np.array(frame), np.array(animal)


def test_one_look_and_motion_alone_tell_crossing_animals_apart(herd):
    moving = herd(3, 600, arena=200.0, missed=0.1, hidden=0.1, seed=1)
    found = track_offline(table_of(moving.points, moving.frame), TrackingOptions(animals=3))
    assert len(set(tracks_by_animal(moving.animal, found.track)[0])) == 1
    assert sorted(map(sorted, tracks_by_animal(moving.animal, found.track).values())) == [
        [0],
        [1],
        [2],
    ]


def test_false_positives_are_left_out_and_stay_in_the_table(herd):
    moving = herd(3, 300, false=0.2, seed=2)
    table = table_of(moving.points, moving.frame)
    found = track_offline(table)
    assert set(found.track[moving.animal < 0].tolist()) == {UNTRACKED}
    assert (found.track[moving.animal >= 0] != UNTRACKED).all()
    assert len(with_tracks(table, found.track)) == len(table)


def test_a_static_false_tracklet_is_left_out_of_a_known_number(herd):
    """F24: a long false tracklet need not be explained."""
    moving = herd(2, 200, seed=4)
    still = np.broadcast_to(moving.points[0] + 1000, (40, *moving.points.shape[1:]))
    points = np.concatenate([moving.points, still])
    frame = np.concatenate([moving.frame, np.arange(50, 90)])
    found = track_offline(table_of(points, frame), TrackingOptions(animals=2))
    assert set(found.track[-40:].tolist()) == {UNTRACKED}
    assert set(found.track[:-40].tolist()) == {0, 1}
    assert any(doubt.reason == "left out: 40 rows" for doubt in found.doubts) or not found.doubts


@pytest.mark.parametrize("seed", range(3))
def test_animals_of_different_build_are_told_apart_after_a_contact(worm, seed):
    points, frame, animal = exchanged(worm, (50.0, 58.0), np.random.default_rng(seed))
    found = track_offline(table_of(points, frame), TrackingOptions(animals=2))
    assert sorted(map(sorted, tracks_by_animal(animal, found.track).values())) == [[0], [1]]


@pytest.mark.parametrize("swap", [False, True])
def test_appearance_tells_animals_apart_after_a_contact(worm, swap):
    rng = np.random.default_rng(0)
    points, frame, animal = exchanged(worm, (50.0, 50.0), rng)
    truth = np.where(frame > 100, 1 - animal, animal) if swap else animal
    looks = rng.normal(0, 1, (len(animal), 5))
    looks[:, 1] += 3 * truth
    found = track_offline(
        table_of(points, frame),
        TrackingOptions(animals=2),
        appearance=Appearance(np.arange(len(frame)), looks),
    )
    assert sorted(map(sorted, tracks_by_animal(truth, found.track).values())) == [[0], [1]]


def test_appearance_goes_with_its_row(worm):
    """F25: vectors are those of their rows, whatever the order and the place of the animals."""
    rng = np.random.default_rng(0)
    points, frame, animal = exchanged(worm, (50.0, 50.0), rng)
    looks = rng.normal(0, 1, (len(animal), 5))
    looks[:, 1] += 3 * np.where(frame > 100, 1 - animal, animal)
    order, options = rng.permutation(len(frame)), TrackingOptions(animals=2)
    straight = track_offline(
        table_of(points, frame), options, appearance=Appearance(np.arange(len(frame)), looks)
    )
    mixed = track_offline(
        table_of(points[order], frame[order]),
        options,
        appearance=Appearance(np.arange(len(frame)), looks[order]),
    )
    assert mixed.track.tolist() == straight.track[order].tolist()


def test_of_two_successors_the_nearer_goes_on(worm):
    """F26: a piece goes on as the one that overlaps it most, not as the one farthest off."""
    shape = worm(8, 50.0)
    frames = [[at(shape, 100, 100)]] * 30 + [[]] * 8
    frames += [[at(shape, 125, 100), at(shape, 102, 100)]] * 30
    points, frame = together(frames)
    found = track_offline(table_of(points, frame))
    assert set(found.track[:30].tolist()) == {0}
    assert set(found.track[31::2].tolist()) == {0}
    assert 0 not in found.track[30::2]


def test_a_contact_of_alike_animals_is_a_doubt(worm):
    points, frame, _ = exchanged(worm, (50.0, 50.0), np.random.default_rng(0))
    found = track_offline(table_of(points, frame), TrackingOptions(animals=2))
    doubt = least_certain(found.doubts, 1)[0]
    assert doubt.frame == 106
    assert doubt.margin < 5
    assert set(doubt.individuals) <= {"track_0", "track_1"}
    assert "11 frames" in doubt.reason


def test_the_only_individual_of_interest_is_followed_by_its_build(worm):
    points, frame, animal = exchanged(worm, (50.0, 58.0), np.random.default_rng(0), frames=400)
    kept = ~((animal == 1) & (frame < 12)) & ~((animal == 0) & (frame >= 388))
    table = table_of(points[kept], frame[kept])
    found = track_offline(table, TrackingOptions(animals=1))
    assert set(animal[kept][found.track == 0].tolist()) == {0}
    assert (found.track == 0).sum() == (animal[kept] == 0).sum()


def test_the_pose_tells_animals_apart_that_lie_on_each_other(worm):
    lying, standing = worm(8, 50.0), worm(8, 50.0)[:, ::-1]
    points = np.array([lying, standing] * 40)
    frame, number = np.repeat(np.arange(40), 2), np.tile([0, 1], 40)
    given = np.where(frame < 20, number, 3 - number)
    found = track_offline(table_of(points, frame), TrackingOptions(animals=2), given=given)
    assert found.track.tolist() == number.tolist()


def test_missing_rows_are_a_doubt(worm):
    frame = np.array([*range(20), *range(28, 50)])
    points = np.array([at(worm(8, 50.0), 3 * number, 0) for number in frame])
    found = track_offline(table_of(points, frame))
    assert set(found.track.tolist()) == {0}
    assert [(doubt.frame, doubt.reason) for doubt in found.doubts if "gap" in doubt.reason] == [
        (28, "gap of 8 frames")
    ]


def test_the_review_list_is_a_table(worm, tmp_path):
    points, frame, _ = exchanged(worm, (50.0, 50.0), np.random.default_rng(0))
    found = track_offline(table_of(points, frame), TrackingOptions(animals=2))
    write_review(tmp_path / "review.csv", least_certain(found.doubts))
    lines = (tmp_path / "review.csv").read_text().splitlines()
    assert lines[0] == "frame,view,individuals,margin,reason"
    assert len(lines) == len(found.doubts) + 1
    margins = [float(line.split(",")[3]) for line in lines[1:]]
    assert margins == sorted(margins)


def test_a_lost_animal_is_found_again_elsewhere_if_the_number_is_known(worm):
    shape = worm(8, 50.0)
    frame = np.concatenate([np.arange(30), np.arange(300, 330)])
    points = np.array([at(shape, 100 + n, 100 if n < 100 else 9000) for n in frame])
    assert set(track_offline(table_of(points, frame)).track.tolist()) == {0, 1}
    known = track_offline(table_of(points, frame), TrackingOptions(animals=1))
    assert set(known.track.tolist()) == {0}


def test_an_animal_that_was_away_for_long_is_found_among_many_pieces_of_another(worm):
    shape = worm(8, 50.0)
    frame = np.concatenate([np.arange(30), np.arange(900, 960), np.arange(960)])
    animal = np.repeat([0, 1], [90, 960])
    points = np.array([at(shape, 500 * number, 0) for number in animal])
    pieces = np.where(animal == 0, frame // 900, 2 + frame // 5)
    options, joining = TrackingOptions(animals=2), JoiningOptions(max_gap=10)
    found = track_offline(table_of(points, frame), options, joining, given=pieces)
    assert found.track.tolist() == animal.tolist()


def still_animals(worm, places, frames):
    points = np.array([at(worm(8, 50.0), x, 0) for _ in range(frames) for x in places])
    return points, np.repeat(np.arange(frames), len(places))


def test_a_stretch_of_the_video_may_have_fewer_animals(worm):
    points, frame = still_animals(worm, (0, 300, 600), 90)
    score = np.tile([0.9, 0.8, 0.7], 90)
    counts = (Count(30, 60, 2), Count(60, 90, 1))
    found = track_offline(
        table_of(points, frame, score=score), joining=JoiningOptions(counts=counts)
    )
    tracked = [(found.track[frame == number] != UNTRACKED).sum() for number in (10, 40, 80)]
    assert tracked == [3, 2, 1]
    assert found.track[frame == 80].tolist() == [0, UNTRACKED, UNTRACKED]


def test_a_number_of_animals_may_be_a_wish(worm):
    points, frame = still_animals(worm, (0, 300, 600), 60)
    one = TrackingOptions(animals=1)
    table = table_of(points, frame)
    for extra, expected in ((None, 1), (10.0, 3), (1000.0, 1)):
        found = track_offline(table, one, JoiningOptions(extra_animal=extra))
        assert len(set(found.track.tolist()) - {UNTRACKED}) == expected


def test_given_tracks_are_joined_and_not_cut(herd):
    moving = herd(2, 200, arena=150.0, seed=6)
    given = moving.animal + 2 * (moving.frame // 50)
    found = track_offline(
        table_of(moving.points, moving.frame), TrackingOptions(animals=2), given=given
    )
    assert sorted(map(sorted, tracks_by_animal(moving.animal, found.track).values())) == [[0], [1]]


def test_a_given_track_with_two_rows_in_a_frame_is_refused(worm):
    points, frame = still_animals(worm, (0, 300), 3)
    table = table_of(points, frame, individual=("mouse",) * 6)
    with pytest.raises(TrackingError, match="'mouse' has two rows in frame 0"):
        track_offline(table, given=np.zeros(6, int))


def test_the_order_of_rows_does_not_count_offline(herd):
    moving = herd(3, 200, arena=200.0, missed=0.1, false=0.1, seed=3)
    order = np.random.default_rng(0).permutation(len(moving.frame))
    straight = track_offline(table_of(moving.points, moving.frame))
    mixed = track_offline(table_of(moving.points[order], moving.frame[order]))
    assert (mixed.track == straight.track[order]).all()
    assert [(d.frame, d.reason) for d in mixed.doubts] == [
        (d.frame, d.reason) for d in straight.doubts
    ]


def test_a_table_without_positions_has_no_tracks():
    found = track_offline(table_of(np.full((4, 3, 2), np.nan), [0, 0, 1, 2]))
    assert found.track.tolist() == [UNTRACKED] * 4
    assert found.doubts == []


def test_views_are_joined_by_themselves(worm):
    points, frame = still_animals(worm, (0, 0), 30)
    table = table_of(points, frame, view=("top", "side") * 30)
    found = track_offline(table, TrackingOptions(animals=1))
    assert found.track.tolist() == [0, 1] * 30


def test_similarity_is_learned_from_tracklets_seen_together():
    rng = np.random.default_rng(0)
    frame, individual = np.tile(np.arange(400), 2), np.repeat([0, 1], 400)
    tracklet = 2 * (frame // 100) + individual
    features = rng.normal(0, 1, (800, 6)) * [1, 1, 1, 1, 1, 50]
    features[:, 2] += 1.5 * individual
    metric = AppearanceMetric.fit(features, tracklet, frame)
    first, second = features[individual == 0][:50].mean(0), features[individual == 1][:50].mean(0)
    later = features[individual == 0][300:].mean(0)
    rows = np.array([50]), np.array([50])
    assert metric.log_odds(first[None], later[None], rows)[0] > 0.3
    assert metric.log_odds(first[None], second[None], rows)[0] < -5
    vectors = metric.transform(features)
    within = [vectors[individual == number].std(axis=0).mean() for number in (0, 1)]
    assert within == pytest.approx([1, 1], abs=0.25)


def test_nothing_is_learned_where_individuals_look_alike():
    rng = np.random.default_rng(0)
    frame, individual = np.tile(np.arange(400), 2), np.repeat([0, 1], 400)
    features = rng.normal(0, 1, (800, 20))
    metric = AppearanceMetric.fit(features, 2 * (frame // 100) + individual, frame)
    rows = np.full(100, 25), np.full(100, 25)
    odds = metric.log_odds(features[:100], features[-100:], rows)
    assert np.abs(odds).max() < 1


def test_what_is_learned_serves_the_online_tracker(worm):
    rng = np.random.default_rng(1)
    points, frame, animal = exchanged(worm, (50.0, 50.0), rng)
    looks = rng.normal(0, 1, (len(animal), 8))
    looks[:, 3] += 4 * animal
    table = table_of(points, frame)
    first = track_online(table).track
    metric = AppearanceMetric.fit(looks, first, frame)
    found = track_online(table, TrackingOptions(animals=2), metric.transform(looks))
    assert sorted(map(sorted, tracks_by_animal(animal, found.track).values())) == [[0], [1]]


@pytest.mark.parametrize("sure", [0.05, 0.9])
def test_a_ghost_of_an_animal_keeps_it_from_no_later_row(worm, sure):
    """It is taken to be where it was lost for two frames, in which it is found elsewhere."""
    pose, frames = worm(6, 40.0), range(60)
    points = [at(pose, 100 + 2 * frame, 100) for frame in frames if frame < 30]
    points += [at(pose, 100 + 2 * frame, 130) for frame in frames if frame >= 30]
    ghosts = [at(pose, 160, 100), at(pose, 162, 100)]
    frame = np.array([*frames, 30, 31])
    score = np.array([0.9] * 60 + [sure] * 2)
    table = table_of(np.array(points + ghosts), frame, score=score)
    link = np.array([-1, *range(59), 29, 60])
    link[30] = -1
    found = track_offline(table, TrackingOptions(animals=1), link=link)
    assert set(found.track[:60].tolist()) == {0}
    assert set(found.track[60:].tolist()) == {UNTRACKED}
