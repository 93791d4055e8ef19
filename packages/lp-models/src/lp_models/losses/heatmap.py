"""Supervised losses that compare predicted heatmaps with targets."""

from __future__ import annotations

from abc import abstractmethod

from lp_core.batches import LossInputs
from lp_core.losses.contract import Loss, LossValue
from lp_models.losses.divergence import (
    Maps,
    PerMap,
    has_target,
    js_divergence,
    kl_divergence,
    mean_where,
    squared_error,
)


class HeatmapLoss(Loss):
    """The mean divergence over the keypoints that have a target."""

    requires = frozenset({"heatmaps_targ", "heatmaps_pred"})
    supervised = True

    @abstractmethod
    def divergence(self, maps: Maps, targets: Maps) -> PerMap:
        """(N, K): how far each predicted map is from its target."""

    def forward(self, inputs: LossInputs) -> LossValue:
        """The unweighted loss; keypoints whose target is all zero neither count nor learn."""
        targets = inputs["heatmaps_targ"]
        errors = self.divergence(inputs["heatmaps_pred"], targets)
        return LossValue(mean_where(errors, has_target(targets)))


class HeatmapMSELoss(HeatmapLoss):
    """Mean squared error of the cells, times the number of cells."""

    name = "heatmap_mse"

    def divergence(self, maps: Maps, targets: Maps) -> PerMap:
        """(N, K): the sum of squared differences of the cells."""
        return squared_error(maps, targets)


class HeatmapKLLoss(HeatmapLoss):
    """Kullback and Leibler's divergence of the prediction from the target."""

    name = "heatmap_kl"

    def divergence(self, maps: Maps, targets: Maps) -> PerMap:
        """(N, K): KL(target ‖ prediction) in nats."""
        return kl_divergence(maps, targets)


class HeatmapJSLoss(HeatmapLoss):
    """Jensen and Shannon's divergence between prediction and target."""

    name = "heatmap_js"

    def divergence(self, maps: Maps, targets: Maps) -> PerMap:
        """(N, K): from 0 to log 2."""
        return js_divergence(maps, targets)
