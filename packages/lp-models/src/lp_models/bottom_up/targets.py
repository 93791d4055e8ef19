"""What a bottom-up tracker learns from labels: peaks, and votes for the centres of animals."""

from __future__ import annotations

from typing import NamedTuple

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from lp_core.batches import LabeledBatch
from lp_core.geometry.targets import cells_to_pixels
from lp_core.poses import Visibility
from lp_models.bottom_up.options import BottomUpOptions
from lp_models.peaks import nearest_points, peak_targets

_NEAR = 3.0
"""Cells around a keypoint that learn to vote."""

_PEAK = 0.01
"""Cells with a higher target show a known keypoint."""


class Targets(NamedTuple):
    """What the maps of B images should be.

    Attributes:
        peaks: (B, K + 1, h, w) from 0 to 1, of the keypoints and then of the centres; NaN where
            it is not known.
        offsets: (B, K, 2, h, w) from each cell to the centre of the animal whose keypoint is the
            nearest, in body lengths; NaN where none is near.
    """

    peaks: Float[Tensor, "images maps cells_y cells_x"]
    offsets: Float[Tensor, "images keypoints 2 cells_y cells_x"]


def animal_centres(keypoints: Float[Tensor, "rows keypoints 2"]) -> Float[Tensor, "rows 2"]:
    """The mean of the keypoints that have a position, in their space; NaN where none has."""
    return keypoints.nanmean(dim=1)


def make_targets(
    batch: LabeledBatch, image: Int[Tensor, " rows"], options: BottomUpOptions
) -> Targets:
    """The targets of a labelled batch.

    Where a keypoint of an animal is unlabelled, nothing is learnt of its map within a body length
    of the animal, but of other peaks there.

    Args:
        batch: The batch.
        image: (R,) the image that each row is on.
        options: Of the tracker.
    """
    (height, width), cell = options.image_size, options.cell_size
    size, images = (height // cell, width // cell), len(batch["images"])
    least = Visibility.OCCLUDED if options.occluded_targets == "position" else Visibility.VISIBLE
    taught = (batch["visibility"] >= least.value).unsqueeze(-1)
    shown = torch.where(taught, batch["keypoints"], torch.nan)
    centres = animal_centres(shown)
    points = torch.cat([shown, centres.unsqueeze(1)], dim=1)
    near = nearest_points(points, image, images, options.image_size, size)
    peaks, cells = peak_targets(near), _cells(size, options.image_size, points)
    hidden = batch["visibility"] == Visibility.UNLABELED.value
    unknown = _around(hidden, centres, cells, image, images, options.body_length)
    K = options.num_keypoints
    peaks[:, :K] = torch.where(unknown & (peaks[:, :K] < _PEAK), torch.nan, peaks[:, :K])
    away = torch.where(near.squared[:, :K] <= _NEAR**2, 0.0, torch.nan).unsqueeze(2)
    aims = _rows(centres, near.row[:, :K]) - cells
    return Targets(peaks, aims / options.body_length + away)


def _cells(
    size: tuple[int, int], image_size: tuple[int, int], like: Tensor
) -> Float[Tensor, "2 cells_y cells_x"]:
    """The (x, y) of every cell in model px."""
    rows, columns = (torch.arange(length, dtype=like.dtype, device=like.device) for length in size)
    grid = torch.stack(torch.meshgrid(columns, rows, indexing="xy"), dim=-1)
    return cells_to_pixels(grid, size, image_size).movedim(-1, 0)


def _rows(
    centres: Float[Tensor, "rows 2"], row: Int[Tensor, "images keypoints cells_y cells_x"]
) -> Float[Tensor, "images keypoints 2 cells_y cells_x"]:
    """The centre of the row at each cell; NaN where there are no rows."""
    spare = centres.new_full((1, 2), torch.nan)  # so that row 0 exists
    return torch.cat([centres, spare])[row].movedim(-1, 2)


def _around(
    hidden: Bool[Tensor, "rows keypoints"],
    centres: Float[Tensor, "rows 2"],
    cells: Float[Tensor, "2 cells_y cells_x"],
    image: Int[Tensor, " rows"],
    images: int,
    reach: float,
) -> Bool[Tensor, "images keypoints cells_y cells_x"]:
    """The cells near an animal of which a keypoint is hidden; none where its centre is NaN."""
    close = (cells - centres[..., None, None]).square().sum(dim=1) <= reach**2
    unknown = (hidden[..., None, None] & close.unsqueeze(1)).to(centres.dtype)
    places = image[:, None, None, None].expand_as(unknown)
    found = unknown.new_zeros((images, *unknown.shape[1:]))
    return found.scatter_reduce(0, places, unknown, reduce="amax") > 0
