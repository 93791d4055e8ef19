"""Which rows of a batch belong together: from one frame to the next, and over the cameras.

Rows are told apart by their ``frame``, ``view`` and ``individual`` in `LossInputs`, whatever their
order. Rows without frames are consecutive frames of one animal before one camera. Nothing here
waits for the device.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from lp_core.batches import LossInputs

_FRAMES = 1 << 32  # more than any video has
_INDIVIDUALS = 1 << 16


class Steps(NamedTuple):
    """Pairs of rows, each with the one after it in the order of view, individual and frame.

    Attributes:
        before, after: (R - 1,) numbers of the earlier and of the later rows.
        consecutive: (R - 1,) whether both are one animal before one camera, in a frame and the
            next.
    """

    before: Int[Tensor, " steps"]
    after: Int[Tensor, " steps"]
    consecutive: Bool[Tensor, " steps"]


def steps(inputs: LossInputs, rows: Tensor) -> Steps:
    """The steps in time between rows (R, ...), of which any value will do."""
    key = _frames_of_individuals(inputs, rows)
    if "view" in inputs:
        key = key + inputs["view"].long() * _INDIVIDUALS * _FRAMES
    order = key.argsort(stable=True)
    return Steps(order[:-1], order[1:], key[order].diff() == 1)


class FramesOfViews(NamedTuple):
    """The rows of each frame and individual, in all views.

    Attributes:
        points: (R, V, K, 2) of as many frames and individuals as there are, and NaN after them, and
            where a view has no row.
        number: () how many there are.
    """

    points: Float[Tensor, "frames views keypoints 2"]
    number: Int[Tensor, ""]


def gather_views(
    inputs: LossInputs, points: Float[Tensor, "rows keypoints 2"], views: int
) -> FramesOfViews:
    """Bring the rows (R, K, 2) of one animal in one frame together.

    ``view`` of the inputs goes from 0 to ``views`` - 1.
    """
    key = _frames_of_individuals(inputs, points)
    order = key.argsort(stable=True)
    begins = torch.ones_like(key, dtype=torch.bool)
    begins[1:] = key[order].diff() != 0
    place = torch.empty_like(key).index_put((order,), begins.cumsum(0) - 1)
    gathered = points.new_full((len(points), views, *points.shape[1:]), torch.nan)
    return FramesOfViews(gathered.index_put((place, inputs["view"].long()), points), begins.sum())


def _frames_of_individuals(inputs: LossInputs, rows: Tensor) -> Int[Tensor, " rows"]:
    """A number for each row that grows by 1 from a frame of an individual to its next."""
    if "frame" not in inputs:
        return torch.arange(len(rows), device=rows.device)
    frame = inputs["frame"].long()
    if "individual" not in inputs:
        return frame
    return frame + inputs["individual"].long() * _FRAMES
