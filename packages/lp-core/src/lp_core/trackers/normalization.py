"""From uint8 images to what a backbone was trained on."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor, nn


class ImageNormalization(nn.Module):
    """(image / 255 - mean) / std per channel, as one multiplication and one addition.

    Mean and standard deviation are buffers, so that a checkpoint is complete in itself.

    Args:
        mean: Per channel, in 0 to 1.
        std: Per channel, in 0 to 1.
    """

    mean: Tensor
    std: Tensor

    def __init__(self, mean: tuple[float, ...], std: tuple[float, ...]) -> None:
        super().__init__()
        self.register_buffer("mean", torch.tensor(mean).reshape(-1, 1, 1))
        self.register_buffer("std", torch.tensor(std).reshape(-1, 1, 1))

    def forward(self, images: Tensor) -> Float[Tensor, "*batch channels height width"]:
        """Normalise images (..., 3, H, W) with values from 0 to 255."""
        scale = 1 / (255 * self.std)
        return torch.addcmul(-self.mean / self.std, images.to(scale.dtype), scale)
