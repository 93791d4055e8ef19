"""Supervised loss that teaches a tracker how far to trust itself."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from lp_core.batches import LossInputs
from lp_core.errors import LossError
from lp_core.losses.contract import Loss, LossOptions, LossValue, TrainingLabels
from lp_models.losses.divergence import mean_where


@dataclass(frozen=True, kw_only=True)
class ConfidenceOptions(LossOptions):
    """Options of the confidence loss.

    Attributes:
        radius: In frame px, the error up to which a keypoint is right; None takes a share of the
            animal's size.
        share: That share, of the diagonal of the box around a labelled pose; 0.05 is usual.
    """

    radius: float | None = None
    share: float = 0.05

    def __post_init__(self) -> None:
        if min(self.share, self.share if self.radius is None else self.radius) <= 0:
            raise LossError("the radius must be positive", where="losses.confidence")


class ConfidenceLoss(Loss):
    """Cross-entropy of confidences with whether the predicted keypoint is right.

    A confidence that minimises it is the probability that the keypoint is within ``radius`` of the
    truth. It teaches confidences only: no gradient reaches the keypoints.
    """

    name = "confidence"
    requires = frozenset({"keypoints_targ", "keypoints_pred", "confidences"})
    supervised = True
    weighs = True
    Options = ConfidenceOptions
    options: ConfidenceOptions
    radius: Tensor

    def __init__(self, options: ConfidenceOptions | None = None) -> None:
        super().__init__(options)
        radius = self.options.radius
        self.register_buffer("radius", torch.tensor(torch.nan if radius is None else radius))
        self._known = radius is not None  # the buffer itself would have to be read from the device

    def fit_labels(self, labels: TrainingLabels) -> None:
        """Learn the animal's size, unless a radius is given.

        Raises:
            LossError: No label shows two keypoints at once.
        """
        if self.options.radius is not None:
            return
        sizes = pose_sizes(labels.keypoints)
        sizes = sizes[sizes > 0]
        if len(sizes) == 0:
            raise LossError(
                "no labelled frame shows two keypoints, so the animal's size is unknown",
                where="losses.confidence",
                remedy="set radius, in frame px",
            )
        self.radius.fill_(sizes.median() * self.options.share)
        self._known = True

    def forward(self, inputs: LossInputs) -> LossValue:
        """The unweighted loss, in nats; keypoints without a label do not count.

        Raises:
            LossError: It has neither learned from labels nor been loaded.
        """
        if not self._known:
            raise LossError(
                "the confidence loss does not know the animal's size",
                remedy="call fit_labels before training, or set radius",
            )
        labeled = inputs["keypoints_targ"].isfinite().all(dim=-1)
        difference = (inputs["keypoints_pred"] - inputs["keypoints_targ"]).detach()
        right = torch.linalg.vector_norm(difference, dim=-1) <= self.radius
        # not binary_cross_entropy, which refuses to run under autocast
        given = torch.where(right, inputs["confidences"], 1 - inputs["confidences"])
        return LossValue(mean_where(-given.clamp_min(1e-6).log(), labeled, inputs.get("weights")))

    def _load_from_state_dict(
        self, state_dict: dict[str, Any], prefix: str, *arguments: Any
    ) -> None:
        """Learn from what is loaded whether the size is known."""
        radius = state_dict.get(f"{prefix}radius")
        if radius is not None:
            self._known = not bool(radius.isnan())
        super()._load_from_state_dict(state_dict, prefix, *arguments)


def pose_sizes(
    keypoints: Float[Tensor, "labels keypoints 2"],
) -> Float[Tensor, " labels"]:
    """Diagonals, in frame px, of the boxes around the labelled keypoints; NaN and 0 for few."""
    known = keypoints.isfinite()
    highest = torch.where(known, keypoints, -torch.inf).amax(dim=1)
    lowest = torch.where(known, keypoints, torch.inf).amin(dim=1)
    return torch.linalg.vector_norm(highest - lowest, dim=-1).nan_to_num(posinf=0.0)
