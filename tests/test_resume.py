"""A training that is killed, again and again, and resumed ends as one that nothing disturbed."""

import os
import random
import shutil
import signal
import subprocess
import sys
import time

import pytest

from lp_pipeline.config.load import load_config
from lp_pipeline.evaluation.after_training import evaluate_training
from lp_pipeline.training.run import train

SETTINGS = (
    "model.losses_to_use=[temporal]",
    "losses.temporal.log_weight=5.0",
    "dali.base.train.sequence_length=4",
    "training.max_epochs=3",
    "training.check_val_every_n_epoch=1",
    "training.save_state_every_n_seconds=0",
    "training.log_every_n_steps=1",
    "training.num_workers=1",
)


def start(*arguments):
    """``litpose train`` in a process group of its own."""
    return subprocess.Popen(
        [sys.executable, "-m", "lp_pipeline.cli.main", "train", *map(str, arguments)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def kill(process):
    """Kill the training and its workers, as a power cut would."""
    assert process.poll() is None, process.stderr.read()
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate()


def wait_for(condition, process):
    while not condition() and process.poll() is None:
        time.sleep(0.002)


def states(folder):
    return list((folder / "training_state").glob("step-*"))


def being_written(folder):
    return list((folder / "training_state").glob(".step-*"))


@pytest.fixture(scope="module")
def settings(config_file, tiny_training):
    return (config_file, *tiny_training, *SETTINGS)


@pytest.fixture(scope="module")
def undisturbed(settings, tmp_path_factory):
    folder = tmp_path_factory.mktemp("models") / "undisturbed"
    loaded = load_config(settings[0], settings[1:])
    setup = train(loaded, folder)
    evaluate_training(setup, loaded.config, folder)
    return folder


@pytest.mark.slow
def test_kill_and_resume(litpose, settings, undisturbed, tmp_path):
    folder = tmp_path / "killed"
    process = start(*settings, "-o", folder)
    wait_for(lambda: states(folder), process)
    time.sleep(random.Random(7).uniform(0, 0.4))
    kill(process)
    begun = states(folder)
    process = start("--resume", folder)
    wait_for(lambda: being_written(folder) and states(folder) != begun, process)
    kill(process)
    outcome = litpose("train", "--resume", folder)
    assert outcome.code == 0, outcome.err
    assert "going on from step-" in outcome.out
    for name in ("csv_logs/metrics.csv", "model.safetensors", "predictions.csv"):
        assert (folder / name).read_bytes() == (undisturbed / name).read_bytes(), name
    assert not being_written(folder)


def test_ctrl_c_saves_and_says_how_to_go_on(litpose, settings, undisturbed, tmp_path):
    folder = tmp_path / "stopped"
    process = start(
        *settings,
        "training.save_state_every_n_seconds=null",
        "training.max_epochs=1000",
        "-o",
        folder,
    )
    wait_for(lambda: (folder / "progress.json").exists(), process)
    os.killpg(process.pid, signal.SIGINT)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 130
    assert f"litpose train --resume {folder}" in errors
    assert len(states(folder)) == 1
    outcome = litpose("train", "--resume", folder, "training.max_epochs=3")
    assert outcome.code == 0, outcome.err
    metrics = "csv_logs/metrics.csv"
    assert (folder / metrics).read_bytes() == (undisturbed / metrics).read_bytes()


def test_resume_refuses_what_it_cannot_continue(litpose, model_dir, config_file, tmp_path):
    nothing = litpose("train", "--resume", tmp_path)
    assert nothing.code == 2
    assert "there is no training to resume" in nothing.err
    other = litpose("train", "--resume", model_dir, "model.backbone=resnet18")
    assert other.code == 2
    assert "cannot change model.backbone" in other.err
    both = litpose("train", config_file, "--resume", model_dir)
    assert both.code == 2
    assert "its own config" in both.err
    neither = litpose("train")
    assert neither.code == 2
    assert "which config" in neither.err


def test_resume_refuses_other_labels(litpose, model_dir, tmp_path):
    folder = tmp_path / "model"
    shutil.copytree(model_dir, folder)
    copy = next(path for path in folder.glob("CollectedData*.csv"))
    copy.write_text(copy.read_text() + "\n")
    outcome = litpose("train", "--resume", folder)
    assert outcome.code == 2
    assert "the labels were changed" in outcome.err


def test_a_training_whose_project_was_moved_is_resumed_where_it_is_now(
    litpose, project, config_file, tiny_training, tmp_path
):
    old, new, out = tmp_path / "old", tmp_path / "new", tmp_path / "model"
    shutil.copytree(project.folder, old)
    outcome = litpose("train", config_file, *tiny_training, f"data.data_dir={old}", "-o", out)
    assert outcome.code == 0, outcome.err
    old.rename(new)
    longer = ("train", "--resume", out, "training.max_epochs=2")
    lost = litpose(*longer)
    assert lost.code == 2
    assert str(old) in lost.err
    assert "data.data_dir=/where/it/is/now" in lost.err
    resumed = litpose(*longer, f"data.data_dir={new}")
    assert resumed.code == 0, resumed.err
    assert "going on from step-" in resumed.out
    assert litpose("evaluate", out).code == 0  # it finds the images in their new place
    table = new / "CollectedData.csv"
    table.write_text(table.read_text() + "\n")
    other = litpose("train", "--resume", out, "training.max_epochs=3", f"data.data_dir={new}")
    assert "the labels were changed" in other.err


def test_predictions_of_earlier_weights_are_told(
    litpose, project, config_file, tiny_training, tmp_path
):
    out, video = tmp_path / "model", project.test_video
    first = litpose("train", config_file, *tiny_training, "-o", out)
    assert first.code == 0, first.err
    assert litpose("predict", out, video).code == 0
    assert litpose("outliers", out, video, "--no-clips").code == 0
    assert litpose("compare", out, out).code == 0
    stale = (out / "predictions_source.json").read_bytes()
    for name in ("manifest.json", "model.safetensors"):  # so that any validation is the best
        (out / name).unlink()
    again = litpose("train", "--resume", out, "training.max_epochs=2")
    assert again.code == 0, again.err
    found = litpose("outliers", out, video, "--no-clips", "--overwrite")
    assert found.code == 2
    assert "other weights have predicted" in found.err
    assert "--overwrite" in found.err
    judged = litpose("evaluate", out)
    assert judged.code == 0, judged.err
    assert f"other weights have predicted {out / 'video_preds' / video.stem}.csv" in judged.out
    (out / "predictions_source.json").write_bytes(stale)
    compared = litpose("compare", out, out)
    assert compared.code == 2
    assert f"litpose evaluate {out}" in compared.err
