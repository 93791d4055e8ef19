"""What unsupervised losses share: an ε below which nothing costs, and a threshold of confidence.

Errors of a few pixels are no fault: below ε they cost nothing, above it they cost the excess. And
what the tracker itself does not believe is not smoothed: it costs nothing either.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from lp_core.errors import LossError
from lp_core.losses.contract import LossOptions, LossValue


@dataclass(frozen=True, kw_only=True)
class ConfidentOptions(LossOptions):
    """Options of losses that tolerate small errors and leave out doubtful keypoints.

    Attributes:
        epsilon: Errors up to it cost nothing; one number, or one per keypoint.
        prob_threshold: A keypoint with a lower confidence costs nothing, from 0 to 1.
    """

    epsilon: float | tuple[float, ...] = 0.0
    prob_threshold: float = 0.05

    def __post_init__(self) -> None:
        if min(self.epsilons, default=-1.0) < 0:
            raise LossError(f"ε cannot be negative, got {self.epsilon}")
        if not 0 <= self.prob_threshold <= 1:
            raise LossError(
                f"prob_threshold is a confidence from 0 to 1, got {self.prob_threshold}"
            )

    @property
    def epsilons(self) -> tuple[float, ...]:
        """ε as a tuple of one number, or one per keypoint."""
        return self.epsilon if isinstance(self.epsilon, tuple) else (self.epsilon,)

    def check_keypoints(self, keypoints: int, loss: str) -> None:
        """Refuse a list of ε that is not as long as the list of keypoints.

        Raises:
            LossError: The lengths differ.
        """
        if len(self.epsilons) not in (1, keypoints):
            raise LossError(
                f"{len(self.epsilons)} values of ε for {keypoints} keypoints",
                where=f"losses.{loss}.epsilon",
                remedy="give one number, or one for each keypoint",
            )


def excess(
    errors: Float[Tensor, "rows keypoints"],
    counts: Bool[Tensor, "rows keypoints"],
    epsilon: Tensor,
) -> LossValue:
    """The mean over all keypoints of max(0, error - ε), where those that do not count cost 0.

    Args:
        errors: (N, K), not negative; those that are not finite do not count.
        counts: (N, K), which keypoints count.
        epsilon: A scalar, or (K,).

    Returns:
        The mean, 0 with a gradient where there is nothing; and of those that count the share that
        exceeds ε.
    """
    counts = counts & errors.isfinite()
    over = torch.where(counts, errors - epsilon, 0.0).relu()
    share = (over > 0).sum() / counts.sum().clamp_min(1)
    return LossValue(over.sum() / max(1, errors.numel()), share)
