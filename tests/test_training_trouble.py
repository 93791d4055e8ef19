"""A training on a machine that is short of disk or memory."""

import resource
from contextlib import contextmanager

import pytest
import torch

from lp_core.memory import explained_memory_errors
from lp_pipeline.errors import TrainingError
from lp_pipeline.model import Model

LENGTH = ("training.max_epochs=2", "training.save_state_every_n_seconds=0")


@contextmanager
def files_end_at(size):
    """Refuse to write any file beyond ``size`` bytes, as a full disk does."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


@pytest.fixture
def train(litpose, config_file, tiny_training, tmp_path):
    def call(*overrides):
        settings = (*tiny_training, *LENGTH, *overrides)
        return litpose("train", config_file, "-o", tmp_path / "model", *settings)

    return call


@pytest.mark.slow
def test_a_disk_too_full_for_the_state_does_not_end_the_training(train, tmp_path):
    with files_end_at(2_500_000), pytest.warns(UserWarning, match="state cannot be written"):
        outcome = train()
    assert outcome.code == 0, outcome.err
    assert not list((tmp_path / "model" / "training_state").iterdir())
    assert Model.from_dir(tmp_path / "model").keypoint_names


def test_a_disk_too_full_for_the_weights_is_an_error_at_the_end(train, tmp_path):
    with files_end_at(700_000), pytest.warns(UserWarning, match="the training goes on"):
        outcome = train()
    assert outcome.code == 2
    assert "the model cannot be written" in outcome.err
    assert not (tmp_path / "model" / "model.safetensors").exists()


@pytest.mark.slow
def test_the_weights_of_epochs_are_kept(train, tmp_path, project):
    outcome = train("training.ckpt_every_n_epochs=1")
    assert outcome.code == 0, outcome.err
    folder = tmp_path / "model" / "checkpoints"
    assert sorted(path.name for path in folder.iterdir()) == ["epoch-0001", "epoch-0002"]
    first, second = (
        Model.from_dir(path).predict_video(project.test_video).keypoints
        for path in sorted(folder.iterdir())
    )
    assert not torch.equal(first, second)


def test_too_little_memory_names_what_to_lower():
    with (
        pytest.raises(TrainingError, match=r"memory of the computer(.|\n)*train_batch_size"),
        explained_memory_errors(TrainingError, "lower training.train_batch_size"),
    ):
        torch.empty(1 << 60, dtype=torch.uint8)


def test_other_errors_are_left_alone():
    with (
        pytest.raises(RuntimeError, match="shapes cannot be multiplied"),
        explained_memory_errors(TrainingError, "lower training.train_batch_size"),
    ):
        torch.ones(2, 3) @ torch.ones(2, 3)
