"""Each effect does what its name says."""

from dataclasses import replace

import numpy as np
import pytest

from lp_data.augmentation.affine_effects import Affine, CropAndPad, Rot90, VerticalFlip
from lp_data.augmentation.blur import Emboss, MotionBlur, line_kernel, relief_kernel
from lp_data.augmentation.composition import Composition
from lp_data.augmentation.effect import PhotometricEffect
from lp_data.augmentation.elastic import ElasticDeformation, smooth_noise
from lp_data.augmentation.intensity import (
    CLAHE,
    BrightnessContrast,
    HistogramEqualization,
    ShotNoise,
)
from lp_data.augmentation.occlusion import CoarseDropout, CoarsePepper, CoarseSalt
from lp_data.augmentation.presets import PRESETS

NO_KEYPOINTS = np.empty((0, 2))
PHOTOMETRIC = [
    *(e for e in PRESETS["dlc"] if isinstance(e, PhotometricEffect)),
    *(e for e in PRESETS["clip"] if isinstance(e, PhotometricEffect)),
]


def texture(seed=0, size=(48, 48), channels=3, frames=1):
    """Frames of smooth random texture."""
    rng = np.random.default_rng(seed)
    return rng.integers(20, 236, (frames, *size, channels), dtype=np.uint8)


def augment(effect, images, seed=0):
    return Composition((effect,))(images, NO_KEYPOINTS, np.random.default_rng(seed)).images


def test_presets_have_the_effects_and_probabilities_of_lightning_pose():
    probabilities = {type(effect): effect.probability for effect in PRESETS["dlc"]}
    assert probabilities == {
        Affine: 0.4,
        MotionBlur: 0.5,
        CoarseDropout: 0.5,
        CoarseSalt: 0.5,
        CoarsePepper: 0.5,
        ElasticDeformation: 0.5,
        HistogramEqualization: 0.1,
        CLAHE: 0.1,
        Emboss: 0.1,
        CropAndPad: 0.4,
    }
    assert PRESETS["dlc-lr"][0] == Rot90(turns=(0, 2))
    assert PRESETS["dlc-top-down"][0] == Rot90(turns=(0, 1, 2, 3))
    assert PRESETS["dlc-lr"][1:] == PRESETS["dlc-top-down"][1:] == PRESETS["dlc"]


@pytest.mark.parametrize("effect", PRESETS["dlc"], ids=lambda effect: type(effect).__name__)
def test_effect_happens_as_often_as_its_probability(effect):
    if isinstance(effect, CoarseSalt | CoarsePepper):
        effect = replace(effect, fraction=1.0)
    images, draws = texture(size=(32, 32)), 400
    composition = Composition((effect,))
    rng = np.random.default_rng(0)
    changed = sum(
        bool((composition(images, NO_KEYPOINTS, rng).images != images).any()) for _ in range(draws)
    )
    deviation = np.sqrt(effect.probability * (1 - effect.probability) / draws)
    assert abs(changed / draws - effect.probability) < 4 * deviation


def test_effects_of_a_composition_happen_independently():
    flips = Composition((VerticalFlip(probability=0.5), Affine(probability=0.5, translation=0.1)))
    rng, counts = np.random.default_rng(0), {}
    for _ in range(800):
        matrix = flips(texture(size=(10, 10)), NO_KEYPOINTS, rng).matrix
        key = (bool(matrix[1, 1] < 0), bool(matrix[0, 2] != 0))
        counts[key] = counts.get(key, 0) + 1
    assert len(counts) == 4
    assert all(abs(count / 800 - 0.25) < 0.07 for count in counts.values())


@pytest.mark.parametrize("turns", range(4))
def test_rot90_is_an_exact_clockwise_turn(turns):
    images = texture(size=(32, 32))
    expected = np.rot90(images[0], -turns)
    np.testing.assert_array_equal(augment(Rot90(turns=(turns,)), images)[0], expected)


def test_rot90_chooses_every_number_of_turns():
    rng, seen = np.random.default_rng(0), set()
    for _ in range(100):
        seen.add(tuple(Rot90(turns=(0, 1, 3)).matrix((10, 10), rng)[:, :2].flatten().tolist()))
    assert len(seen) == 3


def test_rot90_of_an_oblong_image_keeps_its_size_and_its_corners():
    images = np.zeros((1, 20, 40, 3), np.uint8)
    images[0, :10, :20] = 200  # top left goes to top right
    turned = augment(Rot90(turns=(1,)), images)[0]
    assert turned.shape == (20, 40, 3)
    assert turned[4, 30].tolist() == [200] * 3
    assert turned[4, 10].tolist() == turned[15, 30].tolist() == [0] * 3


def test_positive_rotation_is_clockwise_about_the_middle():
    images = np.zeros((1, 41, 41, 3), np.uint8)
    images[0, 20, 30:40] = 255  # to the right of the middle
    turned = augment(Affine(rotation=90.0), images)[0]
    assert turned[35, 20, 0] > 200
    assert turned[5, 20, 0] == 0


def test_scale_keeps_the_middle():
    matrix = Affine(scale=2.0).matrix((10, 20), np.random.default_rng(0)).numpy()
    np.testing.assert_allclose(matrix @ [9.5, 4.5, 1], [9.5, 4.5])
    np.testing.assert_allclose(matrix @ [10.5, 4.5, 1], [11.5, 4.5])


def test_crop_takes_the_edges_away_and_pad_adds_black_ones():
    images = np.full((1, 40, 40, 3), 200, np.uint8)
    images[:, 4:36, 4:36] = 100
    assert (augment(CropAndPad(amount=-0.1), images)[:, 1:-1, 1:-1] == 100).all()
    padded = augment(CropAndPad(amount=0.5), images)[0]
    assert (padded[:9] == 0).all()
    assert (padded[:, 31:] == 0).all()
    assert (padded[14:26, 14:26] == 100).all()


def test_crop_moves_each_side_by_its_own_amount():
    matrix = CropAndPad(amount=(-0.15, 0.15)).matrix((100, 100), np.random.default_rng(3)).numpy()
    edges = matrix @ np.array([[-0.5, 99.5], [-0.5, 99.5], [1, 1]])
    assert len({round(value, 6) for value in np.abs(edges - 49.5).flatten()}) == 4


def test_elastic_field_has_the_stated_deviation_and_width():
    noise = smooth_noise((300, 300), 1.25, np.random.default_rng(0))
    assert abs(noise.mean()) < 0.05
    assert noise.std() == pytest.approx(1.0, abs=0.03)
    border, middle = noise[:3].std(), noise[100:200].std()
    assert border == pytest.approx(middle, abs=0.15)
    # a blur of standard deviation s gives a correlation of exp(-d² / (4 s²)) at distance d
    correlation = (noise[:, 2:] * noise[:, :-2]).mean()
    assert correlation == pytest.approx(np.exp(-4 / (4 * 1.25**2)), abs=0.05)


@pytest.mark.parametrize("degrees", [-90, -30, 0, 12.5, 45, 90])
def test_motion_blur_keeps_brightness_and_place(degrees):
    kernel = line_kernel(5, degrees)
    assert kernel.sum() == pytest.approx(1.0)
    np.testing.assert_allclose(kernel, kernel[::-1, ::-1], atol=1e-6)


def test_motion_blur_follows_its_angle():
    np.testing.assert_allclose(line_kernel(5, 0)[2], 0.2, atol=1e-6)
    np.testing.assert_allclose(line_kernel(5, 90)[:, 2], 0.2, atol=1e-6)
    assert line_kernel(5, 45)[3, 3] > 0.1 > line_kernel(5, 45)[1, 3]


def test_emboss_keeps_even_areas_and_lights_edges_from_the_top_left():
    assert relief_kernel(0.5, 1.5).sum() == pytest.approx(1.0)
    images = np.full((1, 20, 20, 3), 80, np.uint8)
    images[:, 8:12, 8:12] = 120
    relief = augment(Emboss(alpha=0.5, strength=1.0), images)[0, ..., 0]
    assert relief[2, 2] == 80
    assert relief[7, 7] == 120
    assert relief[12, 12] == 40


def test_dropout_blackens_its_share_in_small_squares():
    images = np.full((1, 100, 100, 3), 200, np.uint8)
    dropped = augment(CoarseDropout(fraction=0.2, resolution=0.25, per_channel=0.0), images)[0]
    assert set(np.unique(dropped)) == {0, 200}
    assert (dropped == dropped[..., :1]).all()
    assert (dropped == 0).mean() == pytest.approx(0.2, abs=0.07)
    blocks = dropped[..., 0].reshape(25, 4, 25, 4)
    assert (blocks == blocks[:, :1, :, :1]).all()


def test_dropout_per_channel_hits_each_channel_by_itself():
    images = np.full((1, 100, 100, 3), 200, np.uint8)
    dropped = augment(CoarseDropout(fraction=0.2, resolution=0.25, per_channel=1.0), images)[0]
    assert (dropped != dropped[..., :1]).any()
    np.testing.assert_allclose((dropped == 0).mean(axis=(0, 1)), 0.2, atol=0.08)


@pytest.mark.parametrize(
    ("effect", "low", "high"),
    [(CoarseSalt(fraction=0.1), 128, 255), (CoarsePepper(fraction=0.1), 0, 127)],
)
def test_salt_is_bright_and_pepper_dark_in_coarse_cells(effect, low, high):
    images = np.full((1, 200, 200, 3), 60 if low else 190, np.uint8)
    fractions = []
    for seed in range(20):
        result = augment(effect, images, seed)
        hit = result[result != images]
        assert low <= hit.min() <= hit.max() <= high
        assert (result == result[..., :1]).all()
        fractions.append(hit.size / result.size)
    assert np.mean(fractions) == pytest.approx(0.1, abs=0.04)
    extreme = np.abs(hit.astype(int) - (255 if low else 0)) < 32
    assert extreme.mean() > 0.4  # a Beta(1/2, 1/2) is mostly at its ends


def test_histogram_equalization_spreads_a_narrow_range():
    images = np.tile(np.arange(100, 148, dtype=np.uint8)[:, None, None], (1, 1, 48, 3))
    result = augment(HistogramEqualization(), images)
    assert result.min() == 0
    assert result.max() == 255
    assert (np.diff(result[0, :, 0, 0].astype(int)) > 0).all()


def test_clahe_raises_local_contrast():
    images = (120 + texture(size=(64, 64)) // 40).astype(np.uint8)
    assert augment(CLAHE(clip_limit=8.0, tiles=4), images).std() > 3 * images.std()


def test_brightness_and_contrast_are_factors():
    images = np.array([0, 100, 128, 200, 255], np.uint8).reshape(1, 1, 5, 1).repeat(3, axis=-1)
    effect = BrightnessContrast(brightness=1.0, contrast=0.5)
    assert augment(effect, images)[0, 0, :, 0].tolist() == [64, 114, 128, 164, 191]
    effect = BrightnessContrast(brightness=1.5, contrast=1.0)
    assert augment(effect, images)[0, 0, :, 0].tolist() == [0, 150, 192, 255, 255]


@pytest.mark.parametrize("level", [20, 60, 150])
@pytest.mark.parametrize("factor", [2.0, 9.0])
def test_shot_noise_has_the_mean_and_variance_of_photons(level, factor):
    images = np.full((2, 150, 150, 3), level, np.uint8)
    noisy = augment(ShotNoise(factor=factor), images).astype(float)
    assert noisy.mean() == pytest.approx(level, abs=0.5)
    assert noisy.var() == pytest.approx(factor * level, rel=0.12)
    assert (noisy[0] != noisy[1]).any()


def test_no_photon_noise_at_factor_zero():
    images = texture()
    np.testing.assert_array_equal(augment(ShotNoise(factor=0.0), images), images)


@pytest.mark.parametrize("effect", PHOTOMETRIC, ids=lambda effect: type(effect).__name__)
@pytest.mark.parametrize("frames", [1, 3])
def test_one_gray_channel_gives_what_three_equal_ones_give(effect, frames):
    gray = texture(channels=1, frames=frames)
    for seed in range(6):
        one = effect.apply(gray, np.random.default_rng(seed))
        three = effect.apply(gray.repeat(3, axis=-1), np.random.default_rng(seed))
        np.testing.assert_array_equal(np.broadcast_to(one, three.shape), three)


@pytest.mark.parametrize("effect", PRESETS["dlc"], ids=lambda effect: type(effect).__name__)
def test_gray_and_colour_frames_are_treated_alike(effect):
    effect = replace(effect, probability=1.0)
    if isinstance(effect, CoarseDropout):
        effect = replace(effect, per_channel=0.0)
    gray = texture(channels=1).repeat(3, axis=-1)
    coloured = gray.copy()
    coloured[..., 2] = 255 - gray[..., 2]
    np.testing.assert_array_equal(augment(effect, gray)[..., 0], augment(effect, coloured)[..., 0])


@pytest.mark.parametrize("channel", range(3))
def test_one_coloured_pixel_is_kept(channel):
    images = np.full((2, 20, 30, 3), 90, np.uint8)
    images[1, 15, 20, channel] = 200
    np.testing.assert_array_equal(augment(VerticalFlip(), images), images[:, ::-1])
