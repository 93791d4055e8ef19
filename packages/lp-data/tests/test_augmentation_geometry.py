"""Pixels and keypoints move together, whatever the preset."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lp_core.poses import Skeleton
from lp_data.augmentation.affine_effects import Affine, CropAndPad, HorizontalFlip, Rot90
from lp_data.augmentation.build import build_augmenter
from lp_data.augmentation.composition import Composition, Geometry, move_keypoints, resample
from lp_data.augmentation.effect import Augmenter, ShiftField, WarpEffect
from lp_data.augmentation.elastic import ElasticDeformation
from lp_data.augmentation.presets import PRESETS

MOVING = ["dlc", "dlc-lr", "dlc-top-down", "clip"]
MARGIN = 12
"""px between a dot and the edge from which the dot is whole."""


def dot_image(x, y, size=(96, 112), sigma=2.0):
    """One frame, black but for a Gaussian dot.

    A warp bends the dot itself, and so moves its centre of mass: the less, the smaller the dot.
    """
    rows, columns = np.mgrid[: size[0], : size[1]]
    dot = 250 * np.exp(-((columns - x) ** 2 + (rows - y) ** 2) / (2 * sigma**2))
    return np.repeat(np.rint(dot).astype(np.uint8)[None, ..., None], 3, axis=-1)


def dot_place(image):
    """The centre of mass (x, y) of one frame."""
    weights = image[..., 0].astype(np.float64)
    rows, columns = np.mgrid[: image.shape[0], : image.shape[1]]
    return np.array([(columns * weights).sum(), (rows * weights).sum()]) / weights.sum()


def without_warps(augmenter):
    return replace(
        augmenter, effects=tuple(e for e in augmenter.effects if not isinstance(e, WarpEffect))
    )


def keypoint_at(x, y):
    return np.array([[x, y]], dtype=np.float64)


def assert_dot_is_at_keypoint(augmenter, x, y, seed, tolerance, sigma):
    images, size = dot_image(x, y, sigma=sigma), (96, 112)
    result = augmenter(images, keypoint_at(x, y), np.random.default_rng(seed))
    place = result.keypoints[0]
    whole = (place >= MARGIN).all() and (place < np.array(size[::-1]) - MARGIN).all()
    if whole:
        assert np.abs(dot_place(result.images[0]) - place).max() < tolerance
    return whole


places = st.tuples(st.floats(20, 90), st.floats(20, 75), st.integers(0, 2**32 - 1))


@pytest.mark.parametrize("preset", MOVING)
@given(place=places)
@settings(deadline=None, max_examples=60)
def test_dot_is_where_its_keypoint_says(preset, place):
    augmenter = build_augmenter(preset, Skeleton(("nose",))).geometric()
    assert_dot_is_at_keypoint(augmenter, *place, tolerance=0.25, sigma=1.5)


@pytest.mark.parametrize("preset", MOVING)
@given(place=places)
@settings(deadline=None, max_examples=60)
def test_affine_parts_are_exact(preset, place):
    augmenter = without_warps(build_augmenter(preset, Skeleton(("nose",))).geometric())
    assert_dot_is_at_keypoint(augmenter, *place, tolerance=0.05, sigma=2.0)


@given(place=places)
@settings(deadline=None, max_examples=40)
def test_all_geometry_at_once_is_one_move(place):
    augmenter = Composition(
        (
            Rot90(turns=(0, 1, 2, 3)),
            HorizontalFlip(probability=0.5),
            Affine(rotation=(-25, 25), scale=(0.8, 1.2), translation=(-0.1, 0.1)),
            ElasticDeformation(alpha=(10, 25), sigma=6.0),
            ElasticDeformation(alpha=(0, 10), sigma=5.0),
            CropAndPad(amount=(-0.1, 0.15)),
        ),
        np.array([0]),
    )
    assert_dot_is_at_keypoint(augmenter, *place, tolerance=0.25, sigma=1.2)


def test_enough_dots_stay_whole_to_be_looked_at():
    augmenter = build_augmenter("dlc-top-down", Skeleton(("nose",))).geometric()
    looked_at = [
        assert_dot_is_at_keypoint(augmenter, 30.0 + seed, 40.0, seed, 0.25, 1.5)
        for seed in range(50)
    ]
    assert sum(looked_at) > 35


@pytest.mark.parametrize("preset", MOVING)
def test_matrix_is_the_affine_part_of_the_move(preset):
    augmenter = without_warps(build_augmenter(preset, Skeleton(("nose",))).geometric())
    for seed in range(20):
        keypoints = np.array([[40.0, 41.0], [60.5, 50.25]])
        result = augmenter(dot_image(40, 41), keypoints, np.random.default_rng(seed))
        expected = keypoints @ result.matrix[:, :2].T + result.matrix[:, 2]
        np.testing.assert_allclose(result.keypoints, expected, atol=1e-9)


def test_elastic_shifts_have_the_stated_size_and_stay_out_of_the_matrix():
    augmenter = Composition((ElasticDeformation(alpha=10.0, sigma=5.0),))
    keypoints = np.stack(np.meshgrid(np.arange(8.0, 248, 8), np.arange(8.0, 248, 8)), -1)
    keypoints = keypoints.reshape(-1, 2)
    result = augmenter(np.zeros((1, 256, 256, 3), np.uint8), keypoints, np.random.default_rng(0))
    np.testing.assert_array_equal(result.matrix, np.eye(2, 3))
    shifts = result.keypoints - keypoints
    assert shifts.std() == pytest.approx(10 / (5 * np.sqrt(12 * np.pi)), rel=0.12)
    assert np.abs(shifts).max() < 2


def test_keypoint_that_leaves_the_image_becomes_missing():
    augmenter = Composition((CropAndPad(amount=-0.2),))
    keypoints = np.array([[5.0, 40.0], [50.0, 50.0], [95.0, 40.0], [50.0, 4.0], [np.nan, np.nan]])
    images = np.zeros((1, 100, 100, 3), np.uint8)
    moved = augmenter(images, keypoints, np.random.default_rng(0)).keypoints
    assert np.isnan(moved).all(axis=1).tolist() == [True, False, True, True, True]


@given(seed=st.integers(0, 2**32 - 1), preset=st.sampled_from(MOVING))
@settings(deadline=None, max_examples=60)
def test_no_keypoint_is_left_outside_or_clamped_to_the_edge(seed, preset):
    rng = np.random.default_rng(seed)
    keypoints = rng.uniform(0, 63, (40, 2)).astype(np.float32)
    keypoints[::7] = np.nan
    augmenter = build_augmenter(preset, Skeleton(tuple(f"k{k}" for k in range(40)))).geometric()
    moved = augmenter(np.zeros((1, 64, 64, 3), np.uint8), keypoints, rng).keypoints
    assert moved.dtype == np.float32
    assert np.isnan(moved[::7]).all()
    known = moved[~np.isnan(moved).any(axis=1)]
    assert ((known >= -0.5) & (known <= 63.5)).all()
    assert len(np.unique(known, axis=0)) == len(known)


@pytest.mark.parametrize("preset", ["dlc", "dlc-top-down", "dlc-mv"])
def test_all_frames_of_a_context_window_get_the_same(preset):
    augmenter = build_augmenter(preset, Skeleton(("nose",)))
    frame = np.random.default_rng(1).integers(0, 256, (1, 64, 80, 3), dtype=np.uint8)
    for seed in range(30):
        result = augmenter(
            np.repeat(frame, 5, axis=0), keypoint_at(30, 30), np.random.default_rng(seed)
        )
        assert (result.images == result.images[:1]).all()


def test_a_clip_shares_its_geometry_and_brightness_but_not_its_noise():
    augmenter = build_augmenter("clip", Skeleton(("nose",)))
    frames = np.repeat(dot_image(40, 40), 6, axis=0)
    for seed in range(10):
        rng = np.random.default_rng(seed)
        result = augmenter.geometric()(frames, keypoint_at(40, 40), rng)
        assert (result.images == result.images[:1]).all()
        noisy = augmenter(frames + 50, keypoint_at(40, 40), np.random.default_rng(seed)).images
        assert (noisy[0] != noisy[1]).any()
        means = noisy.mean(axis=(1, 2, 3))
        assert np.ptp(means) < 1.0


@pytest.mark.parametrize("preset", sorted(PRESETS))
def test_presets_keep_type_and_size_and_leave_their_input_alone(preset):
    augmenter = build_augmenter(preset, Skeleton(("a", "b")), horizontal_flip=True)
    assert isinstance(augmenter, Augmenter)
    images = np.random.default_rng(1).integers(0, 256, (2, 48, 64, 3), dtype=np.uint8)
    keypoints = np.array([[10, 20], [30, 40]], dtype=np.float32)
    before = images.copy(), keypoints.copy()
    for seed in range(20):
        result = augmenter(images, keypoints, np.random.default_rng(seed))
        assert result.images.shape == images.shape
        assert result.images.dtype == np.uint8
        assert result.keypoints.shape == (2, 2)
    np.testing.assert_array_equal(images, before[0])
    np.testing.assert_array_equal(keypoints, before[1])


@pytest.mark.parametrize("preset", ["default", "none"])
def test_default_changes_nothing(preset):
    images = np.random.default_rng(1).integers(0, 256, (1, 48, 64, 3), dtype=np.uint8)
    keypoints = np.array([[-3.0, 10.0], [70.0, 50.0]])
    result = build_augmenter(preset, Skeleton(("a", "b")))(
        images, keypoints, np.random.default_rng(0)
    )
    np.testing.assert_array_equal(result.images, images)
    np.testing.assert_array_equal(result.keypoints, keypoints)
    np.testing.assert_array_equal(result.matrix, np.eye(2, 3))


@pytest.mark.parametrize("preset", ["dlc-top-down", "clip"])
def test_same_seed_gives_the_same_result(preset):
    augmenter = build_augmenter(preset, Skeleton(("nose_left", "nose_right")), horizontal_flip=True)
    images = np.random.default_rng(1).integers(0, 256, (2, 64, 64, 3), dtype=np.uint8)
    keypoints = np.array([[10.0, 20.0], [30.0, 40.0]])
    first, second, other = (
        augmenter(images, keypoints, np.random.default_rng(seed)) for seed in (5, 5, 6)
    )
    np.testing.assert_array_equal(first.images, second.images)
    np.testing.assert_array_equal(first.keypoints, second.keypoints)
    assert (first.images != other.images).any()


def _stretch(factor, size=64):
    """A field whose shift grows evenly from the middle."""
    offsets = np.stack(np.meshgrid(np.arange(size), np.arange(size)), -1) - (size - 1) / 2
    return Geometry(np.eye(2, 3), ShiftField((factor * offsets).astype(np.float32)))


def test_keypoint_is_found_where_an_even_stretch_puts_it():
    moved = move_keypoints(np.array([[31.5 + 13, 31.5]]), _stretch(0.3), (64, 64))
    np.testing.assert_allclose(moved, [[31.5 + 10, 31.5]], atol=0.02)
    image = resample(dot_image(31.5 + 13, 31.5, (64, 64)), _stretch(0.3))
    np.testing.assert_allclose(dot_place(image[0]), [31.5 + 10, 31.5], atol=0.05)


def test_keypoint_without_one_place_becomes_missing():
    # the shift turns the image inside out, faster than any place can settle
    moved = move_keypoints(np.array([[40.0, 40.0]]), _stretch(-1.5), (64, 64))
    assert np.isnan(moved).all()


def test_coarse_nodes_mean_the_same_as_a_shift_for_every_pixel():
    nodes = np.random.default_rng(0).normal(size=(8, 8, 2)).astype(np.float32)
    coarse = Geometry(np.eye(2, 3), ShiftField(nodes, 8))
    centres = (np.arange(8) + 0.5) * 8 - 0.5
    pixels = np.arange(64)
    fine = np.empty((64, 64, 2), np.float32)
    for axis in range(2):
        along = np.array([np.interp(pixels, centres, row) for row in nodes[..., axis]])
        fine[..., axis] = np.array([np.interp(pixels, centres, column) for column in along.T]).T
    image = dot_image(30, 33, (64, 64))
    expected = resample(image, Geometry(np.eye(2, 3), ShiftField(fine)))
    assert np.abs(resample(image, coarse).astype(int) - expected).max() <= 1
