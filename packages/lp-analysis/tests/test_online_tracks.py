"""Individuals followed frame by frame."""

import itertools
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lp_analysis.errors import TrackingError
from lp_analysis.tracks import (
    UNTRACKED,
    OnlineTracker,
    TrackingOptions,
    track_offline,
    track_online,
    with_tracks,
)
from lp_analysis.tracks.assignment import BORN, LEFT_OUT, assign
from lp_core.poses import PoseTable, Skeleton


def table_of(points, frame, **fields):
    names = tuple(f"k{number}" for number in range(points.shape[1]))
    return PoseTable(Skeleton(names), points, tuple(int(number) for number in frame), **fields)


def at(pose, x, y):
    return pose + np.array([x, y])


def followed(points, frame, options=None, **fields):
    return track_online(table_of(points, frame, **fields), options)


def identities(animal, track):
    """The pairs of an animal and its track."""
    return set(zip(animal.tolist(), track.tolist(), strict=True))


def together(*frames):
    """Rows of consecutive frames, each a list of (K, 2) poses."""
    points = np.array([pose for frame in frames for pose in frame])
    return points, np.repeat(np.arange(len(frames)), [len(frame) for frame in frames])


@pytest.mark.parametrize("animals", [None, 4])
def test_crossing_animals_of_one_look_keep_their_tracks(herd, animals):
    moving = herd(4, 500, arena=200.0, seed=3)
    apart = [
        np.linalg.norm(np.subtract(*moving.points[list(pair)].mean(axis=1)))
        for number in range(500)
        for pair in itertools.combinations(moving.of_frame(number), 2)
    ]
    assert sum(distance < 15 for distance in apart) > 20  # they do cross
    found = followed(moving.points, moving.frame, TrackingOptions(animals=animals))
    assert len(identities(moving.animal, found.track)) == 4


def test_misses_and_hidden_keypoints_do_not_break_tracks(herd):
    moving = herd(3, 300, 16, missed=0.1, hidden=0.3, seed=5)
    found = followed(moving.points, moving.frame)
    assert len(identities(moving.animal, found.track)) == 3


def test_animals_that_move_40_px_per_frame_keep_their_tracks(worm):
    """F30: the likeness of poses far apart must not underflow to one value."""
    steps = np.arange(30)[:, None, None] * 40.0
    there = at(worm(8, 60.0), 100, 100) + steps * [1, 0]
    back = at(worm(8, 60.0), 1260, 130) - steps * [1, 0]
    points, frame = together(*zip(there, back, strict=True))
    found = followed(points, frame)
    assert found.track.tolist() == [0, 1] * 30


def test_an_animal_that_enters_far_from_where_another_left_gets_a_new_track(worm):
    """F31: what is out of reach does not inherit a lost track."""
    shape = worm(8, 50.0)
    frames = [[at(shape, 100 + 3 * n, 100), at(shape, 600, 600)] for n in range(20)]
    frames += [[at(shape, 600, 600)] for _ in range(15)]
    frames += [[at(shape, 900, 100), at(shape, 600, 600)] for _ in range(5)]
    found = followed(*together(*frames))
    assert set(found.track[:40].tolist()) == {0, 1}
    assert set(found.track[-10::2].tolist()) == {2}
    assert set(found.track[-9::2].tolist()) == {found.track[1]}


def test_of_a_known_number_the_missing_animal_is_the_one_that_returns(worm):
    shape = worm(8, 50.0)
    frames = [[at(shape, 100 + 3 * n, 100), at(shape, 600, 600)] for n in range(20)]
    frames += [[at(shape, 600, 600)] for _ in range(15)]
    frames += [[at(shape, 900, 100), at(shape, 600, 600)] for _ in range(5)]
    found = followed(*together(*frames), TrackingOptions(animals=2))
    assert set(found.track[-10::2].tolist()) == {found.track[0]}


def test_a_lost_animal_goes_on_nearby(worm):
    shape = worm(8, 50.0)
    frames = [[at(shape, 100 + 3 * n, 100)] if not 20 <= n < 35 else [] for n in range(50)]
    found = followed(*together(*frames))
    assert set(found.track.tolist()) == {0}


def test_a_row_beyond_the_known_number_stays_without_a_track(worm):
    """F44: rows beyond the number of tracks are kept, without a track."""
    shape = worm(8, 50.0)
    frames = [[at(shape, 100, 100), at(shape, 300, 100)] for _ in range(5)]
    frames.append([at(shape, 500, 500), at(shape, 100, 100), at(shape, 300, 100)])
    points, frame = together(*frames)
    table = table_of(points, frame)
    found = track_online(table, TrackingOptions(animals=2))
    assert found.track[-3:].tolist() == [UNTRACKED, found.track[0], found.track[1]]
    named = with_tracks(table, found.track)
    assert len(named) == len(table)
    assert named.individual[-3:] == (None, "track_0", "track_1")


def test_the_rows_of_the_highest_scores_begin_the_tracks(worm):
    shape = worm(4, 50.0)
    points, frame = together([shape, at(shape, 200, 0), at(shape, 400, 0)])
    score = np.array([0.2, 0.9, 0.8])
    found = followed(points, frame, TrackingOptions(animals=2), score=score)
    assert found.track[0] == UNTRACKED
    assert set(found.track[1:].tolist()) == {0, 1}


def test_a_straight_worm_along_an_axis_is_followed():
    """F34: an animal whose box has no area has a size."""
    along = np.stack([np.linspace(0, 60, 6), np.zeros(6)], axis=1)
    frames = [[at(along, 5 * n, 50), at(along, 5 * n, 90)] for n in range(20)]
    found = followed(*together(*frames))
    assert found.track.tolist() == [0, 1] * 20


def test_a_row_without_positions_has_no_track_and_no_margin(worm):
    shape = worm(4, 50.0)
    nothing = np.full((4, 2), np.nan)
    found = followed(*together([shape, nothing], [nothing, nothing], [shape, nothing]))
    assert found.track.tolist() == [0, UNTRACKED, UNTRACKED, UNTRACKED, 0, UNTRACKED]
    assert np.isnan(found.margin[[1, 2, 3, 5]]).all()


def test_a_pose_without_a_keypoint_does_not_shift_the_others(worm):
    """F20: a pose of few keypoints keeps its place among the rows."""
    shape = worm(4, 50.0)
    sparse = np.where(np.arange(4)[:, None] < 1, shape, np.nan)
    frames = [[at(sparse, 100, 0), at(shape, 200, 0), at(shape, 300, 0)] for _ in range(3)]
    found = followed(*together(*frames))
    assert found.track.reshape(3, 3).tolist() == [[0, 1, 2]] * 3


@pytest.mark.parametrize("hidden", [False, True])
def test_one_keypoint_is_enough(hidden):
    moving = np.arange(30)[:, None]
    first, second = [10, 10] + moving * [4, 0], [150, 30] - moving * [4, 0]
    points = np.stack([first, second], axis=1).reshape(-1, 1, 2).astype(float)
    if hidden:
        points = np.concatenate([np.full_like(points, np.nan), points], axis=1)
    found = followed(points, np.repeat(np.arange(30), 2), TrackingOptions(body_size=40.0))
    assert found.track.tolist() == [0, 1] * 30


def test_a_pose_with_head_and_tail_exchanged_fits_worse(worm):
    """F22: keypoints are compared by name, not as a set of points."""
    shape = at(worm(8, 50.0), 100, 100)
    margins = []
    for pose in (shape, shape[::-1]):
        tracker = OnlineTracker(8)
        for _ in range(5):
            tracker.step(shape[None])
        margins.append(tracker.step(pose[None]).margin[0])
    assert margins[1] < margins[0] - 5


def test_two_alike_rows_in_one_place_are_an_uncertain_decision(worm):
    shape = worm(8, 50.0)
    apart, close = [shape, at(shape, 200, 0)], [at(shape, 100, 0), at(shape, 101, 0)]
    tracker = OnlineTracker(8)
    certain = [tracker.step(np.array(apart)).margin for _ in range(5)][-1]
    assert certain.min() > 10
    other = OnlineTracker(8)
    for _ in range(5):
        unsure = other.step(np.array(close)).margin
    assert unsure.max() < 1


@pytest.mark.parametrize("exchanged", [False, True])
def test_appearance_tells_alike_animals_apart_after_both_were_hidden(worm, exchanged):
    """F29: appearance works together with keypoints."""
    poses = np.array([at(worm(8, 50.0), 0, 0), at(worm(8, 50.0), 30, 0)])
    looks = np.array([[0.0, 6.0], [6.0, 0.0]])
    tracker = OnlineTracker(8, options=TrackingOptions(animals=2))
    for _ in range(10):
        before = tracker.step(poses, appearance=looks).track
    for _ in range(15):
        tracker.step(poses[:0], appearance=looks[:0])
    poses = poses[::-1] if exchanged else poses
    assert tracker.step(poses, appearance=looks).track.tolist() == before.tolist()


def test_a_jump_that_no_motion_explains_begins_a_track_even_with_the_same_pose(worm):
    shape = worm(8, 50.0)
    found = followed(*together(*[[shape]] * 30, *[[at(shape, 26, 0)]] * 3))
    assert found.track.tolist() == [0] * 30 + [1] * 3
    known = followed(
        *together(*[[shape]] * 30, *[[at(shape, 26, 0)]] * 3), TrackingOptions(animals=1)
    )
    assert set(known.track.tolist()) == {0}


@pytest.mark.parametrize("exchanged", [False, True])
def test_build_tells_animals_apart_after_both_were_hidden(worm, exchanged):
    small, large = worm(8, 40.0), worm(8, 60.0)
    tracker = OnlineTracker(8, options=TrackingOptions(animals=2))
    for _ in range(10):
        before = tracker.step(np.array([small, at(large, 30, 0)])).track
    for _ in range(40):
        tracker.step(np.zeros((0, 8, 2)))
    places = (30, 0) if exchanged else (0, 30)
    turned = np.array([at(-small, places[0], 0), at(-large, places[1], 0)])
    after = tracker.step(turned)
    assert after.track.tolist() == before.tolist()
    assert after.margin.min() > 5


def test_trackers_know_nothing_of_each_other(herd):
    """F32: what one tracker remembers does not reach another."""
    videos = [herd(3, 60, seed=seed, sizes=40.0 + 20 * seed) for seed in (1, 2)]
    alone = [followed(video.points, video.frame) for video in videos]
    trackers = [OnlineTracker(8), OnlineTracker(8)]
    for number in range(60):
        for video, tracker, expected in zip(videos, trackers, alone, strict=True):
            rows = video.of_frame(number)
            found = tracker.step(video.points[rows])
            assert found.track.tolist() == expected.track[rows].tolist()
            assert found.margin.tolist() == expected.margin[rows].tolist()


def test_the_order_of_rows_does_not_count(herd):
    moving = herd(4, 100, missed=0.05, false=0.2, seed=2)
    order = np.random.default_rng(0).permutation(len(moving.frame))
    straight = followed(moving.points, moving.frame)
    mixed = followed(moving.points[order], moving.frame[order])
    assert (mixed.track == straight.track[order]).all()
    assert np.array_equal(mixed.margin, straight.margin[order], equal_nan=True)


def test_frame_by_frame_gives_what_the_whole_table_gives(herd):
    moving = herd(3, 150, missed=0.05, hidden=0.1)
    confidence = np.random.default_rng(1).uniform(0.2, 1, moving.points.shape[:2])
    whole = followed(moving.points, moving.frame, confidence=confidence)
    tracker = OnlineTracker(8)
    for number in range(150):
        rows = moving.of_frame(number)
        one = tracker.step(moving.points[rows], confidence[rows])
        assert one.track.tolist() == whole.track[rows].tolist()
        assert one.margin.tolist() == whole.margin[rows].tolist()


def test_frames_without_rows_pass_as_time(worm):
    shape = worm(8, 50.0)
    points = np.array([at(shape, 5.0 * n, 0) for n in (0, 1, 2, 3, 7, 8)])
    found = followed(points, [0, 1, 2, 3, 7, 8])
    assert set(found.track.tolist()) == {0}
    slow = followed(points, [10, 11, 12, 13, 5000, 5001])
    assert slow.track.tolist() == [0, 0, 0, 0, 1, 1]


def test_each_view_has_tracks_of_its_own(worm):
    shape = worm(8, 50.0)
    points, frame = together(*([at(shape, n, 0), at(shape, n, 0)] for n in range(4)))
    found = followed(points, frame, TrackingOptions(animals=1), view=("top", "side") * 4)
    assert found.track.tolist() == [0, 1] * 4


def test_memory_holds_no_track_that_ended(herd):
    """F32: no cache grows with the video."""
    junk = np.random.default_rng(0).uniform(0, 2000, (800, 1, 4, 2))
    tracker = OnlineTracker(4, options=TrackingOptions(body_size=20.0))
    held = []
    for points in junk:
        tracker.step(points)
        held.append(len(tracker._states))
    assert tracker.tracks > 600
    assert max(held) < 40


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"animals": 0}, "at least 1, got 0"),
        ({"body_size": -3.0}, "body_size must be positive"),
        ({"miss_rate": 1.0}, "between 0 and 1"),
        ({"max_coast": 0}, "max_coast must be at least 1"),
    ],
)
def test_an_option_that_makes_no_sense_is_refused(wrong, message):
    with pytest.raises(TrackingError, match=message):
        TrackingOptions(**wrong)


def test_rows_that_do_not_fit_the_tracker_are_refused(worm):
    tracker = OnlineTracker(4)
    tracker.step(worm(4, 50.0)[None], appearance=np.zeros((1, 3)))
    with pytest.raises(TrackingError, match="5 keypoints, and the tracker 4"):
        tracker.step(worm(5, 50.0)[None])
    with pytest.raises(TrackingError, match="2 features"):
        tracker.step(worm(4, 50.0)[None], appearance=np.zeros((1, 2)))


def test_images_have_no_order_in_time(worm):
    table = PoseTable(Skeleton(("a", "b")), np.zeros((1, 2, 2)), ("labeled-data/a/img1.png",))
    with pytest.raises(TrackingError, match=r"img1\.png"):
        track_online(table)


def brute(match, miss, birth, left_out, births):
    """The cost of each way to decide all rows."""
    tracks, rows = match.shape
    ways = {}
    for fate in itertools.product([*range(tracks), BORN, LEFT_OUT], repeat=rows):
        used = [track for track in fate if track >= 0]
        if len(set(used)) < len(used) or fate.count(BORN) > births:
            continue
        cost = -miss[used].sum()
        for row, track in enumerate(fate):
            cost += {BORN: birth, LEFT_OUT: left_out, **dict(enumerate(match))}[track][row]
        if np.isfinite(cost):
            ways[fate] = cost
    return ways


@settings(max_examples=60, deadline=None)
@given(
    tracks=st.integers(0, 3),
    rows=st.integers(1, 3),
    births=st.integers(0, 3),
    gated=st.floats(0, 0.8),
    seed=st.integers(0, 2**32 - 1),
)
def test_assignments_and_margins_are_those_of_trying_every_way(tracks, rows, births, gated, seed):
    draw = np.random.default_rng(seed)
    match = draw.normal(0, 5, (tracks, rows))
    match[draw.random((tracks, rows)) < gated] = np.inf
    given_costs = SimpleNamespace(
        miss=draw.uniform(0, 4, tracks), birth=draw.normal(4, 2, rows), out=draw.normal(5, 2, rows)
    )
    found = assign(match, given_costs.miss, given_costs.birth, given_costs.out, births)
    ways = brute(match, given_costs.miss, given_costs.birth, given_costs.out, births)
    best = min(ways, key=ways.__getitem__)
    assert tuple(found.track.tolist()) == best
    assert found.cost == pytest.approx(ways[best])
    for row in range(rows):
        others = [cost for way, cost in ways.items() if way[row] != best[row]]
        expected = min(others, default=np.inf) - ways[best]
        assert found.margin[row] == pytest.approx(expected)


def meeting(linked):
    """Two alike animals that meet, and part again along each other's way or on their own."""
    pose = np.array([[0.0, 0.0], [10.0, 5.0], [20.0, 0.0]])
    frames = [
        [at(pose, 100, 100 + d), at(pose, 104, 100 - d)] for d in 4.0 * np.abs(range(-20, 21))
    ]
    points, frame = together(*frames)
    link = np.arange(len(points)) - 2
    link[:2] = -1
    if linked == "exchanged":
        link[[40, 41]] = link[[41, 40]]
    return points, frame, link


def online(table, link):
    return track_online(table, link=link).track


def offline(table, link):
    return track_offline(table, link=link).track


@pytest.mark.parametrize("join", [online, offline])
def test_links_decide_who_is_who_where_motion_does_not(join):
    """Which of the two turned round cannot be seen; what a tracker was told can be."""
    kept = {}
    for linked in ("as they stand", "exchanged"):
        points, frame, link = meeting(linked)
        found = join(table_of(points, frame), link).reshape(-1, 2)
        assert (found[0] >= 0).all()
        kept[linked] = bool((found[0] == found[-1]).all())
    assert kept == {"as they stand": True, "exchanged": False}


def test_a_link_is_a_hint_and_no_order():
    """A row that is linked to an animal far away stays with its own."""
    pose = np.array([[0.0, 0.0], [10.0, 5.0], [20.0, 0.0]])
    points, frame = together(*[[at(pose, 3 * t, 0), at(pose, 400, 3 * t)] for t in range(12)])
    link = np.arange(24) - 2
    link[:2], link[10:12] = -1, (9, 8)
    found = track_online(table_of(points, frame), link=link)
    assert len(set(found.track[::2])) == len(set(found.track[1::2])) == 1
