"""Unsupervised losses on what happens to an animal from one frame to the next."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from lp_core.batches import LossInputs
from lp_core.losses.contract import LossValue, TrainingLabels
from lp_core.losses.rows import Steps, steps
from lp_models.losses.divergence import KL_DIVERGENCE, SQUARED_ERROR
from lp_models.losses.excess import (
    ExcessLoss,
    ExcessOptions,
    check_pixels,
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

    requires = frozenset({"heatmaps_pred", "confidences"})

    def differences(self, inputs: LossInputs, pairs: Steps) -> PerStep:
        """(R - 1, K): how much each keypoint changes from the row before to the row after."""
        heatmaps = inputs["heatmaps_pred"]
        return self.divergence.between(heatmaps[pairs.after], heatmaps[pairs.before])

    def forward(self, inputs: LossInputs) -> LossValue:
        """The unweighted loss, a mean over the steps, and the share of them above ε.

        Raises:
            LossError: There is neither one ε nor one per keypoint.
        """
        believed = self.believed(inputs["confidences"])
        pairs = steps(inputs, believed)
        counts = believed[pairs.after] & believed[pairs.before] & pairs.consecutive.unsqueeze(-1)
        differences = self.differences(inputs, pairs)
        return excess(differences, counts, self.epsilon, pairs.consecutive.sum())


class TemporalLoss(ConsecutiveLoss):
    """The distance that a keypoint moves from frame to frame, in frame px, beyond ε."""

    name = "temporal"
    requires = frozenset({"keypoints_pred", "confidences"})
    Options = TemporalOptions

    def largest_error(self, labels: TrainingLabels) -> tuple[float, str]:
        """The diagonal of a frame, in frame px."""
        return frame_diagonal(labels), "frame px"

    def differences(self, inputs: LossInputs, pairs: Steps) -> PerStep:
        """(R - 1, K): Euclidean distances in frame px; 0 where a position is not a number."""
        keypoints = inputs["keypoints_pred"]
        moves = (keypoints[pairs.after] - keypoints[pairs.before]).nan_to_num()
        return torch.linalg.vector_norm(moves, dim=-1)


class TemporalHeatmapMSELoss(ConsecutiveLoss):
    """The squared difference between a keypoint's heatmaps in consecutive frames, beyond ε."""

    name = "temporal_heatmap_mse"
    divergence = SQUARED_ERROR


class TemporalHeatmapKLLoss(ConsecutiveLoss):
    """KL(earlier ‖ later) of a keypoint's heatmaps in consecutive frames, in nats, beyond ε."""

    name = "temporal_heatmap_kl"
    divergence = KL_DIVERGENCE
