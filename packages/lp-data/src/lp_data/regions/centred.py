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
from lp_data.errors import BoxFileError, DataModuleError

MARGIN = 1.25
"""Size of a crop over that of the largest animal: room for a centroid that is a little off."""

STEP = 32
"""Crops are a multiple of so many px, which the strides of all backbones divide."""

FOUND, LONGEST = 40, 512
"""Model px across the median animal, and the longest side of a frame, where animals are found."""

POSED, LONGEST_POSED, ENLARGED = 96, 768, 1.5
"""The same where the keypoints of all animals are found at once, and model px per frame px at
most."""


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


def check_count(table: PoseTable, count: int | None) -> None:
    """Refuse labels of more animals on an image than there should be at most.

    Raises:
        DataModuleError: There is such an image.
    """
    for image, rows in table.by_frame():
        labelled = int((table.codes[rows] > 0).any(axis=1).sum())
        if count is not None and labelled > count:
            raise DataModuleError(
                f"{labelled} animals are labelled on '{image}', but animals.count is {count}",
                where=table.place(int(rows[0])),
                remedy=f"set animals.count to {labelled} or more, or leave it out",
            )


def crop_notes(table: PoseTable, crop: tuple[int, int], frame: tuple[int, int]) -> tuple[str, ...]:
    """What is odd about crops of (height, width) on frames of (height, width), all in frame px."""
    low, high = bounding_boxes(table.points).swapaxes(0, 1)
    sides = (high - low)[np.isfinite(low).all(axis=1)]
    beyond = int((sides > crop[::-1]).any(axis=1).sum())
    size = f"{crop[1]}×{crop[0]} px"
    notes = []
    if beyond:
        notes.append(
            f"warning: {beyond} of {len(sides)} labelled animals are larger than the crops of "
            f"{size}; keypoints beyond are not learnt; a larger animals.crop_size holds them"
        )
    if crop[0] > frame[0] and crop[1] > frame[1]:
        notes.append(
            f"note: the crops of {size} are larger than the frames of {frame[1]}×{frame[0]} px, "
            "and black beyond; a smaller animals.crop_size is quicker"
        )
    return tuple(notes)


def crop_size(side: int, image_size: tuple[int, int]) -> tuple[int, int]:
    """(height, width) in frame px of crops whose longer side is ``side``.

    They have the shape of ``image_size``, which is (height, width) in model px.
    """
    height, width = (4 * math.ceil(side * part / max(image_size) / 4) for part in image_size)
    return height, width


def finding_size(table: PoseTable, frame_size: tuple[int, int]) -> tuple[int, int]:
    """(height, width) in model px of whole frames in which animals are to be found.

    Args:
        table: Labelled animals in frame px.
        frame_size: (height, width) in frame px.
    """
    return _scaled(frame_size, min(1.0, FOUND / _across(table), LONGEST / max(frame_size)))


def posing_size(table: PoseTable, frame_size: tuple[int, int]) -> tuple[int, int]:
    """(height, width) in model px of whole frames whose animals' keypoints are to be found.

    Args:
        table: Labelled animals in frame px.
        frame_size: (height, width) in frame px.
    """
    scale = min(ENLARGED, POSED / _across(table), LONGEST_POSED / max(frame_size))
    return _scaled(frame_size, scale)


def _across(table: PoseTable) -> float:
    """The longer side of the box around the median animal, in frame px."""
    low, high = bounding_boxes(table.points).swapaxes(0, 1)
    return float(np.nanmedian((high - low).max(axis=1)))


def _scaled(size: tuple[int, int], scale: float) -> tuple[int, int]:
    height, width = (max(STEP, STEP * round(scale * side / STEP)) for side in size)
    return height, width


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
