"""What a config can say about augmentation, and how it is refused."""

import pickle

import numpy as np
import pytest

from lp_core.errors import LPError
from lp_core.poses import Skeleton
from lp_data.augmentation.affine_effects import Affine, CropAndPad, HorizontalFlip, Rot90
from lp_data.augmentation.blur import Emboss, MotionBlur
from lp_data.augmentation.build import build_augmenter
from lp_data.augmentation.elastic import ElasticDeformation
from lp_data.augmentation.occlusion import CoarseDropout
from lp_data.augmentation.presets import PRESETS

NAMES = ["nose", "tail"]


def effects(spec):
    return build_augmenter(spec, Skeleton(tuple(NAMES))).effects


def refusal(spec):
    with pytest.raises(LPError) as caught:
        build_augmenter(spec, Skeleton(tuple(NAMES)))
    return str(caught.value)


@pytest.mark.parametrize("preset", sorted(PRESETS))
def test_preset_is_found_by_name(preset):
    assert effects(preset) == PRESETS[preset]


def test_unknown_preset_names_the_nearest():
    message = refusal("dlc-topdown")
    assert "unknown augmentation preset 'dlc-topdown'" in message
    assert "did you mean 'dlc-top-down'?" in message
    assert "dlc-lr" in message


def test_list_of_effects():
    spec = [
        {"name": "affine", "probability": 0.4, "rotation": [-25, 25]},
        {"name": "elastic", "alpha": [0, 20], "sigma": 4},
        {"name": "rot90", "turns": [0, 2]},
    ]
    assert effects(spec) == (
        Affine(probability=0.4, rotation=(-25, 25)),
        ElasticDeformation(alpha=(0, 20), sigma=4),
        Rot90(turns=(0, 2)),
    )


@pytest.mark.parametrize("kind", ["dlc", "dlc-lr", "dlc-top-down", "dlc-mv"])
def test_public_form_of_a_preset_gives_the_preset(kind):
    coarse = {"p": 0.01, "size_percent": [0.05, 0.1]}
    spec = {
        "Affine": {"p": 0.4, "kwargs": {"rotate": [-25, 25]}},
        "MotionBlur": {"p": 0.5, "kwargs": {"k": 5, "angle": [-90, 90]}},
        "CoarseDropout": {
            "p": 0.5,
            "kwargs": {"p": 0.02, "size_percent": 0.3, "per_channel": 0.5},
        },
        "CoarseSalt": {"p": 0.5, "kwargs": coarse},
        "CoarsePepper": {"p": 0.5, "kwargs": coarse},
        "ElasticTransformation": {"p": 0.5, "kwargs": {"alpha": [0, 10], "sigma": 5}},
        "AllChannelsHistogramEqualization": {"p": 0.1},
        "AllChannelsCLAHE": {"p": 0.1},
        "Emboss": {"p": 0.1, "kwargs": {"alpha": [0, 0.5], "strength": [0.5, 1.5]}},
        "CropAndPad": {"p": 0.4, "kwargs": {"percent": [-0.15, 0.15], "keep_size": False}},
    }
    turns = {"dlc-lr": [[0, 2]], "dlc-top-down": [[0, 1, 2, 3]]}.get(kind)
    if turns:
        spec = {"Rot90": {"p": 1.0, "kwargs": {"k": turns}}, **spec}
    if kind == "dlc-mv":
        for moving in ("Affine", "ElasticTransformation", "CropAndPad"):
            del spec[moving]
    assert effects(spec) == PRESETS[kind]


def test_public_form_takes_arguments_by_position_and_flips_with_their_own_probability():
    spec = {
        "Emboss": {"p": 0.3, "args": [[0, 1.0], 2.0]},
        "Fliplr": {"p": 0.5, "kwargs": {"p": 0.5}},
        "Rot90": {"kwargs": {"k": [1, 3]}},
        "CoarseDropout": {"kwargs": {"p": 0.1, "size_percent": 0.5, "per_channel": True}},
        "MotionBlur": None,
    }
    assert effects(spec) == (
        Emboss(probability=0.3, alpha=(0, 1.0), strength=2.0),
        HorizontalFlip(probability=0.25),
        Rot90(turns=(1, 2, 3)),
        CoarseDropout(fraction=0.1, resolution=0.5, per_channel=1.0),
        MotionBlur(),
    )


def test_empty_list_and_mapping_do_nothing():
    assert effects([]) == effects({}) == ()


def test_unknown_effect_names_the_nearest():
    message = refusal([{"name": "motion_blurr"}])
    assert "unknown augmentation 'motion_blurr'" in message
    assert "did you mean 'motion_blur'?" in message
    assert "crop_and_pad" in message


def test_unknown_imgaug_transform_lists_the_known_ones():
    message = refusal({"Affin": {"p": 1.0}})
    assert "unknown augmentation of imgaug 'Affin'" in message
    assert "did you mean 'Affine'?" in message
    assert "CoarseSalt" in message
    assert "'Snowflakes'" in refusal({"Snowflakes": {"p": 1.0}})


@pytest.mark.parametrize(
    ("spec", "parts"),
    [
        (
            [{"name": "affine", "rotate": [-5, 5]}],
            ["option 'rotate'", "did you mean 'rota"],
        ),
        ([{"name": "affine", "rotation": [5, -5]}], ["'rotation' is [5, -5]", "'affine'"]),
        ([{"name": "affine", "rotation": "wild"}], ["'rotation' is 'wild'", "a range"]),
        ([{"name": "affine", "rotation": [1, 2, 3]}], ["'rotation' is [1, 2, 3]"]),
        ([{"name": "affine", "scale": 0}], ["'scale' is 0", "0.01 to 100"]),
        ([{"name": "affine", "rotation": True}], ["'rotation' is True"]),
        ([{"name": "affine", "rotation": float("nan")}], ["'rotation' is nan"]),
        ([{"name": "emboss", "probability": 1.5}], ["'probability' is 1.5", "from 0 to 1"]),
        ([{"name": "motion_blur", "size": 4}], ["'size' is 4", "odd"]),
        ([{"name": "motion_blur", "size": "5"}], ["'size' is '5'", "expected int"]),
        ([{"name": "rot90", "turns": []}], ["'turns' is []"]),
        ([{"name": "rot90", "turns": [0.5]}], ["'turns' is [0.5]"]),
        ([{"name": "crop_and_pad", "amount": -0.6}], ["'amount' is -0.6"]),
        ([{"name": "clahe", "tiles": 0}], ["'tiles' is 0"]),
        ([{"name": "coarse_dropout", "fraction": 2}], ["'fraction' is 2"]),
        ([{"name": "coarse_dropout", "resolution": 0}], ["'resolution' is 0"]),
        ([{"name": "elastic", "sigma": 0}], ["'sigma' is 0"]),
        ([{"name": "shot_noise", "factor": -1}], ["'factor' is -1"]),
        ([{"name": "brightness_contrast", "contrast": -1}], ["'contrast' is -1"]),
        (["affine"], ["an augmentation is 'affine'", "{name: affine"]),
        ([{"probability": 0.5}], ["an augmentation is {'probability': 0.5}"]),
        ({"Affine": 0.4}, ["'Affine' is 0.4", "p, args and kwargs"]),
        ({"Affine": {"prob": 0.4}}, ["'Affine' is {'prob': 0.4}"]),
        ({"Affine": {"p": "often"}}, ["'p' of 'Affine'"]),
        ({"Affine": {"kwargs": [1]}}, ["'kwargs' is not a mapping"]),
        ({"Affine": {"kwargs": {"shear": 3}}}, ["argument 'shear' of 'Affine'", "known: scale"]),
        ({"Affine": {"kwargs": {"rotat": 3}}}, ["did you mean 'rotate'?"]),
        ({"CropAndPad": {"args": [5]}}, ["argument 'px' of 'CropAndPad'"]),
        ({"AllChannelsCLAHE": {"args": [1, 2, 3]}}, ["argument 3 of 'AllChannelsCLAHE'"]),
        ({"Affine": {"kwargs": {"scale": {"x": 1}}}}, ["'scale' is {'x': 1}"]),
        ({"Rot90": {"kwargs": {"k": "one"}}}, ["'turns' is"]),
    ],
)
def test_bad_options_are_refused_by_name(spec, parts):
    message = refusal(spec)
    for part in parts:
        assert part in message


def test_augmenter_survives_the_way_to_a_worker():
    augmenter = build_augmenter("dlc", Skeleton(("a_left", "a_right")), horizontal_flip=True)
    copy = pickle.loads(pickle.dumps(augmenter))
    images = np.random.default_rng(0).integers(0, 256, (1, 32, 32, 3), dtype=np.uint8)
    keypoints = np.array([[5.0, 6.0], [20.0, 21.0]])
    results = [a(images, keypoints, np.random.default_rng(3)) for a in (augmenter, copy)]
    np.testing.assert_array_equal(results[0].images, results[1].images)


PLUGIN = """
from dataclasses import dataclass
from lp_data.augmentation.effect import PhotometricEffect

@dataclass(frozen=True, kw_only=True)
class Invert(PhotometricEffect):
    top: int = 255
    def apply(self, images, rng):
        return self.top - images

class NoEffect:
    pass
"""


@pytest.fixture
def plugin(tmp_path, monkeypatch):
    """An installed distribution of somebody else's with an effect."""
    (tmp_path / "stranger_effects.py").write_text(PLUGIN)
    info = tmp_path / "stranger_effects-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: stranger-effects\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(
        "[lp.augmentations]\n"
        "invert = stranger_effects:Invert\n"
        "nothing = stranger_effects:NoEffect\n"
    )
    monkeypatch.syspath_prepend(tmp_path)


@pytest.mark.usefixtures("plugin")
def test_effect_of_another_distribution_is_used_by_name():
    augmenter = build_augmenter([{"name": "invert", "top": 250}], Skeleton(tuple(NAMES)))
    images = np.full((1, 8, 8, 3), 50, np.uint8)
    result = augmenter(images, np.zeros((2, 2)), np.random.default_rng(0))
    assert (result.images == 200).all()


@pytest.mark.usefixtures("plugin")
def test_plugin_that_is_no_effect_is_refused():
    assert "'nothing' is not an effect" in refusal([{"name": "nothing"}])


def test_crop_and_pad_range_is_that_of_the_preset():
    assert effects([{"name": "crop_and_pad"}]) == (CropAndPad(amount=(-0.15, 0.15)),)
