"""Which devices a training runs on, by what the config says and what there is."""

import pytest

from lp_pipeline.builders.devices import training_devices
from lp_pipeline.config.load import load_config
from lp_pipeline.config.schema import TrainingConfig
from lp_pipeline.errors import ConfigError


@pytest.mark.parametrize(
    ("asked", "gpus", "expected"),
    [
        ({}, 8, ("gpu", 1, 1)),  # one of eight, as the config says, and not all
        ({"num_gpus": 2}, 8, ("gpu", 2, 2)),
        ({"num_gpus": 8}, 2, ("gpu", 2, 2)),
        ({"num_gpus": 2}, 0, ("auto", "auto", 1)),
        ({"num_gpus": 0}, 2, ("cpu", "auto", 1)),
        ({"num_gpus": 2, "accelerator": "cpu"}, 2, ("cpu", "auto", 1)),
        ({"num_gpus": 2, "devices": [1]}, 2, ("auto", [1], 1)),
        ({"devices": 3, "accelerator": "cpu"}, 0, ("cpu", 3, 3)),
    ],
)
def test_the_number_of_gpus_is_obeyed_as_far_as_there_are_any(asked, gpus, expected):
    found = training_devices(TrainingConfig(**asked), gpus=gpus)
    assert (found.accelerator, found.devices, found.count) == expected


@pytest.mark.parametrize(
    ("settings", "gpus", "note"),
    [
        (("training.num_gpus=4",), 0, "there is no CUDA device"),
        (("training.num_gpus=4",), 2, "this machine has 2 CUDA devices: all are used"),
        (("training.num_gpus=2", "training.devices=[1]"), 2, "training.devices says"),
        (("training.num_gpus=2",), 2, None),
        (("training.num_gpus=0",), 0, None),
    ],
)
def test_a_number_of_gpus_that_cannot_be_had_is_noted(tmp_path, monkeypatch, settings, gpus, note):
    monkeypatch.setattr("torch.cuda.device_count", lambda: gpus)
    (tmp_path / "c.yaml").write_text("data: {}\n")
    notes = " ".join(load_config(tmp_path / "c.yaml", settings).notes)
    assert (note in notes) if note else not notes


def test_no_gpu_and_a_gpu_contradict_each_other(tmp_path):
    (tmp_path / "c.yaml").write_text("training: {num_gpus: 0, accelerator: gpu}\n")
    with pytest.raises(ConfigError, match="accelerator is gpu"):
        load_config(tmp_path / "c.yaml")
