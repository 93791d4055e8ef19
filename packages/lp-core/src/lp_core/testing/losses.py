"""Losses that need nothing but lp-core, for checks of the semi-supervised side."""

from __future__ import annotations

from lp_core.batches import LossInputs
from lp_core.losses.contract import Loss, LossValue


class StillnessLoss(Loss):
    """The mean squared distance between a keypoint's positions in consecutive frames."""

    name = "stillness"
    requires = frozenset({"keypoints_pred"})

    def forward(self, inputs: LossInputs) -> LossValue:
        """The unweighted loss."""
        return LossValue(inputs["keypoints_pred"].diff(dim=0).square().mean())


class SameHeatmapLoss(Loss):
    """The mean squared difference between a keypoint's heatmaps in consecutive frames."""

    name = "same_heatmap"
    requires = frozenset({"heatmaps_pred"})

    def forward(self, inputs: LossInputs) -> LossValue:
        """The unweighted loss."""
        return LossValue(inputs["heatmaps_pred"].diff(dim=0).square().sum(dim=(2, 3)).mean())
