"""A supervised loss of the plug-in's own."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from lp_core.batches import LossInputs
from lp_core.losses.contract import Loss, LossOptions, LossValue


@dataclass(frozen=True, kw_only=True)
class SmoothDistanceOptions(LossOptions):
    """Options of the loss.

    Attributes:
        scale: Frame px from which it grows with the distance rather than with its square.
    """

    scale: float = 4.0


class SmoothDistance(Loss):
    """The pseudo-Huber distance of labelled keypoints, in frame px."""

    name = "smooth_distance"
    requires = frozenset({"keypoints_targ", "keypoints_pred"})
    supervised = True
    Options = SmoothDistanceOptions
    options: SmoothDistanceOptions

    def forward(self, inputs: LossInputs) -> LossValue:
        """The mean over labelled keypoints; 0 with a gradient where there is none."""
        targets, scale = inputs["keypoints_targ"], self.options.scale
        labeled = targets.isfinite().all(dim=-1, keepdim=True)
        errors = torch.where(labeled, inputs["keypoints_pred"] - targets.nan_to_num(), 0.0)
        distances = scale * ((1 + (errors / scale).square().sum(dim=-1)).sqrt() - 1)
        return LossValue(distances.sum() / labeled.sum().clamp_min(1))
