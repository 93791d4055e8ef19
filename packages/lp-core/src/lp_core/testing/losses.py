"""Losses that need nothing but lp-core, for checks of how a tracker learns."""

from __future__ import annotations

import torch

from lp_core.batches import LossInputs
from lp_core.losses.contract import Loss, LossValue
from lp_core.losses.rows import steps


class StillnessLoss(Loss):
    """The mean squared distance between a keypoint's positions in consecutive frames."""

    name = "stillness"
    requires = frozenset({"keypoints_pred"})

    def forward(self, inputs: LossInputs) -> LossValue:
        """The unweighted loss."""
        (key,) = self.requires
        values = inputs[key].flatten(2)  # type: ignore[literal-required]
        pairs = steps(inputs, values)
        squares = (values[pairs.after] - values[pairs.before]).square().sum(dim=2).mean(dim=1)
        total = torch.where(pairs.consecutive, squares, 0.0).sum()
        return LossValue(total / pairs.consecutive.sum().clamp_min(1))


class SameHeatmapLoss(StillnessLoss):
    """The mean squared difference between a keypoint's heatmaps in consecutive frames."""

    name = "same_heatmap"
    requires = frozenset({"heatmaps_pred"})


class TargetHeatmapLoss(Loss):
    """The cross-entropy of predicted heatmaps with their targets, in nats."""

    name = "target_heatmap"
    requires = frozenset({"heatmaps_targ", "heatmaps_pred"})
    supervised = True

    def forward(self, inputs: LossInputs) -> LossValue:
        """The unweighted loss."""
        logarithms = inputs["heatmaps_pred"].clamp_min(1e-9).log()
        return LossValue(-(inputs["heatmaps_targ"] * logarithms).sum(dim=(2, 3)).mean())


class LabeledDistanceLoss(Loss):
    """The mean squared distance of keypoints from their labels, in frame px²."""

    name = "labeled_distance"
    requires = frozenset({"keypoints_targ", "keypoints_pred"})
    supervised = True

    def forward(self, inputs: LossInputs) -> LossValue:
        """The unweighted loss."""
        return LossValue((inputs["keypoints_pred"] - inputs["keypoints_targ"]).square().mean())
