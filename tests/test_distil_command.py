"""``litpose distil``: a student learns from labels by hand and from what a teacher is sure of."""

import shutil

import pytest
import yaml

from lp_data.labels import read_labels
from lp_io.checkpoint import read_manifest
from lp_io.predictions import read_predictions


@pytest.fixture
def mine(project, model_dir, tmp_path):
    """A copy of the project with its config, and of the teacher, that may be changed."""
    folder = tmp_path / "mine"
    shutil.copytree(project.folder, folder)
    config = tmp_path / "mine.yaml"
    config.write_text(yaml.safe_dump({"data": {"data_dir": str(folder)}}))
    shutil.copytree(model_dir, tmp_path / "teacher")
    return folder, config, tmp_path / "teacher"


def distilled(litpose, mine, *more):
    folder, config, teacher = mine
    return litpose("distil", teacher, config, folder / "videos_test", "--count", 4, "--apart", 2,
                   "--least", 0.001, *more)  # fmt: skip


def test_a_student_learns_from_both_and_is_judged_by_hand_labels(
    litpose, mine, tiny_training, tmp_path
):
    folder, config, _ = mine
    before = (folder / "CollectedData.csv").read_bytes()
    done = distilled(litpose, mine)
    assert done.code == 0, done.err
    assert "data.extra_labels=CollectedData_distilled.csv" in done.out
    images = read_predictions(folder / "CollectedData_distilled.csv").image_paths
    assert 1 <= len(images) <= 4
    alone, student = tmp_path / "alone", tmp_path / "student"
    extra = "data.extra_labels=CollectedData_distilled.csv"
    assert litpose("train", config, *tiny_training, "-o", alone).code == 0
    trained = litpose("train", config, *tiny_training, extra, "-o", student)
    assert trained.code == 0, trained.err
    split, other = read_manifest(student).split, read_manifest(alone).split
    assert tuple(split.pop("extra")) == images
    assert split == other
    assert (student / "model.safetensors").read_bytes() != (
        alone / "model.safetensors"
    ).read_bytes()
    # predictions and errors are those of labels by hand
    assert len(read_predictions(student / "predictions.csv")) == len(
        read_labels(folder / "CollectedData.csv")
    )
    assert (folder / "CollectedData.csv").read_bytes() == before


def test_smoothed_predictions_and_an_earlier_file(litpose, mine):
    _, _, teacher = mine
    assert distilled(litpose, mine).code == 0
    again = distilled(litpose, mine, "--smooth")
    assert again.code == 2
    assert "--overwrite" in again.err
    assert distilled(litpose, mine, "--smooth", "--overwrite").code == 0
    assert (teacher / "video_preds/test_smoothed.csv").is_file()


def test_wrong_inputs_are_told(litpose, mine, mice_config, tiny_training, tmp_path):
    folder, config, teacher = mine
    broken = tmp_path / "broken.mp4"
    broken.write_bytes(b"no video")
    told = litpose("distil", teacher, config, broken)
    assert (told.code, "broken.mp4" in told.err) == (2, True)
    many = distilled(litpose, mine, "--least", 1.0)
    assert "in no frame" in many.err
    other = litpose("distil", teacher, mice_config, folder / "videos_test")
    assert other.code == 2
    assert "keypoints that the project does not have" in other.err
    missing = litpose("train", config, *tiny_training, "data.extra_labels=none.csv")
    assert missing.code == 2
    assert "none.csv" in missing.err


def test_a_tracker_that_cannot_weigh_labels_is_refused(litpose, mine, tiny_training):
    _, config, _ = mine
    assert distilled(litpose, mine).code == 0
    done = litpose("train", config, *tiny_training, "model.model_type=bottom_up",
                   "data.extra_labels=CollectedData_distilled.csv")  # fmt: skip
    assert done.code == 2
    assert "cannot weigh labels" in done.err
