"""Unsupervised losses that ask for one peak per heatmap."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from lp_core.batches import LossInputs
from lp_core.geometry.decoding import decode_peaks
from lp_core.geometry.targets import heatmap_targets
from lp_core.losses.contract import LossValue
from lp_models.losses.divergence import KL_DIVERGENCE, SQUARED_ERROR
from lp_models.losses.excess import ExcessLoss, ExcessOptions, excess


@dataclass(frozen=True, kw_only=True)
class UnimodalOptions(ExcessOptions):
    """Options of the unimodal losses.

    Attributes:
        prob_threshold: A keypoint with a lower confidence costs nothing; maps with two peaks have
            low confidences, so that 0 is the value that reaches them.
    """

    prob_threshold: float = 0.0


class UnimodalLoss(ExcessLoss):
    """Compares each predicted heatmap with the target Gaussian at its own peak."""

    requires = frozenset({"heatmaps_pred", "confidences"})
    Options = UnimodalOptions
    options: UnimodalOptions

    def forward(self, inputs: LossInputs) -> LossValue:
        """The unweighted loss, and the share of maps above ε.

        Raises:
            LossError: There is neither one ε nor one per keypoint.
        """
        heatmaps, believed = inputs["heatmaps_pred"], self.believed(inputs["confidences"])
        size = (heatmaps.shape[2], heatmaps.shape[3])
        with torch.no_grad():  # the map shall come to the position, not the position to the map
            ideal = heatmap_targets(decode_peaks(heatmaps, size)[0], size, size)
        return excess(self.divergence.between(heatmaps, ideal), believed, self.epsilon)


class UnimodalMSELoss(UnimodalLoss):
    """Squared difference between a heatmap and the Gaussian at its peak, beyond ε."""

    name = "unimodal_mse"
    divergence = SQUARED_ERROR


class UnimodalKLLoss(UnimodalLoss):
    """KL(Gaussian ‖ map) of a heatmap and the Gaussian at its peak, in nats, beyond ε."""

    name = "unimodal_kl"
    divergence = KL_DIVERGENCE
