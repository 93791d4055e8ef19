"""What unsupervised losses share: an ε below which nothing costs, and a threshold of confidence.

Errors of a few pixels are not faults: below ε they cost nothing, above it they cost the excess. And
what the tracker itself does not believe is not smoothed: it costs nothing either.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import ClassVar

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from lp_core.errors import LossError
from lp_core.losses.contract import Loss, LossOptions, LossValue, TrainingLabels
from lp_models.losses.divergence import Divergence

FINEST = 0.1
"""Frame px that no label is exact to: a smaller ε above 0 is a share of something."""


@dataclass(frozen=True, kw_only=True)
class ExcessOptions(LossOptions):
    """Options of losses that tolerate small errors and leave out doubtful keypoints.

    Attributes:
        epsilon: Errors up to it cost nothing; one number, or one per keypoint.
        prob_threshold: A keypoint with a lower confidence costs nothing, from 0 to 1.
    """

    epsilon: float | tuple[float, ...] = 0.0
    prob_threshold: float = 0.05

    def __post_init__(self) -> None:
        if min(self.epsilons, default=-1.0) < 0:
            raise LossError(f"ε cannot be negative, got {self.epsilon}", where="epsilon")
        check_threshold(self.prob_threshold)

    @property
    def epsilons(self) -> tuple[float, ...]:
        """ε as a tuple of one number, or one per keypoint."""
        return self.epsilon if isinstance(self.epsilon, tuple) else (self.epsilon,)

    def check_keypoints(self, keypoints: int, loss: str) -> None:
        """Refuse a list of ε that is not as long as the list of keypoints."""
        if len(self.epsilons) not in (1, keypoints):
            raise LossError(
                f"{len(self.epsilons)} values of ε for {keypoints} keypoints",
                where=f"losses.{loss}.epsilon",
                remedy="give one number, or one for each keypoint",
            )


class ExcessLoss(Loss):
    """A loss with `ExcessOptions`, whose ε goes where the loss goes.

    Attributes:
        divergence: What it measures, where that is a divergence of heatmaps.

    Args:
        options: An instance of ``Options``; None takes the defaults.
    """

    Options = ExcessOptions
    options: ExcessOptions
    epsilon: Tensor
    divergence: ClassVar[Divergence]

    def __init__(self, options: ExcessOptions | None = None) -> None:
        super().__init__(options)
        self.register_buffer("epsilon", torch.tensor(self.options.epsilons), persistent=False)

    def largest_error(self, labels: TrainingLabels) -> tuple[float, str]:
        """The largest error that there could be, and its unit."""
        return self.divergence.largest, self.divergence.unit

    def fit_labels(self, labels: TrainingLabels) -> None:
        """Check before training that ε fits the keypoints, and can be exceeded.

        Raises:
            LossError: There is neither one ε nor one per keypoint, or no error could exceed it.
        """
        self.options.check_keypoints(len(labels.keypoint_names), self.name)
        check_reach(self.options.epsilons, *self.largest_error(labels), self.name)

    def believed(
        self, confidences: Float[Tensor, "rows keypoints"]
    ) -> Bool[Tensor, "rows keypoints"]:
        """Which keypoints are confident enough to count.

        Raises:
            LossError: There is neither one ε nor one per keypoint.
        """
        self.options.check_keypoints(confidences.shape[1], self.name)
        return confidences.detach() >= self.options.prob_threshold


def check_threshold(threshold: float) -> None:
    """Refuse a threshold that is not a confidence, from 0 to 1."""
    if not 0 <= threshold <= 1:
        raise LossError(
            f"prob_threshold is a confidence from 0 to 1, got {threshold}", where="prob_threshold"
        )


def check_pixels(epsilons: Iterable[float]) -> None:
    """Refuse an ε above 0 that is finer than any label, and can hardly be meant in frame px."""
    for epsilon in epsilons:
        if 0 < epsilon < FINEST:
            raise LossError(
                f"ε = {epsilon:g} frame px is finer than any label: is it a share of something?",
                where="epsilon",
                remedy="give ε in frame px, such as 20; 0 tolerates nothing",
            )


def check_reach(epsilons: Iterable[float], largest: float, unit: str, loss: str) -> None:
    """Refuse ε of which no error could exceed any, since the loss would silently never act.

    Args:
        epsilons: One ε, or one per keypoint.
        largest: The largest error that there could be.
        unit: What both are.
        loss: The loss's name.
    """
    least = min(epsilons)
    if least >= largest:
        raise LossError(
            f"ε = {least:g} tolerates everything: no error can exceed {largest:.4g} {unit}",
            where=f"losses.{loss}.epsilon",
            remedy=f"give a smaller ε; it is {unit}",
        )


def frame_diagonal(labels: TrainingLabels) -> float:
    """The largest distance within a frame, in frame px; infinite where its size is not known."""
    return math.inf if labels.frame_size is None else math.hypot(*labels.frame_size)


def excess(
    errors: Float[Tensor, "rows keypoints"],
    counts: Bool[Tensor, "rows keypoints"],
    epsilon: Tensor,
    rows: Int[Tensor, ""] | None = None,
) -> LossValue:
    """The mean over all keypoints of max(0, error - ε), where those that do not count cost 0.

    Args:
        errors: (N, K), not negative; those that are not finite do not count.
        counts: (N, K), which keypoints count.
        epsilon: A scalar, or (K,).
        rows: How many of the N rows are any, to take the mean over; None for all.

    Returns:
        The mean, 0 with a gradient where there is nothing; and the share of those that count that
        exceeds ε.
    """
    counts = counts & errors.isfinite()
    over = torch.where(counts, errors - epsilon, 0.0).relu()
    share = (over > 0).sum() / counts.sum().clamp_min(1)
    if rows is None:
        return LossValue(over.sum() / max(1, errors.numel()), share)
    return LossValue(over.sum() / (rows * errors.shape[1]).clamp_min(1), share)
