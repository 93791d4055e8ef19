"""Let a tracker learn a toy batch by heart, so that what it gives can be compared with labels."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

from lp_core.batches import LabeledBatch, LossInputs
from lp_core.geometry.decoding import decode_heatmaps
from lp_core.losses.contract import Loss
from lp_core.losses.factory import LossFactory
from lp_core.testing.losses import LabeledDistanceLoss, TargetHeatmapLoss
from lp_core.testing.outputs import heads_of
from lp_core.testing.subject import Subject
from lp_core.testing.toy import with_frame_at_model
from lp_core.trackers.supervised import BaseSupervisedTracker

ROWS = 4
_STEPS = 200
_ROUND = 20
_RATE = 3e-3
_ENOUGH = 0.02


def toy_batch(subject: Subject) -> LabeledBatch:
    """The labelled batch that is learned by heart; its frame px are model px."""
    batch: LabeledBatch = with_frame_at_model(subject.toy().labeled(batch=ROWS))  # type: ignore[assignment]
    return batch


def labeled_heads(tracker: BaseSupervisedTracker, batch: LabeledBatch) -> list[LossInputs]:
    """What its losses read of a batch, in evaluation mode."""
    tracker.eval()
    with torch.no_grad():
        return heads_of(tracker.get_loss_inputs_labeled(tracker.add_targets(batch)))


def peaks(heatmaps: Tensor, image_size: tuple[int, int]) -> Tensor:
    """Where maps (N, K, h, w) peak, (N, K, 2) in model px."""
    return decode_heatmaps(heatmaps, image_size)[0]


def learned_by_heart(subject: Subject) -> tuple[BaseSupervisedTracker, LabeledBatch] | None:
    """A tracker that knows the toy batch, and the batch; None if it does not learn it in time.

    It learns from the kit's own losses: the subject's may be slow.
    """
    provided = subject.tracker_class.labeled_outputs
    losses: list[type[Loss]] = [TargetHeatmapLoss, LabeledDistanceLoss]
    usable = [kind() for kind in losses if kind.requires <= provided]
    if not usable:
        return None
    tracker, batch = subject.build(), toy_batch(subject)
    tracker.losses = LossFactory(usable[:1], provided, tracker=subject.name)
    for _ in _rounds(tracker, batch):
        if _knows(tracker, batch):
            return tracker, batch
    return None


def _rounds(tracker: BaseSupervisedTracker, batch: LabeledBatch) -> Iterator[None]:
    """Learn, a few steps at a time."""
    optimizer = torch.optim.Adam(tracker.parameters(), lr=_RATE)
    for _ in range(_STEPS // _ROUND):
        tracker.train()
        for _ in range(_ROUND):
            loss = tracker.evaluate_labeled(batch, "train")
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        yield


def _knows(tracker: BaseSupervisedTracker, batch: LabeledBatch) -> bool:
    """Whether what it was taught has arrived, in evaluation mode."""
    size = tracker.options.image_size
    enough = _ENOUGH * max(size)
    for head in labeled_heads(tracker, batch):
        if "heatmaps_targ" in head and "heatmaps_pred" in head:
            given, wanted = (peaks(head[key], size) for key in ("heatmaps_pred", "heatmaps_targ"))
        else:
            given, wanted = head["keypoints_pred"], batch["keypoints"]
        if float((given - wanted).norm(dim=-1).amax()) > enough:
            return False
    return True
