"""How many frames go through the network at once."""

import pytest
import torch

from lp_core.registry import MODELS, load_plugin
from lp_pipeline.prediction.handler import PredictionHandler, suitable_chunk


def _tracker(model_type):
    kind = load_plugin(MODELS, model_type)
    options = kind.Options(
        keypoint_names=("nose", "tail"),
        image_size=(64, 64),
        backbone="test_resnet",
        backbone_pretrained=False,
    )
    return kind(options)


@pytest.mark.parametrize(("model_type", "frames"), [("heatmap", 8), ("heatmap_mhcrnn", 32)])
def test_a_cpu_predicts_few_frames_at_once_unless_each_chunk_repeats_its_context(
    model_type, frames
):
    assert PredictionHandler(_tracker(model_type), device="cpu").chunk == frames


def test_a_gpu_predicts_many_frames_at_once():
    assert suitable_chunk(torch.device("cuda"), 0) == 32


def test_what_the_user_says_holds():
    assert PredictionHandler(_tracker("heatmap"), device="cpu", chunk=3).chunk == 3
