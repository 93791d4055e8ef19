"""A tiny synthetic project, the command line as a user calls it, and fresh environments."""

import os
import shutil
import subprocess
import sys
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml

from lp_synthetic import SyntheticSettings, generate_project

ROOT = Path(__file__).parents[1]
UV = shutil.which("uv") or str(ROOT / ".tools" / "bin" / "uv")

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
def same_bytes_after_ctrl_c(tmp_path):
    """Predicts a video whole, and stopped at a frame and gone on with, and compares the tables."""
    from lp_analysis.prediction.videos import VideoPredictor
    from lp_core.display import SILENT, Display
    from lp_pipeline.model import Model

    class StopsAtFrame(Display):
        @contextmanager
        def task(self, name, total):
            def update(done):
                if done >= 8:
                    raise KeyboardInterrupt

            yield update

    def predicted(model_dir, video, table, display=SILENT, resume=False):
        model = Model.from_dir(model_dir, chunk=4)
        predictor = VideoPredictor(model.handler, "s", display=display, animals=model.animals)
        return predictor.predict(video, table, resume=resume)

    def check(model_dir, video):
        whole, stopped = tmp_path / "whole.csv", tmp_path / "stopped.csv"
        predicted(model_dir, video, whole)
        with pytest.raises(KeyboardInterrupt):
            predicted(model_dir, video, stopped, StopsAtFrame())
        assert not stopped.exists()
        assert predicted(model_dir, video, stopped, resume=True).resumed == 4
        assert stopped.read_bytes() == whole.read_bytes()
        assert not list(tmp_path.glob(".*.rows"))

    return check


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
    from lp_pipeline.evaluation.after_training import evaluate_training
    from lp_pipeline.training.run import train

    folder = tmp_path_factory.mktemp("models") / "model"
    loaded = load_config(config_file, TINY_TRAINING)
    setup = train(loaded, folder)
    evaluate_training(setup, loaded.config, folder)
    return folder


@pytest.fixture(scope="session")
def mice(tmp_path_factory):
    """A synthetic project with two mice, not to be changed; its test video has 16 frames."""
    settings = SyntheticSettings(
        seed=3, animals=2, height=96, width=96, labeled_frames=10, sessions=2, train_videos=1,
        frames_per_video=24, test_frames=16, ood_frames=12, ood_labeled_frames=2,
        crossings=0.0, touches=0.0, absences=0.0,
    )  # fmt: skip
    return generate_project(tmp_path_factory.mktemp("mice") / "project", settings)


@pytest.fixture(scope="session")
def mice_config(mice, tmp_path_factory) -> Path:
    """A config for the two mice."""
    path = tmp_path_factory.mktemp("config") / "config.yaml"
    content = {"data": {"data_dir": str(mice.folder), "video_dir": "videos"}}
    path.write_text(yaml.safe_dump(content))
    return path


@pytest.fixture(scope="session")
def mice_model(mice_config, tmp_path_factory) -> Path:
    """A model directory of detector and tracker after one epoch each; what is in it stays."""
    from lp_pipeline.config.load import load_config
    from lp_pipeline.training.run import train

    folder = tmp_path_factory.mktemp("models") / "mice"
    train(load_config(mice_config, (*TINY_TRAINING, "animals.count=2")), folder)
    return folder


def run(*command, **options):
    """What a command prints; it must succeed, and knows nothing of this environment."""
    environment = {k: v for k, v in os.environ.items() if k not in ("VIRTUAL_ENV", "PYTHONPATH")}
    command = tuple(map(str, command))
    done = subprocess.run(command, capture_output=True, text=True, env=environment, **options)
    assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"
    return done.stdout


@dataclass(frozen=True)
class Environment:
    """A fresh virtual environment, and what runs in it.

    Attributes:
        folder: Where it is.
        wheels: Where wheels of ours are found; everything else comes from the package index.
    """

    folder: Path
    wheels: Path

    def install(self, *what):
        """Install distributions, folders or wheels with all that they declare."""
        python = ("--python", self.folder / "bin" / "python")
        found = ("--find-links", self.wheels, "--exclude-newer", "2026-11-15")
        run(UV, "pip", "install", "--quiet", *python, *found, *what, cwd=self.folder)

    def run(self, command, *arguments, cwd=None):
        """What a command of the environment, such as ``python`` or ``litpose``, prints."""
        return run(self.folder / "bin" / command, *arguments, cwd=cwd or self.folder)


@pytest.fixture(scope="session")
def wheels(tmp_path_factory):
    """A folder with the wheels of all our distributions."""
    folder = tmp_path_factory.mktemp("wheels")
    run(UV, "build", "--wheel", "--all-packages", "--out-dir", folder, cwd=ROOT)
    return folder


@pytest.fixture(scope="session")
def fresh_environment(wheels, tmp_path_factory):
    """Makes environments with the wheels that are asked for, and what those declare."""

    def make(*names):
        folder = tmp_path_factory.mktemp("environment")
        run(UV, "venv", "--quiet", "--allow-existing", "--python", sys.executable, folder)
        environment = Environment(folder, wheels)
        environment.install(*(_wheel(wheels, name) for name in names))
        return environment

    return make


def _wheel(wheels, name):
    (wheel,) = wheels.glob(f"{name.replace('-', '_')}-*.whl")
    return wheel
