"""Frames that torchcodec leaves on the device are the same frames, resized alike."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from lp_data.errors import VideoError
from lp_data.images import resize
from lp_data.testing.encoding import Encoding, encode, read_codes
from lp_data.testing.hostile import HOSTILE
from lp_data.video.torchcodec_source import TorchCodecSource, resize_on_device

CUDA = pytest.param(
    "cuda",
    marks=[
        pytest.mark.gpu,
        pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device"),
    ],
)
on_devices = pytest.mark.parametrize("device", ["cpu", CUDA])


def opened(path: Path, device: str, **options) -> TorchCodecSource:
    """The source; the test is skipped where torchcodec, or what decodes on the GPU, is absent."""
    refusal = TorchCodecSource.refusal(path)
    if refusal:
        pytest.skip(refusal)
    try:
        return TorchCodecSource(path, device=device, **options)
    except VideoError as error:
        if device == "cpu" or "torchcodec cannot" not in error.problem:
            raise
        pytest.skip(f"no decoding on this GPU: {error.problem}")


@on_devices
@pytest.mark.parametrize(
    "size", [(45, 61), (64, 64), (128, 256), (32, 48), (90, 30), (30, 40), (90, 122)]
)
def test_tensors_are_resized_as_images_are(device, size) -> None:
    image = np.random.default_rng(0).integers(0, 256, (90, 122, 3), np.uint8)
    image = cv2.GaussianBlur(image, (5, 5), 0)
    frames = torch.from_numpy(image).permute(2, 0, 1)[None].to(device)
    found = resize_on_device(frames, size)
    assert found.device.type == device
    difference = found[0].permute(1, 2, 0).cpu().numpy().astype(int) - resize(image, size)
    assert np.abs(difference).max() <= 1


@on_devices
@pytest.mark.parametrize(
    "name", ["b_frames", "variable_rate_mp4", "open_groups", "vp9", "mjpeg_avi", "ten_bit"]
)
def test_every_index_is_its_frame(tmp_path, device, name) -> None:
    with opened(HOSTILE[name].make(tmp_path), device) as source:
        for start, stop in ((0, 40), (31, 40), (7, 20), (0, 1), (5, 5)):
            frames = source.read_tensor(start, stop)
            assert frames.device.type == device
            assert frames.shape == (stop - start, 3, *source.size)
            if start < stop:
                pixels = frames.permute(0, 2, 3, 1).cpu().numpy()
                assert read_codes(pixels) == list(range(start, stop))


@on_devices
def test_tensors_are_the_frames_that_arrays_are(tmp_path, device) -> None:
    path = encode(tmp_path / "film.mp4", Encoding(size=(128, 192), options={"g": "10"}))
    with opened(path, device, resize_to=(40, 64)) as source:
        arrays, frames = source.read(3, 14), source.read_tensor(3, 14)
        difference = frames.permute(0, 2, 3, 1).cpu().numpy().astype(int) - arrays
        assert np.abs(difference).max() <= 1
        with pytest.raises(IndexError):
            source.read_tensor(30, 41)
