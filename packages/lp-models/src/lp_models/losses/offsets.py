"""The supervised loss of the offsets by which keypoints vote for the centre of their animal."""

from __future__ import annotations

import torch
from torch.nn import functional as F

from lp_core.batches import LossInputs
from lp_core.losses.contract import Loss, LossValue
from lp_models.losses.divergence import mean_where

_BEND = 0.1
"""Body lengths up to which errors count squared, and in proportion beyond."""


class OffsetsLoss(Loss):
    """Smooth L1 of offsets in body lengths, over the cells near a keypoint."""

    name = "offsets"
    requires = frozenset({"offsets_targ", "offsets_pred"})
    supervised = True

    def forward(self, inputs: LossInputs) -> LossValue:
        """The unweighted loss."""
        targets, offsets = inputs["offsets_targ"], inputs["offsets_pred"]
        near = targets.isfinite()
        known = torch.where(near, targets, 0.0)
        errors = F.smooth_l1_loss(offsets, known, reduction="none", beta=_BEND)
        return LossValue(mean_where(errors, near))
