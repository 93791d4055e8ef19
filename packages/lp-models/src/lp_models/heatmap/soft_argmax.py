"""Lightning Pose's soft-argmax, for networks that were trained with it.

Each map is doubled in size until it has the image's, by bicubic interpolation and a binomial blur;
a softmax of temperature 1000 sharpens it; the position is its mean, and the confidence its mass in
the 5×5 pixels around the position. Our own decoding (`lp_core.geometry.decoding`) is quicker, and
exact at every downsample factor; this one exists to reproduce what users have published.
"""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional as F

from lp_core.geometry.decoding import TEMPERATURE, binomial_blur

REACH = 2
"""Pixels on each side of the position whose mass is the confidence."""

Maps = Float[Tensor, "batch keypoints rows columns"]


def doubled(maps: Maps) -> Float[Tensor, "batch keypoints more_rows more_columns"]:
    """Maps of twice the height and width: bicubic, then blurred by (1 4 6 4 1)/16 along each axis.

    Beyond the edge the blur sees zeros.
    """
    size = (2 * maps.shape[2], 2 * maps.shape[3])
    larger = F.interpolate(maps, size=size, mode="bicubic", align_corners=False)
    return binomial_blur(binomial_blur(larger, 2), 3)


def soft_argmax(
    heatmaps: Maps, doublings: int
) -> tuple[Float[Tensor, "batch keypoints 2"], Float[Tensor, "batch keypoints"]]:
    """Positions and confidences of maps, as Lightning Pose computes them.

    Args:
        heatmaps: (B, K, h, w), each with sum 1.
        doublings: How often the maps are doubled.

    Returns:
        (B, K, 2), x and y in pixels of the enlarged map, differentiable; and confidences (B, K).
    """
    with torch.autocast(heatmaps.device.type, enabled=False):
        maps = heatmaps.float()
        for _ in range(doublings):
            maps = doubled(maps)
        mass = (maps * TEMPERATURE).flatten(2).softmax(dim=2).unflatten(2, maps.shape[2:])
        by_column, by_row = mass.sum(dim=2), mass.sum(dim=3)
        columns = torch.arange(maps.shape[3], dtype=mass.dtype, device=mass.device)
        rows = torch.arange(maps.shape[2], dtype=mass.dtype, device=mass.device)
        x, y = (by_column * columns).sum(dim=2), (by_row * rows).sum(dim=2)
        near_x = _near(columns, x).unsqueeze(2)
        near_y = _near(rows, y).unsqueeze(3)
        confidences = (mass * near_x * near_y).sum(dim=(2, 3))
    return torch.stack([x, y], dim=-1), confidences


def _near(
    index: Float[Tensor, " pixels"], centre: Float[Tensor, "batch keypoints"]
) -> Float[Tensor, "batch keypoints pixels"]:
    """1 for the pixels within reach of the one that holds ``centre``, 0 for others."""
    return ((index - centre.detach().floor().unsqueeze(-1)).abs() <= REACH).to(index.dtype)
