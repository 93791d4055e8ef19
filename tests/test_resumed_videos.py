"""What follows a training is not done again by ``litpose train --resume`` where it is complete."""

import shutil

import pytest


@pytest.fixture
def videos(project, tmp_path):
    """A folder of two videos."""
    folder = tmp_path / "videos"
    folder.mkdir()
    for name in ("first", "second"):
        shutil.copyfile(project.test_video, folder / f"{name}.mp4")
    return folder


def made(folder):
    """When each file was written, by name."""
    return {file.name: file.stat().st_mtime_ns for file in folder.iterdir()}


def content(folder):
    return {file.name: file.read_bytes() for file in folder.iterdir()}


@pytest.mark.slow
def test_only_videos_without_complete_predictions_of_these_weights_are_predicted(
    litpose, config_file, tiny_training, videos, tmp_path
):
    folder = tmp_path / "model"
    predictions = folder / "video_preds"
    settings = (
        *tiny_training,
        "eval.predict_vids_after_training=true",
        f"eval.test_videos_directory={videos}",
    )
    assert litpose("train", config_file, "-o", folder, *settings).code == 0
    whole, before = content(predictions), made(predictions)
    (predictions / "second.csv").unlink()
    outcome = litpose("train", "--resume", folder)
    assert outcome.code == 0, outcome.err
    assert content(predictions) == whole
    after = made(predictions)
    assert after["first.csv"] == before["first.csv"]
    assert after["second.csv"] > before["second.csv"]

    assert litpose("train", "--resume", folder, "training.max_epochs=2").code == 0
    assert made(predictions)["first.csv"] > after["first.csv"]
    assert content(predictions)["first.csv"] != whole["first.csv"]
