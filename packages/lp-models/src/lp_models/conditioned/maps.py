"""A condition as maps, and how they join what is seen."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

CELL = 4
"""Model px per cell of the maps, along each axis."""

_HIDDEN = 32
_MIXED = 64

Condition = Float[Tensor, "batch keypoints 2"]
Maps = Float[Tensor, "batch keypoints cells_y cells_x"]
Features = Float[Tensor, "batch channels rows columns"]
Hidden = Float[Tensor, "batch hidden cells_y cells_x"]


def condition_maps(condition: Condition, image_size: tuple[int, int], width: float) -> Maps:
    """A Gaussian of height 1 around each keypoint; 0 where it is not known.

    Args:
        condition: Model px, NaN where a keypoint is not known.
        image_size: (H, W) in model px; a cell is `CELL` of them wide and high.
        width: Standard deviation in model px.
    """
    along = [
        _gaussian(condition[..., axis], image_size[1 - axis] // CELL, width) for axis in (0, 1)
    ]
    return along[1].unsqueeze(-1) * along[0].unsqueeze(-2)


def _gaussian(
    centre: Float[Tensor, "batch keypoints"], cells: int, width: float
) -> Float[Tensor, "batch keypoints cells"]:
    place = (torch.arange(cells, device=centre.device) + 0.5) * CELL - 0.5
    off = (place - centre.unsqueeze(-1)) / width
    return torch.exp(-0.5 * off.square()).nan_to_num(0.0)


class ConditionInput(nn.Module):
    """Maps become what is added to the normalised image: at first nothing.

    Args:
        keypoints: K.
    """

    def __init__(self, keypoints: int) -> None:
        super().__init__()
        self.first = nn.Conv2d(keypoints, _HIDDEN, 3, padding=1)
        self.colours = _silent(nn.Conv2d(_HIDDEN, 3, 3, padding=1))

    def forward(
        self, maps: Maps, image_size: tuple[int, int]
    ) -> tuple[Float[Tensor, "batch 3 height width"], Hidden]:
        """What is added to images of (H, W), and features of the maps at their own size."""
        hidden = F.gelu(self.first(maps))
        colours = F.interpolate(self.colours(hidden), image_size, mode="bilinear")
        return colours, hidden


class ConditionMixing(nn.Module):
    """Features of the image and of the maps become what is added to the former: at first nothing.

    Args:
        channels: C of the image's features.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.mixing = nn.Conv2d(channels + _HIDDEN, _MIXED, 3, padding=1)
        self.change = _silent(nn.Conv2d(_MIXED, channels, 1))

    def forward(self, features: Features, hidden: Hidden) -> Features:
        """Features of the image (B, C, rows, columns), changed by those of the maps."""
        rows, columns = features.shape[2:]
        pooled = F.adaptive_avg_pool2d(hidden, (rows, columns))
        mixed = F.gelu(self.mixing(torch.cat([features, pooled.to(features.dtype)], dim=1)))
        changed: Tensor = features + self.change(mixed)
        return changed


def _silent(layer: nn.Conv2d) -> nn.Conv2d:
    """The layer, whose output is 0 until it learns."""
    nn.init.zeros_(layer.weight)
    assert layer.bias is not None
    nn.init.zeros_(layer.bias)
    return layer
