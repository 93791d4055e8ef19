"""How far predictions are from labels, for monitoring."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch

from lp_core.batches import LossInputs
from lp_core.losses.factory import Stage
from lp_core.trackers.weighted_means import Weighted


@torch.no_grad()
def pixel_errors(outputs: LossInputs | Sequence[LossInputs], stage: Stage) -> dict[str, Weighted]:
    """Errors in frame px over all heads: the mean distance, and Lightning Pose's RMSE.

    Keypoints without a label, or without a finite prediction, do not count; no values are taken out
    of the tensors for that, since their number would have to be waited for.

    Args:
        outputs: What the losses read.
        stage: Prefixes the names.

    Returns:
        ``{stage}_pixel_error`` and ``{stage}_supervised_rmse``, weighted by the number of
        keypoints; NaN where there are none. Nothing for a tracker whose outputs have no keypoints.
    """
    heads = [outputs] if isinstance(outputs, dict) else list(outputs)
    differences = [
        head["keypoints_pred"] - head["keypoints_targ"]
        for head in heads
        if "keypoints_pred" in head and "keypoints_targ" in head
    ]
    if not differences:
        return {}
    difference = torch.cat(differences).float()
    counts = difference.isfinite().all(dim=-1)
    number = counts.sum().float()
    difference = torch.where(counts.unsqueeze(-1), difference, 0.0)
    distance = torch.linalg.vector_norm(difference, dim=-1).sum() / number
    square = difference.square().sum() / (2 * number)
    return {
        f"{stage}_pixel_error": Weighted(distance, number, empty=math.nan),
        f"{stage}_supervised_rmse": Weighted(square, number, root=True, empty=math.nan),
    }
