"""Two processes that train together learn what one process learns from the same batches.

They normalise by the images of both, and log means over both. A batch's loss is the mean over the
keypoints that have labels; the mean of two processes' means is the same where both see as many, as
here, where all are labelled.
"""

import csv
import os
import shutil
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
from pytorch_lightning.utilities import rank_zero_only

from lp_core.display import SILENT
from lp_data.errors import ImageFileError
from lp_pipeline.config.load import load_config
from lp_pipeline.training.run import prepare, train
from lp_pipeline.training.setup import set_up

pytestmark = pytest.mark.slow  # trains in two processes

SETTINGS = (
    "training.imgaug=none",
    "training.max_epochs=3",
    "training.unfreezing_epoch=1",  # until then, no process's optimiser sees the backbone
    "training.gradient_clip_val=0.01",
    "training.log_every_n_steps=1",
    "training.accelerator=cpu",
    "training.train_frames=8",  # whole batches of 4: two processes fill up an odd rest
    "training.val_prob=0.25",  # three images, so that one process has less to say than the other
    "training.val_batch_size=2",
)
TWO = ("training.devices=2", "training.strategy=ddp")


@pytest.fixture(scope="module", autouse=True)
def image_cache(tmp_path_factory):
    """The folder of decoded images, which all processes of a training share."""
    folder = tmp_path_factory.mktemp("cache")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(folder))
        yield folder / "lp" / "images"


@pytest.fixture(scope="module")
def all_labeled(project, tmp_path_factory):
    """The folder of a project where each keypoint of each image has a label."""
    folder = tmp_path_factory.mktemp("data") / "project"
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
    return {name: [float(row[name]) for row in rows if row[name]] for name in rows[0]}


def litpose_train(*arguments):
    """The process of ``litpose train``, which starts another one itself; in a group of its own."""
    command = [sys.executable, "-m", "lp_pipeline.cli.main", "train", *arguments]
    return subprocess.Popen(
        list(map(str, command)),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def finished(process):
    """What it printed; it must succeed."""
    out, errors = process.communicate(timeout=300)
    assert process.returncode == 0, errors
    return out


@pytest.fixture(scope="module")
def settings(config_file, tiny_training, all_labeled):
    return (config_file, *tiny_training, *SETTINGS, f"data.data_dir={all_labeled}")


@pytest.fixture(scope="module")
def together(settings, tmp_path_factory):
    """The model directory of a training in two processes, and what it printed."""
    folder = tmp_path_factory.mktemp("models") / "two"
    return folder, finished(litpose_train(*settings, *TWO, "-o", folder))


def test_two_processes_learn_as_one_does(settings, together, image_cache, tmp_path):
    assert len(list(image_cache.glob("*.images"))) == 1
    train(load_config(settings[0], settings[1:]), tmp_path / "one")
    folder, printed = together
    assert printed.count("model directory: ") == 1
    assert printed.count("reading images") <= 1
    one, two = curve(tmp_path / "one"), curve(folder)
    assert one.keys() == two.keys()
    for stage in ("train", "val"):
        for name in ("supervised_loss", "pixel_error", "supervised_rmse", "heatmap_mse_loss"):
            assert len(one[f"{stage}_{name}"]) >= 3
    for name, values in one.items():
        np.testing.assert_allclose(values, two[name], rtol=1e-3, err_msg=name)
    assert (folder / "predictions.csv").is_file()


def test_the_first_process_alone_reads_the_images_beforehand(
    settings, all_labeled, monkeypatch, tmp_path
):
    folder = shutil.copytree(all_labeled, tmp_path / "project")
    config = load_config(settings[0], (*settings[1:], f"data.data_dir={folder}")).config
    data = set_up(config).data
    (folder / data.dataset.table.image_paths[data.split.validation[-1]]).write_bytes(b"no image")
    with pytest.raises(ImageFileError):
        prepare(config, SILENT)
    monkeypatch.setattr(rank_zero_only, "rank", 1)
    prepare(config, SILENT)


def test_two_processes_that_were_killed_go_on_together(settings, together, tmp_path):
    folder = tmp_path / "killed"
    process = litpose_train(*settings, *TWO, "training.save_state_every_n_seconds=0", "-o", folder)
    states = folder / "training_state"
    while process.poll() is None and len(list(states.glob("step-*"))) < 2:
        time.sleep(0.002)
    assert process.poll() is None, process.stderr.read()
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate()
    assert not (folder / "predictions.csv").exists()
    assert "going on from step-" in finished(litpose_train("--resume", folder))
    for name in ("csv_logs/metrics.csv", "model.safetensors", "predictions.csv"):
        assert (folder / name).read_bytes() == (together[0] / name).read_bytes(), name
