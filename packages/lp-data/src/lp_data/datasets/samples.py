"""What datasets share: chance that depends on the sample alone, and pixels as PyTorch wants them.

A sample is augmented alike whatever the number of workers, and alike again when training is
resumed.
"""

from __future__ import annotations

import cv2
import numpy as np
import torch
from jaxtyping import Float, UInt8
from numpy import ndarray
from torch import Tensor


class Epoch:
    """The number of the epoch, seen by worker processes that live longer than one epoch."""

    def __init__(self) -> None:
        self._shared = torch.zeros(1, dtype=torch.int64).share_memory_()

    @property
    def number(self) -> int:
        """The epoch, from 0."""
        return int(self._shared[0])

    @number.setter
    def number(self, value: int) -> None:
        self._shared[0] = value


def sample_rng(seed: int, *numbers: int) -> np.random.Generator:
    """The generator of a sample, which ``numbers`` (at least 0) such as epoch and index name."""
    return np.random.default_rng([seed, *numbers])


def channels_first(
    frames: UInt8[ndarray, "frames height width 3"],
) -> UInt8[Tensor, "frames 3 height width"]:
    """A copy of frames with the channels in front; five times as fast as a transposed copy."""
    planes = np.empty((frames.shape[0], 3, *frames.shape[1:3]), np.uint8)
    for frame, out in zip(frames, planes, strict=True):
        cv2.split(frame, list(out))
    return torch.from_numpy(planes)


def warped(
    frames: UInt8[ndarray, "frames height width 3"], matrix: Float[Tensor, "2 3"]
) -> UInt8[ndarray, "frames height width 3"]:
    """Copies of frames that a map (2, 3) in their px has moved, black where they show nothing."""
    height, width = frames.shape[1:3]
    return np.stack([cv2.warpAffine(f, matrix.numpy(), (width, height)) for f in frames])
