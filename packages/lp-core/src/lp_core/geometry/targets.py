"""Heatmap cells, and the Gaussian targets that a tracker learns from.

A heatmap is a probability map over cells: each map sums to 1. Cells and pixels are two scales of
one image, related by `lp_core.geometry.affine.resizing`: with factor f, model px = (cell + 1/2) * f
- 1/2.
"""

from __future__ import annotations

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from lp_core.geometry.affine import resize_points
from lp_core.poses.table import Visibility

SIGMA = 1.25
"""Standard deviation of a target Gaussian in cells, as in Lightning Pose."""


def cells_to_pixels(
    points: Float[Tensor, "*batch points 2"],
    heatmap_size: tuple[int, int],
    image_size: tuple[int, int],
) -> Float[Tensor, "*batch points 2"]:
    """Heatmap cells to model px; sizes are (height, width)."""
    return resize_points(points, heatmap_size, image_size)


def pixels_to_cells(
    points: Float[Tensor, "*batch points 2"],
    image_size: tuple[int, int],
    heatmap_size: tuple[int, int],
) -> Float[Tensor, "*batch points 2"]:
    """Model px to heatmap cells; sizes are (height, width)."""
    return resize_points(points, image_size, heatmap_size)


def _profiles(
    positions: Float[Tensor, "batch keypoints"], length: int, sigma: float
) -> Float[Tensor, "batch keypoints cells"]:
    """One-dimensional Gaussians over ``length`` cells, each with sum 1."""
    cells = torch.arange(length, dtype=positions.dtype, device=positions.device)
    # the softmax of the exponent is the normalised Gaussian, and cannot divide by 0
    exponents = (cells - positions.nan_to_num().unsqueeze(-1)).square() / (-2 * sigma**2)
    return exponents.softmax(dim=-1)


def _inside(
    keypoints: Float[Tensor, "batch keypoints 2"], image_size: tuple[int, int]
) -> Bool[Tensor, "batch keypoints"]:
    """Keypoints that are in the image, or at most 1 px outside; NaN is not."""
    x, y = keypoints.unbind(dim=-1)
    return (x >= -1) & (x <= image_size[1]) & (y >= -1) & (y <= image_size[0])


def heatmap_targets(
    keypoints: Float[Tensor, "batch keypoints 2"],
    image_size: tuple[int, int],
    heatmap_size: tuple[int, int],
    *,
    sigma: float = SIGMA,
    visibility: Int[Tensor, "batch keypoints"] | None = None,
    uniform_missing: bool = False,
) -> Float[Tensor, "batch keypoints cells_y cells_x"]:
    """One target map per keypoint.

    A Gaussian is the product of a row and a column profile; each has sum 1, so the map has, also
    where the image's edge cuts it.

    Args:
        keypoints: (B, K, 2) model px, NaN where missing.
        image_size: (H, W) in model px.
        heatmap_size: (h, w) in cells.
        sigma: Standard deviation in cells.
        visibility: (B, K): 0 unlabelled, a map of zeros, which no loss sees; 1 occluded, a uniform
            map; 2 visible, a Gaussian. None stands for 2 everywhere.
        uniform_missing: Give a keypoint that is missing but not marked as unlabelled a uniform map
            instead of zeros: the tracker then learns to be unsure of it.

    Returns:
        (B, K, h, w); a keypoint that is NaN or more than 1 px outside the image gives zeros or,
        with ``uniform_missing``, a uniform map.
    """
    height, width = heatmap_size
    cells = pixels_to_cells(keypoints, image_size, heatmap_size)
    columns = _profiles(cells[..., 0], width, sigma)
    rows = _profiles(cells[..., 1], height, sigma)
    present = _inside(keypoints, image_size)
    uniform = torch.full_like(present, uniform_missing) & ~present
    if visibility is not None:
        uniform = (uniform & (visibility > Visibility.UNLABELED)) | (
            visibility == Visibility.OCCLUDED
        )
        present = present & (visibility == Visibility.VISIBLE)
    rows = rows * present.unsqueeze(-1)
    rows = torch.where(uniform.unsqueeze(-1), 1.0 / height, rows)
    columns = torch.where(uniform.unsqueeze(-1), 1.0 / width, columns)
    return rows.unsqueeze(-1) * columns.unsqueeze(-2)
