"""Our own context head: the features of all frames mixed into those of the middle one."""

from __future__ import annotations

from jaxtyping import Float
from torch import Tensor, nn

from lp_models.heatmap.head import INITIAL_GAIN, HeatmapHead

Window = Float[Tensor, "batch frames channels rows columns"]
Features = Float[Tensor, "batch channels rows columns"]
Maps = Float[Tensor, "batch keypoints cells_y cells_x"]

_WIDTH = 64


class ContextFusion(nn.Module):
    """Adds to the middle frame's features what its neighbours in time say.

    Every frame is projected to a few channels. A 3×3 convolution over all frames and their
    neighbouring cells, whose weights know each frame by its place, sees motion; after a
    non-linearity a second one turns it into a correction of the middle frame. The correction starts
    near nothing, so that training starts from the single-frame tracker.

    Args:
        channels: Channels C of the feature maps.
        frames: Frames per window, F.
    """

    def __init__(self, channels: int, frames: int) -> None:
        super().__init__()
        width = min(_WIDTH, channels)
        self.project = nn.Sequential(nn.Conv2d(channels, width, 1), nn.GroupNorm(1, width))
        self.mix = nn.Sequential(
            nn.Conv2d(frames * width, 2 * width, 3, padding=1),
            nn.GELU(),
            nn.Conv2d(2 * width, width, 3, padding=1),
            nn.GELU(),
        )
        self.correct = nn.Conv2d(width, channels, 1)
        nn.init.xavier_uniform_(self.correct.weight, gain=INITIAL_GAIN)
        assert self.correct.bias is not None
        nn.init.zeros_(self.correct.bias)

    def forward(self, features: Window) -> Features:
        """Features (B, C, rows, columns) of windows (B, F, C, rows, columns)."""
        frames = features.shape[1]
        projected = self.project(features.flatten(0, 1)).unflatten(0, (-1, frames))
        correction: Tensor = self.correct(self.mix(projected.flatten(1, 2)))
        return features[:, frames // 2] + correction


class FusionHeads(nn.Module):
    """One heatmap head, on the middle frame's features and on the fused ones.

    Args:
        channels: Channels C of the feature maps.
        keypoints: Maps per image, K.
        doublings: How often height and width are doubled.
        frames: Frames per window, F.
    """

    def __init__(self, channels: int, keypoints: int, doublings: int, frames: int) -> None:
        super().__init__()
        self.head = HeatmapHead(channels, keypoints, doublings)
        self.fusion = ContextFusion(channels, frames)

    def forward(self, features: Window) -> tuple[Maps, Maps]:
        """Heatmaps of the single-frame and of the multi-frame head, each (B, K, h, w)."""
        return self.head(features[:, features.shape[1] // 2]), self.head(self.fusion(features))
