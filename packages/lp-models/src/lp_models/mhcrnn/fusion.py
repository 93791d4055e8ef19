"""Our own context head: the features of all frames, mixed without losing the middle one's."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor, nn

from lp_models.heatmap.head import (
    INITIAL_GAIN,
    HeatmapHead,
    initialize,
    spatial_softmax,
    upsampling,
)
from lp_models.mhcrnn.heads import ContextHeads, Maps, Window

Fused = Float[Tensor, "batch fused rows columns"]

_PROJECTED = 96
_MIXED = 256
_HIDDEN = 64


class ContextFusion(nn.Module):
    """What the frames of a window say together, beside the features of the middle one.

    Every frame is projected to a few channels. A 3×3 convolution over all frames and their
    neighbouring cells, whose weights know each frame by its place, sees motion and, as it mixes all
    channels, what one keypoint tells about another. Its outputs stand beside the middle frame's
    features, which pass unchanged.

    Args:
        channels: Channels C of the feature maps; a multiple of 4.
        frames: Frames per window, F.

    Attributes:
        channels: Of its outputs, C + 256.
    """

    def __init__(self, channels: int, frames: int) -> None:
        super().__init__()
        self.channels = channels + _MIXED
        self.project = nn.Sequential(
            nn.Conv2d(channels, _PROJECTED, 1), nn.GroupNorm(1, _PROJECTED), nn.GELU()
        )
        self.mix = nn.Sequential(nn.Conv2d(frames * _PROJECTED, _MIXED, 3, padding=1), nn.GELU())

    def forward(self, features: Window) -> Fused:
        """Features (B, C + 256, rows, columns) of windows (B, F, C, rows, columns)."""
        frames = features.shape[1]
        projected = self.project(features.flatten(0, 1)).unflatten(0, (-1, frames))
        return torch.cat([self.mix(projected.flatten(1, 2)), features[:, frames // 2]], dim=1)


class GELUDecoder(nn.Module):
    """`upsampling` with GELU between the doublings, of which it takes the arguments."""

    def __init__(self, channels: int, keypoints: int, doublings: int) -> None:
        super().__init__()
        layers = upsampling(channels, keypoints, doublings, hidden=_HIDDEN)
        self.layers = nn.Sequential(*layers)
        initialize(self.layers[-1], INITIAL_GAIN)  # maps start nearly uniform

    def forward(self, features: Fused) -> Maps:
        """Maps (B, K, h, w) before the softmax, of feature maps (B, C, rows, columns)."""
        maps: Tensor = self.layers(features)
        return maps


class FusionHeads(ContextHeads):
    """A single-frame head on the middle frame, and one on the fused features of all frames."""

    def __init__(self, channels: int, keypoints: int, doublings: int, frames: int) -> None:
        super().__init__()
        self.single = HeatmapHead(channels, keypoints, doublings)
        self.fusion = ContextFusion(channels, frames)
        self.decoder = GELUDecoder(self.fusion.channels, keypoints, doublings)

    def forward(self, features: Window) -> tuple[Maps, Maps]:
        """Heatmaps of the single-frame and of the multi-frame head, each (B, K, h, w)."""
        single = self.single(features[:, features.shape[1] // 2])
        return single, spatial_softmax(self.decoder(self.fusion(features)))
