"""Losses that need nothing but lp-core, for checks of the semi-supervised side."""

from __future__ import annotations

import torch
from torch import Tensor

from lp_core.batches import LossInputs
from lp_core.losses.contract import Loss, LossValue
from lp_core.losses.rows import Steps, steps


def _mean_square(values: Tensor, pairs: Steps) -> Tensor:
    """Of the differences of rows (R, K, n) from those of the frame before."""
    squares = (values[pairs.after] - values[pairs.before]).square().mean(dim=(1, 2))
    total = torch.where(pairs.consecutive, squares, 0.0).sum()
    return total / pairs.consecutive.sum().clamp_min(1)


class StillnessLoss(Loss):
    """The mean squared distance between a keypoint's positions in consecutive frames."""

    name = "stillness"
    requires = frozenset({"keypoints_pred"})

    def forward(self, inputs: LossInputs) -> LossValue:
        """The unweighted loss."""
        keypoints = inputs["keypoints_pred"]
        return LossValue(_mean_square(keypoints, steps(inputs, keypoints)))


class SameHeatmapLoss(Loss):
    """The mean squared difference between a keypoint's heatmaps in consecutive frames."""

    name = "same_heatmap"
    requires = frozenset({"heatmaps_pred"})

    def forward(self, inputs: LossInputs) -> LossValue:
        """The unweighted loss."""
        heatmaps = inputs["heatmaps_pred"].flatten(2)
        return LossValue(heatmaps.shape[2] * _mean_square(heatmaps, steps(inputs, heatmaps)))


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
