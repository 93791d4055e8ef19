"""Where a tracker runs, and in which precision."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from typing import Literal

import torch

from lp_core.errors import CoreError

Precision = Literal["32-true", "bf16-mixed", "16-mixed"]

DEFAULT_CHUNK = 32
"""Frames that go through the network at once."""

GPU_CHUNK = 128
"""The same on a CUDA GPU, for frames of `GPU_CHUNK_AREA` model px or fewer."""

GPU_CHUNK_AREA = 256 * 256


class DeviceError(CoreError):
    """A device that this machine does not have."""


def choose_device(name: str = "auto") -> torch.device:
    """The device ``name``, or the fastest that there is.

    Raises:
        DeviceError: There is no such device here.
    """
    if name == "auto":
        if torch.cuda.is_available():
            return torch.device("cuda")
        return torch.device("mps" if torch.backends.mps.is_available() else "cpu")
    try:
        device = torch.device("cuda" if name == "gpu" else name)
    except RuntimeError as error:
        raise DeviceError(f"there is no kind of device '{name}'", remedy="use auto") from error
    if device.type == "cuda" and not torch.cuda.is_available():
        raise DeviceError("there is no CUDA GPU on this machine", remedy="use cpu or auto")
    if device.type == "mps" and not torch.backends.mps.is_available():
        raise DeviceError("there is no Apple GPU on this machine", remedy="use cpu or auto")
    return device


def autocast(device: torch.device, precision: Precision) -> AbstractContextManager[object]:
    """The context in which a tracker computes with ``precision``."""
    if precision == "32-true":
        return nullcontext()
    dtype = torch.bfloat16 if precision == "bf16-mixed" else torch.float16
    return torch.autocast(device.type, dtype=dtype)


def default_chunk(device: torch.device, image_size: tuple[int, int]) -> int:
    """How many frames go through the network at once, where the user does not say.

    A GPU gets more of them: the time to launch its kernels does not depend on their number. Larger
    frames come in smaller numbers, so that their pixels stay the same. The size is (H, W) in model
    px.
    """
    if device.type != "cuda":
        return DEFAULT_CHUNK
    height, width = image_size
    return max(DEFAULT_CHUNK, min(GPU_CHUNK, GPU_CHUNK * GPU_CHUNK_AREA // (height * width)))
