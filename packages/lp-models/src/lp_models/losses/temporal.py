"""Unsupervised losses on what happens to an animal from one frame to the next."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass
from typing import ClassVar

import torch
from jaxtyping import Float
from torch import Tensor

from lp_core.batches import LossInputs
from lp_core.losses.contract import LossValue, TrainingLabels
from lp_core.losses.rows import Steps, steps
from lp_models.losses.divergence import (
    LARGEST_KL_DIVERGENCE,
    LARGEST_SQUARED_ERROR,
    kl_divergence,
    squared_error,
)
from lp_models.losses.excess import (
    ExcessLoss,
    ExcessOptions,
    check_pixels,
    check_reach,
    excess,
    frame_diagonal,
)

PerStep = Float[Tensor, "steps keypoints"]


@dataclass(frozen=True, kw_only=True)
class TemporalOptions(ExcessOptions):
    """Options of the temporal loss.

    Attributes:
        log_weight: As for every loss; 5 suits distances in px beside a loss of heatmaps.
        epsilon: How far a keypoint may move from frame to frame for free, in frame px; one number,
            or one per keypoint.
    """

    log_weight: float = 5.0
    epsilon: float | tuple[float, ...] = 20.0

    def __post_init__(self) -> None:
        super().__post_init__()
        check_pixels(self.epsilons)


class ConsecutiveLoss(ExcessLoss):
    """Compares each animal with itself in the frame before, as the same camera sees it.

    A keypoint that is doubted in either frame costs nothing.
    """

    unit: ClassVar[str] = "squared difference of heatmaps"

    def largest_difference(self, labels: TrainingLabels) -> float:
        """The largest difference that there could be, in the loss's ``unit``."""
        return LARGEST_SQUARED_ERROR

    @abstractmethod
    def differences(self, inputs: LossInputs, pairs: Steps) -> PerStep:
        """(R - 1, K): how much each keypoint changes from the row before to the row after."""

    def fit_labels(self, labels: TrainingLabels) -> None:
        """Check before training that ε fits the keypoints, and can be exceeded.

        Raises:
            LossError: There is neither one ε nor one per keypoint, or no error could exceed it.
        """
        self.options.check_keypoints(len(labels.keypoint_names), self.name)
        check_reach(self.options.epsilons, self.largest_difference(labels), self.unit, self.name)

    def forward(self, inputs: LossInputs) -> LossValue:
        """The unweighted loss, a mean over the steps, and the share of them above ε.

        Raises:
            LossError: There is neither one ε nor one per keypoint.
        """
        confidences = inputs["confidences"]
        self.options.check_keypoints(confidences.shape[1], self.name)
        pairs = steps(inputs, confidences)
        believed = confidences.detach() >= self.options.prob_threshold
        counts = believed[pairs.after] & believed[pairs.before] & pairs.consecutive.unsqueeze(-1)
        differences = self.differences(inputs, pairs)
        return excess(differences, counts, self.epsilon, pairs.consecutive.sum())


class TemporalLoss(ConsecutiveLoss):
    """The distance that a keypoint moves from frame to frame, in frame px, beyond ε."""

    name = "temporal"
    requires = frozenset({"keypoints_pred", "confidences"})
    Options = TemporalOptions
    unit = "frame px"

    def largest_difference(self, labels: TrainingLabels) -> float:
        """The diagonal of a frame, in frame px."""
        return frame_diagonal(labels)

    def differences(self, inputs: LossInputs, pairs: Steps) -> PerStep:
        """(R - 1, K): Euclidean distances in frame px; 0 where a position is not a number."""
        keypoints = inputs["keypoints_pred"]
        earlier, later = keypoints[pairs.before], keypoints[pairs.after]
        moves = (later - earlier).nan_to_num()
        return torch.linalg.vector_norm(moves, dim=-1)


class TemporalHeatmapMSELoss(ConsecutiveLoss):
    """The squared difference between a keypoint's heatmaps in consecutive frames, beyond ε."""

    name = "temporal_heatmap_mse"
    requires = frozenset({"heatmaps_pred", "confidences"})

    def differences(self, inputs: LossInputs, pairs: Steps) -> PerStep:
        """(R - 1, K): the mean squared difference of the cells, times their number."""
        heatmaps = inputs["heatmaps_pred"]
        return squared_error(heatmaps[pairs.after], heatmaps[pairs.before])


class TemporalHeatmapKLLoss(ConsecutiveLoss):
    """The divergence of a keypoint's heatmap from that of the frame before, beyond ε."""

    name = "temporal_heatmap_kl"
    requires = frozenset({"heatmaps_pred", "confidences"})
    unit = "nats"

    def largest_difference(self, labels: TrainingLabels) -> float:
        """That of two maps without a common cell, in nats."""
        return LARGEST_KL_DIVERGENCE

    def differences(self, inputs: LossInputs, pairs: Steps) -> PerStep:
        """(R - 1, K): KL(earlier ‖ later) in nats."""
        heatmaps = inputs["heatmaps_pred"]
        return kl_divergence(heatmaps[pairs.after], heatmaps[pairs.before])
