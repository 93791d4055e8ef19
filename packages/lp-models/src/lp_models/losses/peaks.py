"""The supervised loss of maps with one peak for each animal."""

from __future__ import annotations

import torch
from torch.nn import functional as F

from lp_core.batches import LossInputs
from lp_core.losses.contract import Loss, LossValue


class PeaksLoss(Loss):
    """The quality focal loss, for targets t from 0 to 1 and predictions p.

    Σ (t - p)² · BCE(p, t) over all cells with a target, divided by Σ t: the many cells that show no
    animal, and that the tracker knows, cost next to nothing (Li et al. 2020, "Generalized focal
    loss", with β = 2).
    """

    name = "peaks"
    requires = frozenset({"peaks_targ", "peaks_pred"})
    supervised = True

    def forward(self, inputs: LossInputs) -> LossValue:
        """The unweighted loss, relative to one animal where there is none."""
        logits, targets = inputs["peaks_pred"].float(), inputs["peaks_targ"].float()
        known = targets.isfinite()
        targets = torch.where(known, targets, 0.0)
        entropy = F.binary_cross_entropy_with_logits(logits, targets, reduction="none")
        focus = (targets - logits.sigmoid()).square()
        cost = torch.where(known, focus * entropy, 0.0)
        return LossValue(cost.sum() / targets.sum().clamp_min(1))
