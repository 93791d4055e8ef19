"""A mirror image swaps the names of left and right."""

import logging

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lp_core.errors import PoseError
from lp_core.poses import Skeleton
from lp_data.augmentation.affine_effects import HorizontalFlip, VerticalFlip
from lp_data.augmentation.build import build_augmenter
from lp_data.augmentation.composition import Composition
from lp_data.errors import AugmentationError


def swaps_of(names):
    return Skeleton(tuple(names)).with_sides_by_name().mirror_permutation


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (["nose", "paw_left", "paw_right"], [0, 2, 1]),
        (["left_ear", "tail", "right_ear"], [2, 1, 0]),
        (["EyeLeft", "EyeRight", "bright_spot"], [1, 0, 2]),
        (["PAW_LEFT", "PAW_RIGHT", "paw_left", "paw_right"], [1, 0, 3, 2]),
        (["left+", "left-", "right-", "right+"], [3, 2, 1, 0]),
        (["нос", "хвост", "лапа_left", "лапа_right"], [0, 1, 3, 2]),
        (["鼻", "尾", "αLeft", "αRight"], [0, 1, 3, 2]),
        (["nose", "Nose", "eye+", "eye-", "x1", "x 1"], [0, 1, 2, 3, 4, 5]),
        (["paw_left_top", "paw_right_bot", "paw_right_top", "paw_left_bot"], [2, 3, 0, 1]),
        ([], []),
    ],
)
def test_names_pair_up(names, expected):
    assert swaps_of(names).tolist() == expected


def test_name_without_partner_is_refused_by_name():
    with pytest.raises(PoseError, match=r"no left-right partner for 'paw_left', 'ear_right'"):
        swaps_of(["paw_left", "nose", "ear_right"])


def test_two_partners_that_nothing_tells_apart_are_refused():
    with pytest.raises(PoseError, match="no left-right partner for 'paw_left'"):
        swaps_of(["paw_left", "Paw-Right", "PawRight"])


SIGNS = st.sampled_from(["left", "Right", "LEFT", "right", "_", " ", "+", "нос", "鼻", "Eye", "1"])


@given(st.lists(st.lists(SIGNS, min_size=1).map("".join), unique=True))
def test_whatever_the_names_a_flip_is_undone_by_a_flip_or_refused(names):
    try:
        swaps = swaps_of(names)
    except PoseError:
        return
    assert swaps[swaps].tolist() == list(range(len(names)))


def test_flip_is_refused_when_it_is_asked_for_and_only_then():
    names = ["paw_left", "nose"]
    build_augmenter("dlc", Skeleton(tuple(names)))
    with pytest.raises(AugmentationError, match="paw_left"):
        build_augmenter("dlc", Skeleton(tuple(names)), horizontal_flip=True)
    with pytest.raises(AugmentationError, match="paw_left"):
        build_augmenter([{"name": "vertical_flip"}], Skeleton(tuple(names)))


def test_flip_without_sides_is_said_in_the_log(caplog):
    with caplog.at_level(logging.WARNING):
        build_augmenter("default", Skeleton(("nose", "L_ear", "R_ear")), horizontal_flip=True)
    assert "swaps no names" in caplog.text


def test_mirrored_animal_has_its_left_on_the_other_side():
    # a bright left paw at x = 10, a dim right paw at x = 50
    images = np.zeros((1, 40, 64, 3), np.uint8)
    images[0, 20, 10], images[0, 20, 50] = 255, 100
    keypoints = np.array([[10.0, 20.0], [50.0, 20.0], [np.nan, np.nan]])
    names = ["paw_left", "paw_right", "nose"]
    flip = Composition((HorizontalFlip(),), swaps_of(names))
    result = flip(images, keypoints, np.random.default_rng(0))
    np.testing.assert_array_equal(result.images, images[:, :, ::-1])
    # what was the left paw is, in the mirror, a right paw at x = 53
    np.testing.assert_allclose(result.keypoints[:2], [[13, 20], [53, 20]])
    assert np.isnan(result.keypoints[2]).all()
    assert result.permutation.tolist() == [1, 0, 2]
    np.testing.assert_allclose(result.matrix, [[-1, 0, 63], [0, 1, 0]])


def test_flip_happens_to_half_of_the_images():
    augmenter = build_augmenter("default", Skeleton(("a_left", "a_right")), horizontal_flip=True)
    rng = np.random.default_rng(0)
    images, keypoints = np.zeros((1, 8, 8, 3), np.uint8), np.array([[1.0, 2.0], [5.0, 2.0]])
    flipped = [augmenter(images, keypoints, rng).permutation is not None for _ in range(600)]
    assert abs(np.mean(flipped) - 0.5) < 0.08


def test_two_flips_are_a_turn_and_swap_nothing():
    both = Composition((HorizontalFlip(), VerticalFlip()), np.array([1, 0]))
    images, keypoints = np.zeros((1, 8, 10, 3), np.uint8), np.array([[1.0, 2.0], [5.0, 3.0]])
    result = both(images, keypoints, np.random.default_rng(0))
    assert result.permutation is None
    np.testing.assert_allclose(result.keypoints, [[8, 5], [4, 4]])


def test_clip_without_labels_says_that_its_names_swap():
    augmenter = Composition((HorizontalFlip(),), np.array([1, 0]))
    frames = np.zeros((4, 8, 8, 3), np.uint8)
    result = augmenter(frames, np.empty((0, 2)), np.random.default_rng(0))
    assert result.permutation.tolist() == [1, 0]
    assert result.keypoints.shape == (0, 2)
