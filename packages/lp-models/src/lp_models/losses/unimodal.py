"""Unsupervised losses that ask for one peak per heatmap."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass
from typing import ClassVar

import torch

from lp_core.batches import LossInputs
from lp_core.geometry.decoding import decode_peaks
from lp_core.geometry.targets import heatmap_targets
from lp_core.losses.contract import LossValue, TrainingLabels
from lp_models.losses.divergence import (
    LARGEST_KL_DIVERGENCE,
    LARGEST_SQUARED_ERROR,
    Maps,
    PerMap,
    kl_divergence,
    squared_error,
)
from lp_models.losses.excess import ExcessLoss, ExcessOptions, check_reach, excess


@dataclass(frozen=True, kw_only=True)
class UnimodalOptions(ExcessOptions):
    """Options of the unimodal losses.

    Attributes:
        prob_threshold: A keypoint with a lower confidence costs nothing; maps with two peaks have
            low confidences, so that 0 is the value that reaches them.
    """

    prob_threshold: float = 0.0


@torch.no_grad()
def ideal_heatmaps(heatmaps: Maps) -> Maps:
    """Target Gaussians (N, K, h, w) at the decoded positions of predicted heatmaps.

    They carry no gradient: the map shall come to the position, not the position to the map.
    """
    size = (heatmaps.shape[2], heatmaps.shape[3])
    cells, _ = decode_peaks(heatmaps, size)
    return heatmap_targets(cells, size, size)


class UnimodalLoss(ExcessLoss):
    """Compares each predicted heatmap with the target Gaussian at its own peak."""

    requires = frozenset({"heatmaps_pred", "confidences"})
    Options = UnimodalOptions
    options: UnimodalOptions
    largest: ClassVar[float] = LARGEST_SQUARED_ERROR
    unit: ClassVar[str] = "squared difference of heatmaps"

    @abstractmethod
    def divergence(self, maps: Maps, targets: Maps) -> PerMap:
        """(N, K): how far each map is from its ideal."""

    def fit_labels(self, labels: TrainingLabels) -> None:
        """Check before training that ε fits the keypoints, and can be exceeded.

        Raises:
            LossError: There is neither one ε nor one per keypoint, or no error could exceed it.
        """
        self.options.check_keypoints(len(labels.keypoint_names), self.name)
        check_reach(self.options.epsilons, self.largest, self.unit, self.name)

    def forward(self, inputs: LossInputs) -> LossValue:
        """The unweighted loss, and the share of maps above ε.

        Raises:
            LossError: There is neither one ε nor one per keypoint.
        """
        heatmaps, confidences = inputs["heatmaps_pred"], inputs["confidences"]
        self.options.check_keypoints(confidences.shape[1], self.name)
        errors = self.divergence(heatmaps, ideal_heatmaps(heatmaps))
        believed = confidences.detach() >= self.options.prob_threshold
        return excess(errors, believed, self.epsilon)


class UnimodalMSELoss(UnimodalLoss):
    """Squared difference between a heatmap and the Gaussian at its peak, beyond ε."""

    name = "unimodal_mse"

    def divergence(self, maps: Maps, targets: Maps) -> PerMap:
        """(N, K): the mean squared difference of the cells, times their number."""
        return squared_error(maps, targets)


class UnimodalKLLoss(UnimodalLoss):
    """Divergence of a heatmap from the Gaussian at its peak, beyond ε."""

    name = "unimodal_kl"
    largest = LARGEST_KL_DIVERGENCE
    unit = "nats"

    def divergence(self, maps: Maps, targets: Maps) -> PerMap:
        """(N, K): KL(Gaussian ‖ map) in nats."""
        return kl_divergence(maps, targets)
