"""Maps with one peak for each animal: their targets, and the positions of their peaks.

A target is exp(-d² / 2σ²) of the distance d to the nearest animal, from 0 to 1, so that animals
close together do not add up. A peak of such a map is decoded exactly by a parabola through the
logarithms of its neighbours.
"""

from __future__ import annotations

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn import functional as F

from lp_core.geometry.targets import SIGMA, cells_to_pixels, pixels_to_cells

Maps = Float[Tensor, "images cells_y cells_x"]


def peak_targets(
    points: Float[Tensor, "rows 2"],
    image: Int[Tensor, " rows"],
    images: int,
    image_size: tuple[int, int],
    map_size: tuple[int, int],
) -> Maps:
    """One target map for each image.

    Args:
        points: (R, 2) model px; a NaN leaves no trace.
        image: (R,) the image that each point is on.
        images: How many images there are.
        image_size: (H, W) in model px.
        map_size: (h, w) in cells.
    """
    cells = pixels_to_cells(points, image_size, map_size)
    known = cells.isfinite().all(dim=-1)[:, None, None]
    columns, rows = (_profile(cells[:, axis], map_size[1 - axis]) for axis in (0, 1))
    gaussians = torch.where(known, rows.unsqueeze(2) * columns.unsqueeze(1), 0.0)
    maps = points.new_zeros((images, *map_size))
    places = image[:, None, None].expand_as(gaussians)
    return maps.scatter_reduce(0, places, gaussians, reduce="amax")


def _profile(position: Float[Tensor, " rows"], length: int) -> Float[Tensor, "rows cells"]:
    cells = torch.arange(length, dtype=position.dtype, device=position.device)
    distance = cells - position.nan_to_num().unsqueeze(-1)
    return (distance.square() / (-2 * SIGMA**2)).exp()


def find_peaks(
    logits: Maps, most: int, min_distance: int, image_size: tuple[int, int]
) -> tuple[Float[Tensor, "images peaks 2"], Float[Tensor, "images peaks"]]:
    """The highest peaks of each map, the highest first.

    The result has the same shape for every map, whatever it shows, so that no number has to be
    waited for.

    Args:
        logits: (B, h, w) logits of the maps.
        most: M, how many to find; capped by the number of cells.
        min_distance: Cells in each direction in which a peak is the highest.
        image_size: (H, W) in model px.

    Returns:
        points: (B, M, 2) model px, differentiable.
        scores: (B, M) the height of each, from 0 to 1; 0 where there is no further peak.
    """
    height, width = logits.shape[1:]
    values = logits.detach()
    is_peak = values == _highest_around(values, min_distance)
    # of cells of equal height next to each other only the last is a peak
    number = torch.arange(height * width, dtype=values.dtype, device=values.device) + 1
    numbered = torch.where(is_peak, number.view(height, width), 0.0)
    is_peak = is_peak & (numbered == _highest_around(numbered, min_distance))
    heights = torch.where(is_peak, logits.sigmoid(), 0.0).flatten(1)
    scores, index = heights.topk(min(most, height * width), dim=1)
    row, column = index // width, index % width
    log = F.pad(F.logsigmoid(logits)[:, None], (1, 1, 1, 1), mode="replicate").flatten(1)
    padded = (row + 1) * (width + 2) + column + 1
    offsets = [_parabola(log, padded, step) for step in (1, width + 2)]
    cells = torch.stack([column + offsets[0], row + offsets[1]], dim=-1)
    return cells_to_pixels(cells, (height, width), image_size), scores


def _highest_around(maps: Maps, distance: int) -> Maps:
    """For each cell the largest value within a distance along both axes."""
    return F.max_pool2d(maps, 2 * distance + 1, stride=1, padding=distance)


def _parabola(
    log: Float[Tensor, "images cells"], place: Int[Tensor, "images peaks"], step: int
) -> Float[Tensor, "images peaks"]:
    """How far the vertex of the parabola through a cell and its two neighbours is from it."""
    before, here, after = (log.gather(1, place + shift) for shift in (-step, 0, step))
    curvature = (2 * here - before - after).clamp_min(1e-6)
    return ((after - before) / (2 * curvature)).clamp(-0.5, 0.5)
