"""Which peaks belong together: the exact assignment of votes to animals."""

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lp_models.bottom_up.grouping import REACH, Peaks, assign, group, headings, vote_modes

K = 5


def peaks_of(votes, scores, keypoint):
    return Peaks(np.array(keypoint), np.array(votes, dtype=float).reshape(-1, 2), np.array(scores))


def grouped(peaks, centres=(), keypoints=K, fewest=2, most=20):
    centres = np.array(centres, dtype=float).reshape(-1, 2)
    scores = np.full(len(centres), 0.9)
    return group(peaks, centres, scores, keypoints=keypoints, fewest=fewest, most=most)


def scene(centres, rng, *, noise=0.0, keypoints=K):
    """All keypoints of animals with these centres, with their votes, in random order."""
    animal, keypoint = np.divmod(rng.permutation(len(centres) * keypoints), keypoints)
    votes = np.asarray(centres)[animal] + noise * rng.standard_normal((len(animal), 2))
    return Peaks(keypoint, votes, rng.uniform(0.3, 1, len(animal))), animal


def centres_apart(draw_seed, number):
    """Random centres, no two of them within 0.6 body lengths."""
    rng, found = np.random.default_rng(draw_seed), []
    while len(found) < number:
        place = rng.uniform(0, 2 + number, 2)
        if all(np.hypot(*(place - other)) > 0.6 for other in found):
            found.append(place)
    return np.array(found).reshape(-1, 2), rng


def animals_of(chosen, animal):
    """For each row the animals that its peaks are of, as a set of sets of peaks."""
    return {frozenset(row[row >= 0].tolist()) for row in chosen}, [
        set(animal[row[row >= 0]].tolist()) for row in chosen
    ]


@given(st.integers(0, 10_000), st.integers(0, 8))
def test_votes_of_any_number_of_animals_are_grouped_exactly(seed, number):
    centres, rng = centres_apart(seed, number)
    peaks, animal = scene(centres, rng, noise=0.03)
    chosen = grouped(peaks, centres)
    assert len(chosen) == number
    assert (chosen >= 0).all()
    assert all(len(owners) == 1 for owners in animals_of(chosen, animal)[1])
    assert (peaks.keypoint[chosen] == np.arange(K)).all()


@given(st.integers(0, 10_000), st.integers(1, 6))
def test_the_order_of_peaks_keypoints_and_animals_changes_nothing(seed, number):
    """Rows of the same peaks, in the same order of animals, whatever comes first."""
    centres, rng = centres_apart(seed, number)
    peaks, _ = scene(centres, rng, noise=0.15)
    order, renamed = rng.permutation(len(peaks.votes)), rng.permutation(K)
    shuffled = Peaks(renamed[peaks.keypoint][order], peaks.votes[order], peaks.scores[order])
    one = grouped(peaks, centres)
    two = grouped(shuffled, centres[::-1])
    back = np.where(two >= 0, order[two], -1)[:, renamed]
    np.testing.assert_array_equal(one, back)


@given(st.floats(0, 2 * np.pi), st.integers(0, 1000))
def test_a_rotated_scene_is_grouped_equally(angle, seed):
    """F1: neither the turn of an animal nor its place changes what belongs together."""
    centres, rng = centres_apart(seed, 3)
    peaks, _ = scene(centres, rng, noise=0.1)
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    turned = peaks._replace(votes=peaks.votes @ turn.T + 7)
    found = (grouped(each) for each in (peaks, turned))
    one, two = (sorted(row.tolist() for row in chosen) for chosen in found)
    assert one == two


def test_every_pair_is_as_good_as_it_can_be():
    """The sum over animals is that of the best of all ways to assign two peaks to two animals."""
    rng = np.random.default_rng(3)
    for _ in range(50):
        centres = rng.uniform(0, 0.5, (3, 2))
        votes, scores = rng.uniform(-0.1, 0.6, (3, 2)), rng.uniform(0.1, 1, 3)
        chosen = assign(peaks_of(votes, scores, [0, 0, 0]), centres, 1)[:, 0]
        distance = np.linalg.norm(centres[:, None] - votes, axis=-1)

        def gain(pairs, distance=distance, scores=scores):
            fits = [(a, p) for a, p in pairs if p >= 0]
            if any(distance[a, p] > REACH for a, p in fits):
                return -np.inf
            return sum((REACH - distance[a, p]) / 0.1 + scores[p] for a, p in fits)

        ways = [
            list(enumerate(way))
            for way in itertools.product([-1, 0, 1, 2], repeat=3)
            if len({p for p in way if p >= 0}) == sum(p >= 0 for p in way)
        ]
        assert gain(enumerate(chosen.tolist())) == pytest.approx(max(map(gain, ways)))


def test_a_second_peak_of_one_animal_does_not_evict_a_weak_one_of_another():
    """F8: a strong duplicate is left out, and the weak true peak is kept."""
    votes = [(0, 0), (0, 0), (1, 0), (1, 0), (0.05, 0), (0.2, 0), (1, 0)]
    scores = [0.9, 0.9, 0.9, 0.9, 0.9, 0.85, 0.1]
    peaks = peaks_of(votes, scores, [0, 1, 0, 1, 2, 2, 2])
    chosen = grouped(peaks, keypoints=3)
    assert {tuple(row) for row in chosen.tolist()} == {(0, 1, 4), (2, 3, 6)}


def test_peaks_at_one_place_are_grouped():
    """F13: keypoints of one place, and animals of one place, give rows and no error."""
    peaks = peaks_of([(1, 1)] * 6, [0.9] * 6, [0, 0, 1, 1, 2, 2])
    chosen = grouped(peaks, [(1, 1), (1, 1)], keypoints=3)
    assert len(chosen) == 1
    assert (chosen >= 0).all()


def test_two_animals_that_want_one_keypoint_do_not_share_it():
    """F15: the better fit has it, and the other lacks it."""
    votes = [(0, 0), (0, 0), (0.5, 0), (0.5, 0), (0.2, 0)]
    chosen = grouped(peaks_of(votes, [0.9] * 5, [0, 1, 0, 1, 2]), keypoints=3)
    assert {tuple(row) for row in chosen.tolist()} == {(0, 1, 4), (2, 3, -1)}


def test_what_does_not_fit_is_left_out():
    """A keypoint is never forced on an animal that lacks it."""
    votes = [(0, 0), (0, 0), (0, REACH + 0.01), (0, 3)]
    chosen = grouped(peaks_of(votes, [0.9] * 4, [0, 1, 2, 3]))
    assert chosen.tolist() == [[0, 1, -1, -1, -1]]


def test_the_keypoints_of_an_animal_that_is_none_go_to_the_others():
    """One keypoint that votes badly makes no animal of its own, nor is it lost."""
    votes = [(0, 0), (0, 0), (0, 0), (0.39, 0)]
    peaks = peaks_of(votes, [0.3, 0.3, 0.3, 0.9], [0, 1, 2, 3])
    assert len(vote_modes(peaks.votes, peaks.scores)) == 2
    assert grouped(peaks).tolist() == [[0, 1, 2, 3, -1]]


def test_an_animal_needs_keypoints_and_not_only_a_centre():
    peaks = peaks_of([(0, 0)], [0.9], [0])
    assert grouped(peaks, [(0, 0), (4, 4)]).shape == (0, K)
    assert grouped(peaks_of([], [], np.empty(0, int))).shape == (0, K)


def test_keypoints_that_nobody_shows_change_nothing():
    """F14, F16: neither their number nor their order plays a part in what belongs together."""
    centres, rng = centres_apart(3, 4)
    peaks, _ = scene(centres, rng, noise=0.1)
    few = grouped(peaks, centres)
    many = grouped(peaks._replace(keypoint=peaks.keypoint * 9), centres, keypoints=9 * K)
    np.testing.assert_array_equal(many[:, ::9], few)
    assert (many >= 0).sum() == (few >= 0).sum()


@given(st.integers(0, 10_000), st.floats(90, 180), st.floats(0, 360))
def test_animals_of_one_centre_are_told_apart_by_their_headings(seed, between, turn):
    """F1: however they are turned, and although the middle one of the keypoints tells none."""
    rng = np.random.default_rng(seed)
    animal, keypoint = np.divmod(rng.permutation(2 * K), K)
    angles = np.radians([turn, turn + between])[animal] + 0.1 * rng.standard_normal(2 * K)
    told = np.where(keypoint == 2, np.nan, angles)
    votes = 0.02 * rng.standard_normal((2 * K, 2))
    peaks = Peaks(keypoint, votes, rng.uniform(0.5, 1, 2 * K), told)
    chosen = grouped(peaks)
    assert (chosen >= 0).all()
    assert [set(animal[np.delete(row, 2)]) for row in chosen] in ([{0}, {1}], [{1}, {0}])
    assert len(grouped(peaks._replace(headings=None))) == 1


def test_a_heading_is_how_a_peak_lies_to_its_centre():
    shape = np.array([(2.0, 0.0), (-1.0, 0.5), (0.0, 0.0)])
    for angle in (0.0, 0.7, 3.0):
        turn = np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])
        told = headings(-0.3 * shape @ turn, shape)
        np.testing.assert_allclose(np.exp(1j * told[:2]), np.exp(1j * angle))
        assert np.isnan(told[2])


def test_the_surest_animals_come_first_and_are_kept():
    """F7: rows come by their score, and where there are too many, the weakest are left out."""
    votes = [(0, 0), (0, 0), (3, 0), (3, 0), (6, 0), (6, 0)]
    peaks = peaks_of(votes, [0.5, 0.5, 0.9, 0.9, 0.7, 0.7], [0, 1] * 3)
    assert grouped(peaks)[:, 0].tolist() == [2, 4, 0]
    assert grouped(peaks, most=2)[:, 0].tolist() == [2, 4]
