"""Crops of one size, each centred on an animal."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from lp_core.poses import PoseTable
from lp_core.poses.centroids import bounding_boxes
from lp_core.regions import Box, Region
from lp_data.errors import BoxFileError

MARGIN = 1.25
"""Size of a crop over that of the largest animal: room for a centroid that is a little off."""

STEP = 32
"""Crops are a multiple of so many px, which the strides of all backbones divide."""


def crop_side(table: PoseTable) -> int:
    """The side of square crops that hold every labelled animal, in frame px.

    Raises:
        BoxFileError: No row has a position.
    """
    low, high = bounding_boxes(table.points).swapaxes(0, 1)
    sides = high - low
    if np.isnan(sides).all():
        raise BoxFileError(
            "no animal has a labelled keypoint, so the size of crops cannot be told",
            remedy="label frames, or set animals.crop_size",
        )
    return max(STEP, STEP * math.ceil(MARGIN * float(np.nanmax(sides)) / STEP))


def centred_box(centre: Sequence[float], size: tuple[int, int]) -> Box:
    """The box of (height, width) in frame px whose middle is nearest to (x, y)."""
    height, width = size
    left, top = (
        math.floor(middle - length / 2 + 1)
        for middle, length in zip(centre, (width, height), strict=True)
    )
    return Box(left, top, width, height)


class CentredRegions:
    """A crop on each animal of each frame of a table: a `lp_core.regions.RegionSource`.

    Rows without a position, such as those of frames without animals, have none.

    Args:
        table: Poses in frame px, with a name for each of several animals of a frame.
        size: (height, width) of the crops in frame px.
    """

    def __init__(self, table: PoseTable, size: tuple[int, int]) -> None:
        middles: Float[ndarray, "rows 2"] = bounding_boxes(table.points).mean(axis=1)
        names = table.individual or (None,) * len(table)
        self._regions = {
            frame: tuple(
                Region(centred_box(middles[row].tolist(), size), names[row])
                for row in rows.tolist()
                if np.isfinite(middles[row]).all()
            )
            for frame, rows in table.by_frame()
        }

    def regions(self, frame: str | int) -> tuple[Region, ...]:
        """The crops of a frame; none where no animal is known."""
        return self._regions.get(frame, ())
