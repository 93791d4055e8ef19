"""``model.checkpoint``: a training that starts from the weights of another model."""

import shutil

import pytest
import torch
from safetensors.torch import load_file

from lp_io.checkpoint import read_manifest
from lp_pipeline.config.load import load_config
from lp_pipeline.training.setup import set_up


@pytest.fixture
def settings(config_file, tiny_training):
    """Loads the config of the trained model, with another seed and further settings."""

    def load(*overrides):
        return load_config(
            config_file,
            (*tiny_training, "training.rng_seed_model_pt=5", *overrides),
            check_paths=True,
        )

    return load


@pytest.fixture
def forms(model_dir, tmp_path):
    """The trained weights as a model directory, as its file, and as a file by itself."""
    alone = tmp_path / "alone.safetensors"
    shutil.copyfile(model_dir / "model.safetensors", alone)
    return (model_dir, model_dir / "model.safetensors", alone)


def own_weights(tracker):
    return {n: v for n, v in tracker.state_dict().items() if not n.startswith("losses.")}


def test_a_training_starts_from_the_weights_of_a_model(settings, model_dir, forms):
    trained = load_file(model_dir / "model.safetensors")
    for checkpoint in forms:
        setup = set_up(settings(f"model.checkpoint={checkpoint}").config)
        for name, value in own_weights(setup.tracker).items():
            assert torch.equal(value, trained[name]), (checkpoint, name)
        assert "left out" not in " ".join(setup.notes)
    fresh = own_weights(set_up(settings().config).tracker)
    assert any(not torch.equal(value, trained[name]) for name, value in fresh.items())


def test_a_semi_supervised_training_starts_from_a_supervised_model(settings, model_dir):
    trained = load_file(model_dir / "model.safetensors")
    semi = ("model.losses_to_use=[temporal]", "dali.base.train.sequence_length=4")
    tracker = set_up(settings(*semi, f"model.checkpoint={model_dir}").config).tracker
    assert torch.equal(
        tracker.state_dict()["head.upsampling_layers.1.weight"],
        trained["head.upsampling_layers.1.weight"],
    )


def test_a_head_of_other_size_is_left_out_and_told(litpose, config_file, model_dir, tiny_training):
    names = read_manifest(model_dir).keypoint_names[:3]
    fewer = ("data.num_keypoints=null", f"data.keypoint_names=[{','.join(names)}]")
    outcome = litpose(
        "config", "check", config_file, *tiny_training, *fewer, f"model.checkpoint={model_dir}"
    )
    assert outcome.code == 0, outcome.err
    assert f"starting from the weights of {model_dir}" in outcome.out
    assert "left out" in outcome.out
    assert "head." in outcome.out
    assert "starts from random weights" in outcome.out


def test_weights_of_another_backbone_are_refused(litpose, config_file, model_dir, tiny_training):
    outcome = litpose(
        "config", "check", config_file, *tiny_training, "model.backbone=resnet18",
        f"model.checkpoint={model_dir}",
    )  # fmt: skip
    assert outcome.code == 2
    assert "the backbone" in outcome.err
    assert "resnet10t" in outcome.err
    assert "model.backbone" in outcome.err


def test_a_training_goes_on_from_its_own_state_when_resumed(
    litpose, config_file, model_dir, tiny_training, tmp_path
):
    first, out = tmp_path / "first", tmp_path / "out"
    shutil.copytree(model_dir, first)
    outcome = litpose(
        "train", config_file, *tiny_training, f"model.checkpoint={first}", "-o", out,
        "training.optimizer_params.learning_rate=1e-9",
    )  # fmt: skip
    assert outcome.code == 0, outcome.err
    assert f"starting from the weights of {first}" in outcome.out
    tuned, trained = (load_file(folder / "model.safetensors") for folder in (out, first))
    name = "head.upsampling_layers.1.weight"
    torch.testing.assert_close(tuned[name], trained[name], rtol=0, atol=1e-6)
    shutil.rmtree(first)  # what a training started from need not be there to go on with it
    outcome = litpose("train", "--resume", out, "training.max_epochs=2")
    assert outcome.code == 0, outcome.err


@pytest.mark.parametrize("what", ["absent", "folder", "text"])
def test_what_is_no_checkpoint_is_told(litpose, config_file, tiny_training, tmp_path, what):
    place = tmp_path / "thing"
    if what == "folder":
        place.mkdir()
    elif what == "text":
        place.write_text("not weights")
    outcome = litpose("config", "check", config_file, *tiny_training, f"model.checkpoint={place}")
    assert outcome.code == 2
    assert "Traceback" not in outcome.err
    assert str(place) in outcome.err
    assert "model.checkpoint" in outcome.err
