"""Predictions come complete and in order, although a GPU works ahead of them."""

import numpy as np
import pytest
import torch

from lp_core.registry import MODELS, load_plugin
from lp_data.inference.handler import PredictionHandler

DEVICES = [
    "cpu",
    pytest.param(
        "cuda",
        marks=[
            pytest.mark.gpu,
            pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device"),
        ],
    ),
]


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("precision", ["32-true", "bf16-mixed"])
def test_a_stream_of_chunks_gives_what_each_chunk_gives(device, precision):
    kind = load_plugin(MODELS, "heatmap")
    torch.manual_seed(0)
    options = kind.Options(
        keypoint_names=("nose", "tail"),
        image_size=(64, 64),
        backbone="test_resnet",
        backbone_pretrained=False,
    )
    handler = PredictionHandler(kind(options), device=device, precision=precision, chunk=4)
    frames = np.random.default_rng(0).integers(0, 256, (20, 4, 64, 64, 3), np.uint8)
    alone = [next(handler.predict_frames([chunk], (128, 96))) for chunk in frames]
    stream = list(handler.predict_frames(iter(frames), (128, 96)))
    assert len(stream) == len(alone)
    for one, other in zip(stream, alone, strict=True):
        assert one.keypoints.device.type == "cpu"
        torch.testing.assert_close(one.keypoints, other.keypoints, rtol=0, atol=1e-3)
        torch.testing.assert_close(one.confidences, other.confidences, rtol=0, atol=1e-4)
    assert not torch.equal(alone[0].keypoints, alone[1].keypoints)
