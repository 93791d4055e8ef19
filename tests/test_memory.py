"""Predictions that need more memory than there is."""

import shutil

import pytest
import torch

from lp_pipeline.config.load import load_config
from lp_pipeline.training.setup import set_up

PLUGIN = """
import numpy as np
import torch

from lp_models.heatmap.tracker import HeatmapTracker


class Torch(HeatmapTracker):
    def predict_step(self, batch, batch_idx=0):
        return torch.empty(1 << 60, dtype=torch.uint8)


class Numpy(HeatmapTracker):
    def predict_step(self, batch, batch_idx=0):
        return np.empty(1 << 60, np.uint8)


class OnGPU(HeatmapTracker):
    def predict_step(self, batch, batch_idx=0):
        return torch.empty(1 << 50, dtype=torch.uint8, device="cuda")
"""
ENTRY_POINTS = """[lp.models]
too_large_torch = too_large_trackers:Torch
too_large_numpy = too_large_trackers:Numpy
too_large_gpu = too_large_trackers:OnGPU
"""


@pytest.fixture
def too_large(model_dir, config_file, tiny_training, tmp_path, monkeypatch):
    """Makes a model directory of a plug-in whose predictions allocate far too much."""
    site = tmp_path / "site"
    info = site / "too_large-1.0.dist-info"
    info.mkdir(parents=True)
    (site / "too_large_trackers.py").write_text(PLUGIN)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: too-large\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(ENTRY_POINTS)
    monkeypatch.syspath_prepend(site)

    def make(kind):
        folder = tmp_path / "model"
        shutil.copytree(model_dir, folder)
        overrides = (*tiny_training, f"model.model_type=too_large_{kind}")
        set_up(load_config(config_file, overrides).config).save(folder, {})
        return folder

    return make


@pytest.mark.parametrize("kind", ["torch", "numpy"])
def test_a_prediction_without_memory_names_the_setting_to_lower(
    kind, too_large, litpose, project, tmp_path
):
    labels = project.folder / "CollectedData.csv"
    for file in (project.test_video, labels):
        outcome = litpose(
            "predict", too_large(kind), file, "-o", tmp_path / "out", "--batch-size", 8
        )
        shutil.rmtree(tmp_path / "model")
        assert outcome.code == 2
        assert "error: the memory of the computer is not enough" in outcome.err
        assert "lower --batch-size (now 8)" in outcome.err
        assert not list((tmp_path / "out").rglob("*.csv"))


def test_an_evaluation_without_memory_names_the_setting_to_lower(too_large, litpose):
    outcome = litpose("evaluate", too_large("torch"), "--batch-size", 8)
    assert outcome.code == 2
    assert "error: the memory of the computer is not enough" in outcome.err
    assert "lower --batch-size (now 8)" in outcome.err


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_too_little_memory_of_the_gpu(too_large, litpose, project, tmp_path):
    outcome = litpose("predict", too_large("gpu"), project.test_video, "-o", tmp_path / "out")
    assert outcome.code == 2
    assert "error: the memory of the GPU is not enough" in outcome.err
    assert "lower --batch-size (now 128)" in outcome.err
