"""Means over batches and processes, kept on the device until somebody reads them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor

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
