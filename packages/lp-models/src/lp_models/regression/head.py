"""From feature maps to coordinates, by pooling."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor, nn


class RegressionHead(nn.Module):
    """Mean over the feature map, then one linear layer for positions and one for confidences.

    Positions are learned relative to the image, so that the layer's usual initialisation starts
    near its centre. The confidence layer takes features as they are, without teaching them.

    Args:
        channels: Channels C of the feature maps.
        keypoints: Keypoints per image, K.
        image_size: (H, W) in model px.
    """

    half_size: Tensor

    def __init__(self, channels: int, keypoints: int, image_size: tuple[int, int]) -> None:
        super().__init__()
        self.positions = nn.Linear(channels, 2 * keypoints)
        self.confidences = nn.Linear(channels, keypoints)
        height, width = image_size
        self.register_buffer("half_size", torch.tensor([width / 2, height / 2]), persistent=False)

    def forward(
        self, features: Float[Tensor, "batch channels rows columns"]
    ) -> tuple[Float[Tensor, "batch keypoints 2"], Float[Tensor, "batch keypoints"]]:
        """Keypoints (B, K, 2) in model px, and confidences (B, K), of features (B, C, h, w).

        In float32 whatever the network's precision: 8 bits could not tell neighbouring pixels.
        """
        with torch.autocast(features.device.type, enabled=False):
            pooled = features.float().mean(dim=(2, 3))
            relative = self.positions(pooled).unflatten(1, (-1, 2))
            confidences = self.confidences(pooled.detach()).sigmoid()
        return (relative + 1) * self.half_size - 0.5, confidences
