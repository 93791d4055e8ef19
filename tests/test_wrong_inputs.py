"""Wrong inputs: one clear message with the place, exit code 2, and nothing half-written."""

import os
import shutil

import pytest


@pytest.fixture
def own_project(project, tmp_path):
    """A copy of the project that a test may spoil."""
    return shutil.copytree(project.folder, tmp_path / "project")


@pytest.fixture
def train(litpose, config_file, tiny_training, tmp_path):
    """Trains into a folder that must not be there afterwards."""

    def call(folder, *overrides):
        out = tmp_path / "model"
        outcome = litpose(
            "train", config_file, "-o", out, *tiny_training, f"data.data_dir={folder}", *overrides
        )
        assert not out.exists(), "a refused training left its folder behind"
        return outcome

    return call


def check(outcome, *expected):
    assert outcome.code == 2, outcome
    assert outcome.err.startswith("error: ")
    assert "Traceback" not in outcome.err
    assert len(outcome.err.splitlines()) <= 6
    for text in expected:
        assert str(text) in outcome.err


def labels(folder):
    return folder / "CollectedData.csv"


def edit(path, change):
    lines = path.read_text().splitlines(keepends=True)
    path.write_text("".join(change(lines)))


def test_a_missing_config(litpose, tmp_path):
    check(litpose("train", tmp_path / "none.yaml"), tmp_path / "none.yaml")


def test_a_missing_label_file(train, own_project):
    labels(own_project).unlink()
    check(train(own_project), "CollectedData.csv")


def test_a_label_file_without_one_of_its_header_rows(train, own_project):
    edit(labels(own_project), lambda lines: lines[:1] + lines[2:])
    check(train(own_project), "CollectedData.csv", "bodyparts")


def test_text_among_numbers(train, own_project):
    def spoil(lines):
        cells = lines[5].split(",")
        cells[1] = "left"
        return [*lines[:5], ",".join(cells), *lines[6:]]

    edit(labels(own_project), spoil)
    check(train(own_project), "line 6", "left")


def test_an_image_that_is_none(train, own_project):
    image = own_project / labels(own_project).read_text().splitlines()[3].split(",")[0]
    image.write_bytes(b"this is not a picture")
    check(train(own_project), image.name)


def test_an_unknown_key(train, own_project):
    check(train(own_project, "training.max_epoch=3"), "max_epoch", "max_epochs")


def test_a_misspelt_backbone(train, own_project):
    check(train(own_project, "model.backbone=resnet10"), "resnet10", "did you mean")


def test_no_labelled_frame(train, own_project):
    edit(labels(own_project), lambda lines: lines[:3])
    check(train(own_project), "CollectedData.csv")


def test_a_number_of_keypoints_that_disagrees(train, own_project):
    check(train(own_project, "data.num_keypoints=3"), "data.num_keypoints: 3")


def test_an_output_folder_that_cannot_be_written(litpose, config_file, tiny_training, tmp_path):
    blocked = tmp_path / "blocked"
    if os.geteuid() == 0:  # root may write into a read-only folder, but not below a file
        blocked.write_text("a file")
    else:
        blocked.mkdir(mode=0o500)
    outcome = litpose("train", config_file, "-o", blocked / "model", *tiny_training)
    check(outcome, blocked)


def test_a_video_that_is_cut_off(litpose, model_dir, project, tmp_path):
    broken = tmp_path / "cut.mp4"
    broken.write_bytes(project.test_video.read_bytes()[:3000])
    out = tmp_path / "out"
    check(litpose("predict", model_dir, broken, "-o", out), "cut.mp4")
    assert not list(tmp_path.glob("out/**/*.csv"))


def test_a_folder_that_is_no_model(litpose, project, tmp_path):
    check(litpose("predict", tmp_path, project.test_video), tmp_path)


def test_an_input_that_is_not_there(litpose, model_dir, tmp_path):
    check(litpose("predict", model_dir, tmp_path / "none.mp4"), "none.mp4")


def test_a_folder_without_videos(litpose, model_dir, tmp_path):
    check(litpose("predict", model_dir, tmp_path), "no video")


def test_an_unknown_precision(litpose, model_dir, project):
    outcome = litpose("predict", model_dir, project.test_video, "--precision", "bf16-mixd")
    check(outcome, "did you mean 'bf16-mixed'")
