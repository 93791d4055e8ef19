"""Training with context warns of neighbouring frames that may be none."""

import shutil

import numpy as np
import pytest

WARNING = "nothing shows that these are neighbours in time"
WITH_CONTEXT = ("model.model_type=heatmap_mhcrnn", "model.feature_stride=32")


@pytest.fixture
def shuffled(project, tmp_path):
    """The project with the images of every folder in another order, and without videos."""
    folder = tmp_path / "shuffled"
    shutil.copytree(project.folder, folder)
    shutil.rmtree(folder / "videos")
    for images in (folder / "labeled-data").iterdir():
        files = sorted(images.iterdir())
        contents = [file.read_bytes() for file in files]
        for file, other in zip(
            files, np.random.default_rng(0).permutation(len(files)), strict=True
        ):
            file.write_bytes(contents[other])
    return folder


def test_a_training_with_context_warns_of_images_that_are_only_numbered(
    litpose, shuffled, config_file, tiny_training, tmp_path
):
    overrides = (f"data.data_dir={shuffled}", "data.video_dir=null", *WITH_CONTEXT)
    outcome = litpose("train", config_file, "-o", tmp_path / "m", *tiny_training, *overrides)
    assert outcome.code == 0, outcome
    assert WARNING in " ".join(outcome.out.split())


def test_true_neighbours_are_trained_on_without_a_warning(
    litpose, config_file, tiny_training, tmp_path
):
    outcome = litpose("train", config_file, "-o", tmp_path / "m", *tiny_training, *WITH_CONTEXT)
    assert outcome.code == 0, outcome
    assert "warning" not in outcome.out + outcome.err
