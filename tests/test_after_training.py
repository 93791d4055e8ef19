"""A training whose weights are saved ends well, whatever becomes of its report and videos."""

import shutil
from pathlib import Path

import pytest

from lp_io.checkpoint import read_manifest
from lp_pipeline.training.run import fit


@pytest.fixture
def copy(project, tmp_path) -> Path:
    """The project, to be changed."""
    return shutil.copytree(project.folder, tmp_path / "project")


@pytest.fixture
def train(litpose, config_file, tiny_training, tmp_path):
    def call(*overrides, command="train"):
        out = ("-o", tmp_path / "model") if command == "train" else ()
        return litpose(*command.split(), config_file, *tiny_training, *overrides, *out)

    return call


def check_complete(outcome, folder):
    assert outcome.code == 0, outcome.err
    assert "Traceback" not in outcome.err
    assert "warning" not in outcome.out
    for name in ("model.safetensors", "predictions.csv", "error_plot.png", "report.html"):
        assert (folder / name).is_file(), name


@pytest.mark.parametrize("where", ["nested", "odd", "nothing", "one file"])
def test_a_folder_of_videos_that_nobody_needs_does_no_harm(train, copy, tmp_path, where):
    folder = tmp_path / "odd"
    (folder / "day1").mkdir(parents=True)
    video = next((copy / "videos").glob("*.mp4"))
    if where == "nested":
        shutil.copy(video, folder / "day1" / "a.mp4")
    elif where == "odd":
        (folder / "a.xyz").write_bytes(b"no video")
    elif where == "one file":
        (folder / "b.mp4").write_bytes(b"no video")
    outcome = train(f"data.data_dir={copy}", f"data.video_dir={folder}")
    check_complete(outcome, tmp_path / "model")


@pytest.mark.parametrize("kind", ["heatmap", "heatmap_mhcrnn"])
def test_a_training_too_short_to_log_anything(train, tmp_path, kind):
    outcome = train(
        f"model.model_type={kind}", "model.feature_stride=null", "training.max_epochs=null",
        "training.max_steps=2", "training.train_batch_size=2",
    )  # fmt: skip
    check_complete(outcome, tmp_path / "model")
    assert "nothing was logged" in (tmp_path / "model" / "report.html").read_text()


def test_no_video_to_predict_is_told_before_the_training(train, copy, tmp_path):
    (copy / "none").mkdir()
    settings = (f"data.data_dir={copy}", "data.video_dir=none")
    asked = (*settings, "eval.predict_vids_after_training=true")
    for command in ("train", "config check"):
        outcome = train(*asked, command=command)
        assert outcome.code == 2
        assert "no video to predict" in outcome.err
        assert "eval.predict_vids_after_training=false" in outcome.err
    assert not (tmp_path / "model").exists()


def test_a_video_that_cannot_be_read_is_told_before_the_training(train, copy, tmp_path):
    (copy / "videos" / "broken.mp4").write_bytes(b"no video")
    asked = (f"data.data_dir={copy}", "eval.predict_vids_after_training=true")
    for command in ("train", "config check"):
        outcome = train(*asked, command=command)
        assert outcome.code == 2
        assert "broken.mp4" in outcome.err
        assert "eval.predict_vids_after_training=false" in outcome.err
    assert not (tmp_path / "model").exists()


def test_other_labels_that_cannot_be_evaluated_are_told_before_the_training(train, copy, tmp_path):
    label_file = next(copy.glob("CollectedData*.csv"))
    other = label_file.with_name(f"{label_file.stem}_new.csv")
    other.write_text("\n".join([*label_file.read_text().splitlines()[:3], "gone.png" + ",1" * 40]))
    outcome = train(f"data.data_dir={copy}", command="config check")
    assert outcome.code == 2, outcome.out
    assert "_new.csv" in outcome.err or "gone.png" in outcome.err


def test_what_fails_after_the_training_is_told_with_how_to_go_on(
    train, copy, tmp_path, monkeypatch
):
    image = copy / (copy / "CollectedData.csv").read_text().splitlines()[3].split(",")[0]

    def fit_and_break(*arguments, **more):
        setup = fit(*arguments, **more)
        image.unlink()
        (copy / "videos" / "broken.mp4").write_bytes(b"no video")
        return setup

    monkeypatch.setattr("lp_pipeline.training.run.fit", fit_and_break)
    outcome = train(f"data.data_dir={copy}", "eval.predict_vids_after_training=true")
    assert outcome.code == 0, outcome.err
    model = tmp_path / "model"
    assert read_manifest(model).keypoint_names
    assert "the tracker is trained and saved" in outcome.out
    assert f"litpose evaluate {model}" in outcome.out
    assert f"litpose predict {model} {copy / 'videos' / 'broken.mp4'}" in outcome.out
    good = [path.stem for path in (copy / "videos").iterdir() if path.stem != "broken"]
    assert all((model / "video_preds" / f"{stem}.csv").is_file() for stem in good)


def test_a_share_below_one_batch_is_one_batch(train, tmp_path):
    outcome = train("training.limit_train_batches=0.01")
    check_complete(outcome, tmp_path / "model")
    assert "training 1/1" in outcome.out
