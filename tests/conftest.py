"""A tiny synthetic project, and the command line as a user calls it."""

import sys
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml

from lp_data.synthetic import SyntheticSettings, generate_project

TINY_TRAINING = (
    "data.image_resize_dims.height=64",
    "data.image_resize_dims.width=64",
    "model.backbone=resnet10t",
    "model.backbone_pretrained=false",
    "model.feature_stride=8",
    "training.train_batch_size=4",
    "training.max_epochs=1",
    "training.check_val_every_n_epoch=1",
    "training.num_workers=0",
    "training.unfreezing_epoch=0",
    "training.train_prob=0.7",
    "training.val_prob=0.2",
    "eval.predict_vids_after_training=false",
)


@dataclass(frozen=True)
class Outcome:
    """How a call of ``litpose`` ended."""

    code: int
    out: str
    err: str


@pytest.fixture(scope="session")
def tiny_training():
    """Overrides for a training that takes a second."""
    return TINY_TRAINING


@pytest.fixture
def litpose(monkeypatch, capsys):
    """Calls ``litpose`` with arguments, in this process."""
    from lp_pipeline.cli.main import main

    def call(*arguments):
        monkeypatch.setattr(sys, "argv", ["litpose", *map(str, arguments)])
        code = 0
        try:
            main()
        except SystemExit as stop:
            code = stop.code or 0
        captured = capsys.readouterr()
        return Outcome(code, captured.out, captured.err)

    return call


@pytest.fixture(scope="session")
def project(tmp_path_factory):
    """A synthetic project, not to be changed."""
    return generate_project(tmp_path_factory.mktemp("data") / "project", SyntheticSettings.tiny())


@pytest.fixture(scope="session")
def config_file(project, tmp_path_factory) -> Path:
    """A config for it."""
    path = tmp_path_factory.mktemp("config") / "config.yaml"
    content = {
        "data": {"data_dir": str(project.folder), "video_dir": "videos"},
        "model": {"model_type": "heatmap"},
    }
    path.write_text(yaml.safe_dump(content))
    return path


@pytest.fixture(scope="session")
def model_dir(config_file, tmp_path_factory) -> Path:
    """A tracker after one epoch, in its model directory, not to be changed."""
    from lp_pipeline.config.load import load_config
    from lp_pipeline.training.after import evaluate_training
    from lp_pipeline.training.run import train

    folder = tmp_path_factory.mktemp("models") / "model"
    loaded = load_config(config_file, TINY_TRAINING)
    setup = train(loaded, folder)
    evaluate_training(setup, loaded.config, folder)
    return folder
