"""Maps with one peak for each animal: their targets, their head, and the positions of their peaks.

A target is exp(-d² / 2σ²) of the distance d to the nearest animal, from 0 to 1, so that animals
close together do not add up. A peak of such a map is decoded exactly by a parabola through the
logarithms of its neighbours.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal, NamedTuple

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.nn import functional as F

from lp_core.errors import TrackerError
from lp_core.geometry.targets import SIGMA, cells_to_pixels, pixels_to_cells
from lp_core.trackers.options import TrackerOptions

Maps = Float[Tensor, "*batch cells_y cells_x"]

_WIDTH = 64
_FIRST_SCORE = 0.05
"""Scores of an untrained tracker: most of a frame shows no animal, and a start at one half would
spend the first steps on learning that."""


@dataclass(frozen=True, kw_only=True)
class PeakOptions(TrackerOptions):
    """Options of trackers that find any number of animals by peaks.

    Attributes:
        downsample_factor: A cell of the maps is 2^downsample_factor model px wide and high.
        feature_stride: Model px per feature cell; 16 keeps small animals apart.
        max_animals: Animals that are found in one image at most.
        min_distance: Cells between two peaks of one map at least.
    """

    downsample_factor: Literal[1, 2, 3] = 2
    feature_stride: int | None = 16
    max_animals: int = 20
    min_distance: int = 1

    def __post_init__(self) -> None:
        super().__post_init__()
        for name in ("max_animals", "min_distance"):
            if getattr(self, name) < 1:
                raise TrackerError(f"{name} must be at least 1, got {getattr(self, name)}")

    @property
    def cell_size(self) -> int:
        """Model px per cell of the maps, along each axis."""
        return 1 << self.downsample_factor


class Nearest(NamedTuple):
    """For each cell of the maps of some images the point that is nearest to it.

    Attributes:
        squared: (B, K, h, w) its distance in cells, squared; infinite where a map has no point.
        row: (B, K, h, w) the row that it is of, of equally near ones the last; 0 where there is
            none.
    """

    squared: Float[Tensor, "images keypoints cells_y cells_x"]
    row: Int[Tensor, "images keypoints cells_y cells_x"]


def nearest_points(
    points: Float[Tensor, "rows keypoints 2"],
    image: Int[Tensor, " rows"],
    images: int,
    image_size: tuple[int, int],
    map_size: tuple[int, int],
) -> Nearest:
    """Which point of its keypoint each cell is nearest to.

    Args:
        points: (R, K, 2) model px; a NaN leaves no trace.
        image: (R,) the image that each row is on.
        images: B, how many there are.
        image_size: (H, W) in model px.
        map_size: (h, w) in cells.
    """
    cells = pixels_to_cells(points, image_size, map_size)
    known = cells.isfinite().all(dim=-1)[..., None, None]
    columns, rows = (_squares(cells[..., axis], map_size[1 - axis]) for axis in (0, 1))
    squared = torch.where(known, rows.unsqueeze(-1) + columns.unsqueeze(-2), torch.inf)
    places = image[:, None, None, None].expand_as(squared)
    shape = (images, *squared.shape[1:])
    least = squared.new_full(shape, torch.inf).scatter_reduce(0, places, squared, reduce="amin")
    number = torch.arange(len(points), device=points.device)[:, None, None, None]
    own = torch.where(known & (squared == least[image]), number, 0)
    row = torch.zeros_like(least, dtype=torch.long).scatter_reduce(0, places, own, reduce="amax")
    return Nearest(least, row)


def peak_targets(nearest: Nearest) -> Float[Tensor, "images keypoints cells_y cells_x"]:
    """One target map for each keypoint of each image."""
    return (nearest.squared / (-2 * SIGMA**2)).exp()


def _squares(
    position: Float[Tensor, "rows keypoints"], length: int
) -> Float[Tensor, "rows keypoints cells"]:
    cells = torch.arange(length, dtype=position.dtype, device=position.device)
    return (cells - position.nan_to_num().unsqueeze(-1)).square()


def peak_head(channels: int, doublings: int, peaks: int, others: int = 0) -> nn.Sequential:
    """From features (B, C, rows, columns) to maps (B, M, h, w), by doubling their size.

    Args:
        channels: C of the features.
        doublings: How often height and width are doubled.
        peaks: How many of the maps, the first ones, are logits of peaks.
        others: How many follow, which start near 0.
    """
    layers: list[nn.Module] = [nn.Conv2d(channels, _WIDTH, 3, padding=1), nn.ReLU()]
    for _ in range(doublings):
        layers += [nn.Conv2d(_WIDTH, 4 * _WIDTH, 1), nn.PixelShuffle(2), nn.ReLU()]
    last = nn.Conv2d(_WIDTH, peaks + others, 3, padding=1)
    assert last.bias is not None
    with torch.no_grad():
        last.bias[:peaks] = math.log(_FIRST_SCORE / (1 - _FIRST_SCORE))
        last.bias[peaks:] = 0
    return nn.Sequential(*layers, last)


def find_peaks(
    logits: Maps, most: int, min_distance: int, image_size: tuple[int, int]
) -> tuple[Float[Tensor, "*batch peaks 2"], Float[Tensor, "*batch peaks"]]:
    """The highest peaks of each map, the highest first.

    The result has the same shape for every map, whatever it shows, so that no number has to be
    waited for.

    Args:
        logits: (..., h, w) logits of the maps.
        most: M, how many to find; capped by the number of cells.
        min_distance: Cells in each direction in which a peak is the highest.
        image_size: (H, W) in model px.

    Returns:
        points: (..., M, 2) model px, differentiable.
        scores: (..., M) the height of each, from 0 to 1; 0 where there is no further peak.
    """
    *batch, height, width = logits.shape
    maps = logits.reshape(-1, height, width)
    values = maps.detach()
    is_peak = values == _highest_around(values, min_distance)
    # of cells of equal height next to each other only the last is a peak
    number = torch.arange(height * width, dtype=values.dtype, device=values.device) + 1
    numbered = torch.where(is_peak, number.view(height, width), 0.0)
    is_peak = is_peak & (numbered == _highest_around(numbered, min_distance))
    heights = torch.where(is_peak, maps.sigmoid(), 0.0).flatten(1)
    scores, index = heights.topk(min(most, height * width), dim=1)
    row, column = index // width, index % width
    log = _with_edges(_with_edges(F.logsigmoid(maps)).mT).mT.flatten(1)
    padded = (row + 1) * (width + 2) + column + 1
    offsets = [_parabola(log, padded, step) for step in (1, width + 2)]
    cells = torch.stack([column + offsets[0], row + offsets[1]], dim=-1)
    points = cells_to_pixels(cells, (height, width), image_size)
    return points.reshape(*batch, -1, 2), scores.reshape(*batch, -1)


def _with_edges(log: Float[Tensor, "maps cells_y cells_x"]) -> Float[Tensor, "maps cells_y _wider"]:
    """Logarithms of maps with a column more on each side, as a target's Gaussian goes on there."""
    second = min(1, log.shape[2] - 1)
    before = 2 * log[..., :1] - log[..., second : second + 1] - 1 / SIGMA**2
    last = log.shape[2] - 1
    after = 2 * log[..., last:] - log[..., last - second : last - second + 1] - 1 / SIGMA**2
    return torch.cat([before, log, after], dim=2)


def _highest_around(
    maps: Float[Tensor, "maps cells_y cells_x"], distance: int
) -> Float[Tensor, "maps cells_y cells_x"]:
    """For each cell the largest value within a distance along both axes."""
    return F.max_pool2d(maps, 2 * distance + 1, stride=1, padding=distance)


def _parabola(
    log: Float[Tensor, "maps cells"], place: Int[Tensor, "maps peaks"], step: int
) -> Float[Tensor, "maps peaks"]:
    """How far the vertex of the parabola through a cell and its two neighbours is from it."""
    before, here, after = (log.gather(1, place + shift) for shift in (-step, 0, step))
    curvature = (2 * here - before - after).clamp_min(1e-6)
    return ((after - before) / (2 * curvature)).clamp(-0.5, 0.5)


def nearest_peaks(
    peaks: Float[Tensor, "rows keypoints peaks 2"], points: Float[Tensor, "rows keypoints 2"]
) -> Float[Tensor, "rows keypoints 2"]:
    """Of the peaks of each keypoint the one that is nearest to a point; any where it is NaN."""
    distance = torch.linalg.vector_norm(peaks.detach() - points.unsqueeze(2), dim=-1)
    nearest = distance.nan_to_num().argmin(dim=2)
    return peaks.take_along_dim(nearest[..., None, None], dim=2).squeeze(2)


def between_heights(
    heights: Float[Tensor, "*batch"], cells: Float[Tensor, "*batch 2"]
) -> Float[Tensor, "*batch"]:
    """How high peaks are at (x, y) in cells, where ``heights`` are those of their nearest cells.

    A peak is taken to be as wide as a target, so that it is as high wherever it is.
    """
    away = (cells - cells.round()).square().sum(dim=-1)
    return (heights * (away / (2 * SIGMA**2)).exp()).clamp_max(1)


def between_cells(
    maps: Float[Tensor, "maps channels cells_y cells_x"], cells: Float[Tensor, "maps points 2"]
) -> Float[Tensor, "maps points channels"]:
    """Bilinear values of maps at (x, y) in cells; beyond the edge those of the edge."""
    x, y = (2 * cells[..., axis] / max(maps.shape[3 - axis] - 1, 1) - 1 for axis in (0, 1))
    grid = torch.stack([x, y], dim=-1)
    values = F.grid_sample(maps, grid[:, None], padding_mode="border", align_corners=True)
    return values[:, :, 0].transpose(1, 2)
