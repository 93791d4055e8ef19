"""How different two heatmaps are, one number per map, and means over those that count."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import NamedTuple

import torch
from jaxtyping import Bool, Float
from torch import Tensor

Maps = Float[Tensor, "rows keypoints cells_y cells_x"]
PerMap = Float[Tensor, "rows keypoints"]

_TINY = 1e-10
"""Added to each cell before a logarithm, as in Lightning Pose."""


class Divergence(NamedTuple):
    """A measure of how different maps are.

    Attributes:
        between: From maps and targets (N, K, h, w) to (N, K).
        largest: What it gives for two maps that each have all their mass in one cell of its own.
        unit: What both are.
    """

    between: Callable[[Maps, Maps], PerMap]
    largest: float
    unit: str


def squared_error(maps: Maps, targets: Maps) -> PerMap:
    """(N, K): the mean over the h·w cells of (t - p)², times h·w, which is the sum."""
    return (maps.float() - targets.float()).square().sum(dim=(2, 3))


def kl_divergence(maps: Maps, targets: Maps) -> PerMap:
    """(N, K): Kullback and Leibler's KL(t ‖ p) = Σ t · log(t / p), in nats."""
    p, t = maps.float() + _TINY, targets.float() + _TINY
    return (t * (t.log() - p.log())).sum(dim=(2, 3))


def js_divergence(maps: Maps, targets: Maps) -> PerMap:
    """(N, K): Jensen and Shannon's divergence, at most log 2.

    With m = (t + p) / 2 it is (KL(t ‖ m) + KL(p ‖ m)) / 2.
    """
    p, t = maps.float() + _TINY, targets.float() + _TINY
    log_m = ((p + t) / 2).log()
    return (t * (t.log() - log_m) + p * (p.log() - log_m)).sum(dim=(2, 3)) / 2


SQUARED_ERROR = Divergence(squared_error, 2.0, "squared difference of heatmaps")
KL_DIVERGENCE = Divergence(kl_divergence, -math.log(_TINY), "nats")
JS_DIVERGENCE = Divergence(js_divergence, math.log(2), "nats")


def has_target(targets: Maps) -> Bool[Tensor, "rows keypoints"]:
    """(N, K): whether there is anything to learn; a map of zeros says that there is not."""
    return (targets != 0).flatten(2).any(dim=2)


def mean_where(
    values: Float[Tensor, "*shape"],
    counts: Bool[Tensor, "*shape"],
    weights: Float[Tensor, "*shape"] | None = None,
) -> Float[Tensor, ""]:
    """The mean of the values that count; 0 with a gradient of zeros where none does.

    With weights, each value is multiplied by its own, and the mean is still over their number: a
    label of weight 1/2 has half the influence of one of weight 1, whatever else is in the batch.
    """
    weighted = values if weights is None else values * weights
    return torch.where(counts, weighted, 0.0).sum() / counts.sum().clamp_min(1)
