"""Errors and means over batches and processes, kept on the device until somebody reads them."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import torch
from jaxtyping import Float, Int
from torch import Tensor

from lp_core.batches import LossInputs
from lp_core.losses.factory import Stage
from lp_core.poses.table import Visibility
from lp_core.processes import summed


class Weighted(NamedTuple):
    """A mean, and how much it counts among the means of other batches.

    Attributes:
        value: The mean; of no meaning where the weight is 0.
        weight: Such as the number of keypoints that it is the mean of.
        root: Whether it is a mean square, whose root is to be logged.
        empty: What to log where all batches weigh nothing.
    """

    value: Float[Tensor, ""]
    weight: Float[Tensor, ""]
    root: bool = False
    empty: float = 0.0

    @property
    def logged(self) -> Tensor:
        """What to log of this batch alone."""
        value = torch.where(self.weight > 0, self.value.detach(), self.empty)
        return value.sqrt() if self.root else value


class WeightedMeans:
    """Adds up weighted values by name. Nothing in it waits for the device."""

    def __init__(self) -> None:
        self._sums: dict[str, Weighted] = {}

    def clear(self) -> None:
        """Forget all values."""
        self._sums.clear()

    def add(self, values: Mapping[str, Weighted]) -> None:
        """Add the values of one batch; a value of no weight adds nothing, whatever it is."""
        for name, item in values.items():
            weight = item.weight.detach().float()
            total = torch.where(weight > 0, item.value.detach().float() * weight, 0.0)
            if name in self._sums:
                total, weight = total + self._sums[name].value, weight + self._sums[name].weight
            self._sums[name] = item._replace(value=total, weight=weight)

    def means(self) -> dict[str, Tensor]:
        """The mean of each value over all batches of all processes.

        Every process must call it, having added values of the same names in the same order.
        """
        if not self._sums:
            return {}
        items = self._sums.values()
        totals = summed(torch.stack([torch.stack([item.value, item.weight]) for item in items]))
        return {
            name: item._replace(value=total / weight, weight=weight).logged
            for (name, item), (total, weight) in zip(self._sums.items(), totals, strict=True)
        }


@torch.no_grad()
def pixel_errors(
    outputs: LossInputs | Sequence[LossInputs],
    stage: Stage,
    visibility: Int[Tensor, "rows keypoints"],
) -> dict[str, Weighted]:
    """Errors in frame px over all heads: the mean distance, and Lightning Pose's RMSE.

    Keypoints without a label, or without a finite prediction, do not count; no values are taken out
    of the tensors for that, since their number would have to be waited for. The mean distance is
    that of visible keypoints; the RMSE counts occluded ones with a position too.

    Args:
        outputs: Those of each head.
        stage: The stage.
        visibility: That of the batch's rows.

    Returns:
        ``{stage}_pixel_error`` and ``{stage}_supervised_rmse``, weighted by the number of
        keypoints; NaN where there are none. Nothing for a tracker whose outputs have no keypoints.
    """
    heads = [outputs] if isinstance(outputs, dict) else list(outputs)
    differences = [
        head["keypoints_pred"] - head["keypoints_targ"]
        for head in heads
        if "keypoints_pred" in head and "keypoints_targ" in head
    ]
    if not differences:
        return {}
    difference = torch.cat(differences).float()
    counts = difference.isfinite().all(dim=-1)
    number = counts.sum().float()
    difference = torch.where(counts.unsqueeze(-1), difference, 0.0)
    visible = counts & (visibility == Visibility.VISIBLE).repeat(len(differences), 1)
    seen = visible.sum().float()
    distance = (torch.linalg.vector_norm(difference, dim=-1) * visible).sum() / seen
    square = difference.square().sum() / (2 * number)
    return {
        f"{stage}_pixel_error": Weighted(distance, seen, empty=math.nan),
        f"{stage}_supervised_rmse": Weighted(square, number, root=True, empty=math.nan),
    }
