"""Two processes that train together learn what one process learns from the same batches.

Batch normalisation is the exception: each process normalises by the images that it sees, so the
backbone here has none. A batch's loss is the mean over the keypoints that have labels; the mean of
two processes' means is the same where both see as many, as here, where all are labelled.
"""

import csv
import shutil
import subprocess
import sys

import numpy as np
import pytest

from lp_pipeline.config.load import load_config
from lp_pipeline.training.run import train

SETTINGS = (
    "model.backbone=test_convnext",
    "model.feature_stride=8",
    "training.imgaug=none",
    "training.max_epochs=3",
    "training.log_every_n_steps=1",
    "training.accelerator=cpu",
    "training.train_frames=8",  # whole batches of 4: two processes fill up an odd rest
)


@pytest.fixture
def all_labeled(project, tmp_path):
    """The folder of a project where each keypoint of each image has a label."""
    folder = tmp_path / "project"
    shutil.copytree(project.folder, folder)
    labels = folder / "CollectedData.csv"
    with labels.open(newline="") as file:
        rows = list(csv.reader(file))
    for row in rows[3:]:
        row[1:] = [cell if cell not in ("", "0") else "2" for cell in row[1:]]
    with labels.open("w", newline="") as file:
        csv.writer(file).writerows(rows)
    return folder


def curve(folder):
    """Each logged value by name, in order."""
    with (folder / "csv_logs" / "metrics.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    return {
        name: [float(row[name]) for row in rows if row[name]]
        for name in rows[0]
        if name.endswith("supervised_loss")
    }


def test_two_processes_learn_as_one_does(config_file, tiny_training, all_labeled, tmp_path):
    settings = (*tiny_training, *SETTINGS, f"data.data_dir={all_labeled}")
    train(load_config(config_file, settings), tmp_path / "one")
    train_two = ("train", config_file, *settings, "training.devices=2", "training.strategy=ddp")
    command = [sys.executable, "-m", "lp_pipeline.cli.main", *train_two, "-o", tmp_path / "two"]
    done = subprocess.run(
        list(map(str, command)),
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("model directory: ") == 1
    assert done.stdout.count("reading images") <= 1
    one, two = curve(tmp_path / "one"), curve(tmp_path / "two")
    assert one.keys() == two.keys() == {"train_supervised_loss", "val_supervised_loss"}
    for name, values in one.items():
        assert len(values) >= 3
        np.testing.assert_allclose(values, two[name], rtol=1e-4)
    assert (tmp_path / "two" / "predictions.csv").is_file()
    assert not list(tmp_path.glob("outputs"))
