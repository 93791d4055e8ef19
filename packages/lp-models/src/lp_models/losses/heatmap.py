"""Supervised losses that compare predicted heatmaps with targets."""

from __future__ import annotations

from typing import ClassVar

from lp_core.batches import LossInputs
from lp_core.losses.contract import Loss, LossValue
from lp_models.losses.divergence import (
    JS_DIVERGENCE,
    KL_DIVERGENCE,
    SQUARED_ERROR,
    Divergence,
    has_target,
    mean_where,
)


class HeatmapLoss(Loss):
    """The mean divergence over the keypoints that have a target.

    Attributes:
        divergence: How far a predicted map is from its target.
    """

    requires = frozenset({"heatmaps_targ", "heatmaps_pred"})
    supervised = True
    weighs = True
    divergence: ClassVar[Divergence]

    def forward(self, inputs: LossInputs) -> LossValue:
        """The unweighted loss; keypoints whose target is all zero neither count nor learn."""
        targets = inputs["heatmaps_targ"]
        errors = self.divergence.between(inputs["heatmaps_pred"], targets)
        return LossValue(mean_where(errors, has_target(targets), inputs.get("weights")))


class HeatmapMSELoss(HeatmapLoss):
    """Mean squared error of the cells, times the number of cells."""

    name = "heatmap_mse"
    divergence = SQUARED_ERROR


class HeatmapKLLoss(HeatmapLoss):
    """Kullback and Leibler's divergence of the prediction from the target, in nats."""

    name = "heatmap_kl"
    divergence = KL_DIVERGENCE


class HeatmapJSLoss(HeatmapLoss):
    """Jensen and Shannon's divergence between prediction and target, from 0 to log 2."""

    name = "heatmap_js"
    divergence = JS_DIVERGENCE
