"""Which frame of a video each row of a table of predictions belongs to."""

from __future__ import annotations

import re
from array import array
from collections.abc import Iterable
from dataclasses import replace
from itertools import groupby
from pathlib import Path

import numpy as np
from jaxtyping import Int
from numpy import ndarray

from lp_core.errors import PoseError
from lp_core.poses import PoseTable

FrameNumbers = Int[ndarray, " _rows"]

_NUMBER = re.compile(r"\s*([+-]?\d+)(\.0*)?\s*", re.ASCII)
_LARGEST = 2**63 - 1
_MOST_LISTED = 5  # stretches of frames in a message


def frame_numbers(cells: Iterable[object], where: Path) -> FrameNumbers | None:
    """The frame that each row belongs to; None for a table of images, whose rows have no numbers.

    Args:
        cells: The first cell of each row.
        where: The file, for messages.

    Raises:
        PoseError: Some rows have a number and others have none.
    """
    numbers, other = array("q"), None
    for row, cell in enumerate(cells, 1):
        number = _NUMBER.fullmatch(str(cell))
        if number is not None:
            numbers.append(max(min(int(number.group(1)), _LARGEST), -_LARGEST))
        elif other is None:
            other = f"'{cell}', the first cell of row {row}, is not a frame number"
    if other is None:
        return np.array(numbers, dtype=np.int64)
    if numbers:
        raise PoseError(
            other,
            where=where,
            remedy="number every row by its frame, counted from 0, or none of them",
        )
    return None


def check_frame_numbers(numbers: FrameNumbers, frames: int | None, where: Path) -> None:
    """Refuse frame numbers that repeat, or that a video does not have.

    Args:
        numbers: One per row.
        frames: The number of frames of the video; None where it is not known.
        where: The file, for messages.

    Raises:
        PoseError: There are some; the message lists both kinds.
    """
    found, counts = np.unique(numbers, return_counts=True)
    outside = (found < 0) if frames is None else (found < 0) | (found >= frames)
    problems = []
    if (counts > 1).any():
        problems.append(f"frame numbers repeat: {listed(found[counts > 1])}")
    if outside.any():
        video = "the video" if frames is None else f"the video of {frames} frames"
        problems.append(f"frame numbers lie outside {video}: {listed(found[outside])}")
    if problems:
        raise PoseError(
            ", and ".join(problems),
            where=where,
            remedy="check that the predictions are those of this video, and that the first column "
            "counts its frames from 0, each once",
        )


def in_frame_order(table: PoseTable, where: Path) -> PoseTable:
    """The rows in the order of their frame numbers; a table of images stays as it is.

    Raises:
        PoseError: Frame numbers repeat or are negative, or only some rows have one.
    """
    numbers = frame_numbers(table.frame, where)
    if numbers is None:
        return table
    check_frame_numbers(numbers, None, where)
    order = np.argsort(numbers)
    return replace(table.rows(order), frame=tuple(numbers[order].tolist()))


def listed(numbers: Int[ndarray, " some"]) -> str:
    """Ascending numbers as people list them, ``3, 5 to 9``; the first ones where there are many."""
    runs = [
        [number for _, number in run]
        for _, run in groupby(enumerate(numbers.tolist()), lambda pair: pair[1] - pair[0])
    ]
    texts = [str(run[0]) if len(run) == 1 else f"{run[0]} to {run[-1]}" for run in runs]
    more = sum(map(len, runs[_MOST_LISTED:]))
    return ", ".join(texts[:_MOST_LISTED]) + (f" and {more} more" if more else "")
