"""Lightning Pose's context head: a linear recurrence over the maps of five frames."""

from __future__ import annotations

from torch import nn

from lp_core.errors import TrackerError
from lp_models.heatmap.head import (
    HeatmapHead,
    doubling_convolution,
    initialize,
    spatial_softmax,
)
from lp_models.mhcrnn.heads import ContextHeads, Maps, Window

_HIDDEN = 16
"""Hidden channels per keypoint in the step from one frame to the next."""


def _recurrence(keypoints: int) -> nn.Sequential:
    """The step from the maps of one frame to the next, each keypoint on its own."""
    hidden = keypoints * _HIDDEN
    return nn.Sequential(
        nn.Conv2d(keypoints, hidden, kernel_size=2, stride=2, groups=keypoints),
        nn.ConvTranspose2d(hidden, keypoints, kernel_size=2, stride=2, groups=keypoints),
    )


class UpsamplingCRNN(nn.Module):
    """Two linear recurrences, forwards and backwards in time, averaged.

    With features f and the upsampling W: x₀ = W f₀, xₜ = W fₜ + H xₜ₋₁, and the same from the last
    frame to the first. The names of its parameters are those of Lightning Pose, so that its
    weights can be loaded.

    Args:
        channels: Channels C of the feature maps.
        keypoints: Maps per image, K.
        doublings: How often height and width are doubled, 2 or 3.

    Raises:
        TrackerError: It cannot double that often.
    """

    def __init__(self, channels: int, keypoints: int, doublings: int) -> None:
        super().__init__()
        if doublings not in (2, 3):
            raise TrackerError(
                f"the recurrent context head enlarges features 4 or 8 times, not {2**doublings}",
                where="model.context_head",
                remedy="choose context_head: fusion, or another feature_stride",
            )
        self.pixel_shuffle = nn.PixelShuffle(2)
        width = channels // 4
        self.W_pre: nn.Module = nn.Identity()
        if doublings == 3:
            self.W_pre, width = doubling_convolution(width, keypoints), keypoints
        self.W_f, self.H_f = doubling_convolution(width, keypoints), _recurrence(keypoints)
        self.W_b, self.H_b = doubling_convolution(width, keypoints), _recurrence(keypoints)
        self.apply(initialize)

    def forward(self, features: Window) -> Maps:
        """Heatmaps (B, K, h, w) of the features (B, F, C, rows, columns) of whole windows."""
        frames = features.shape[1]
        maps = self.W_pre(self.pixel_shuffle(features.flatten(0, 1)))
        ahead = self.W_f(maps).unflatten(0, (-1, frames)).unbind(1)
        behind = self.W_b(maps).unflatten(0, (-1, frames)).unbind(1)
        forwards, backwards = ahead[0], behind[-1]
        for step in range(1, frames):
            forwards = ahead[step] + self.H_f(forwards)
            backwards = behind[-1 - step] + self.H_b(backwards)
        return spatial_softmax((forwards + backwards) / 2)


class RecurrentHeads(ContextHeads):
    """A single-frame head on the middle frame, and an `UpsamplingCRNN` on all frames."""

    def __init__(self, channels: int, keypoints: int, doublings: int) -> None:
        super().__init__()
        self.head_sf = HeatmapHead(channels, keypoints, doublings)
        self.head_mf = UpsamplingCRNN(channels, keypoints, doublings)

    def forward(self, features: Window) -> tuple[Maps, Maps]:
        """Heatmaps of the single-frame and of the multi-frame head, each (B, K, h, w)."""
        return self.head_sf(features[:, features.shape[1] // 2]), self.head_mf(features)
