"""Supervised loss that compares coordinates."""

from __future__ import annotations

import torch

from lp_core.batches import LossInputs
from lp_core.losses.contract import Loss, LossValue
from lp_models.losses.divergence import mean_where


class RegressionLoss(Loss):
    """Mean squared error per coordinate, in frame px²; coordinates without a label do not count."""

    name = "regression"
    requires = frozenset({"keypoints_targ", "keypoints_pred"})
    supervised = True
    weighs = True

    def forward(self, inputs: LossInputs) -> LossValue:
        """The unweighted loss."""
        targets = inputs["keypoints_targ"]
        labeled = targets.isfinite()
        # the target is filled in first, since 0 times the gradient of NaN would be NaN
        errors = inputs["keypoints_pred"] - torch.where(labeled, targets, 0.0)
        weights = inputs.get("weights")
        each = None if weights is None else weights.unsqueeze(-1).expand_as(errors)
        return LossValue(mean_where(errors.square(), labeled, each))
