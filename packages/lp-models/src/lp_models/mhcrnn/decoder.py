"""From fused features to heatmaps, with a non-linearity between the doublings."""

from __future__ import annotations

from collections.abc import Iterator

from jaxtyping import Float
from torch import Tensor, nn

from lp_models.heatmap.head import INITIAL_GAIN, doubling_convolution

_WIDTH = 64
"""Channels between two doublings."""


class GELUDecoder(nn.Module):
    """Pixel shuffle, then transposed convolutions with GELU between them.

    Without a doubling it is a 3×3 convolution alone, with one a pixel shuffle and a 3×3
    convolution.

    Args:
        channels: Channels C of the feature maps; a multiple of 4 where it doubles.
        keypoints: Maps per image, K.
        doublings: How often height and width are doubled.
    """

    def __init__(self, channels: int, keypoints: int, doublings: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(*_layers(channels, keypoints, doublings))
        last = self.layers[-1]
        assert isinstance(last, nn.Conv2d | nn.ConvTranspose2d)
        assert last.bias is not None
        nn.init.xavier_uniform_(last.weight, gain=INITIAL_GAIN)  # maps start nearly uniform
        nn.init.zeros_(last.bias)

    def forward(
        self, features: Float[Tensor, "batch channels rows columns"]
    ) -> Float[Tensor, "batch keypoints cells_y cells_x"]:
        """Maps (B, K, h, w) before the softmax, of feature maps (B, C, rows, columns)."""
        maps: Tensor = self.layers(features)
        return maps


def _layers(channels: int, keypoints: int, doublings: int) -> Iterator[nn.Module]:
    """The layers that double height and width ``doublings`` times."""
    if doublings:
        yield nn.PixelShuffle(2)
        channels //= 4
    if doublings < 2:
        yield nn.Conv2d(channels, keypoints, kernel_size=3, padding=1)
        return
    for _ in range(doublings - 2):
        yield doubling_convolution(channels, _WIDTH)
        yield nn.GELU()
        channels = _WIDTH
    yield doubling_convolution(channels, keypoints)
