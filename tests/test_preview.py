"""``litpose preview``: sheets of images, of windows with context, and of unlabelled clips."""

from __future__ import annotations

import shutil

import cv2
import pytest

from lp_io.checkpoint import annotate_model

SIDE, GAP, BETWEEN = 64, 4, 16


def tiles(count, gap=GAP, side=SIDE):
    """The length of so many tiles in a row."""
    return count * (side + gap) - gap


@pytest.mark.parametrize(
    ("model", "rows", "columns"),
    [("heatmap", tiles(6), 5), ("heatmap_mhcrnn", tiles(3, BETWEEN, tiles(3)), 5)],
)
def test_sheets_of_images_and_of_clips(litpose, config_file, tmp_path, model, rows, columns):
    path = tmp_path / "sheet.png"
    size = ["data.image_resize_dims.height=64", "data.image_resize_dims.width=64"]
    length = ["dali.base.train.sequence_length=8", "dali.context.train.batch_size=8"]
    kind = [f"model.model_type={model}", "model.losses_to_use=[temporal]"]
    overrides = [*size, *length, *kind]
    outcome = litpose("preview", config_file, *overrides, "-o", path)
    assert outcome.code == 0, outcome.err
    assert cv2.imread(str(path)).shape[:2] == (rows, tiles(columns))
    clips = cv2.imread(str(tmp_path / "sheet_clips.png"))
    assert clips.shape[:2] == (tiles(3, BETWEEN, tiles(3)), tiles(6))
    assert str(tmp_path / "sheet_clips.png") in outcome.out


def test_clips_of_several_animals_are_the_crops_that_are_learned_from(
    litpose, mice_config, mice_model, tiny_training, tmp_path
):
    """The detector of a model directory finds the animals; without one, nothing else is shown."""
    model = tmp_path / "model"
    shutil.copytree(mice_model, model)
    annotate_model(model / "detector", {"score_threshold": 0.0})
    path, beside = tmp_path / "sheet.png", tmp_path / "sheet_clips.png"
    overrides = [*tiny_training, "model.losses_to_use=[temporal]"]
    overrides += ["dali.base.train.sequence_length=4", "animals.count=2"]
    outcome = litpose("preview", mice_config, *overrides, "-o", path)
    assert outcome.code == 0, outcome.err
    assert "--model-dir" in outcome.out
    assert not beside.exists()
    outcome = litpose("preview", mice_config, *overrides, "-o", path, "--model-dir", model)
    assert outcome.code == 0, outcome.err
    assert cv2.imread(str(beside)).shape[1] == tiles(4)


def test_without_unsupervised_losses_there_is_no_sheet_of_clips(litpose, config_file, tmp_path):
    path = tmp_path / "sheet.png"
    size = ["data.image_resize_dims.height=64", "data.image_resize_dims.width=64"]
    assert litpose("preview", config_file, *size, "-o", path).code == 0
    assert sorted(file.name for file in tmp_path.iterdir()) == ["sheet.png"]
