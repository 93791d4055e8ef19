"""Checks of trackers that can be told which animal of an image is meant."""

from __future__ import annotations

import torch
from torch import Tensor

from lp_core.batches import LabeledBatch, Prediction
from lp_core.geometry.affine import transform
from lp_core.testing.subject import Subject, predict
from lp_core.testing.toy import with_frame_at_model
from lp_core.trackers.supervised import BaseSupervisedTracker

_ROUNDING = 1e-4
_PIXELS = 0.05


def takes_a_condition(subject: Subject) -> None:
    """Predictions depend on a condition, in model px, and do without one."""
    if subject.tracker_class.condition == "none":
        return
    tracker, batch = subject.stirred(), subject.toy().labeled(batch=3)
    plain, poses = predict(tracker, batch), batch["keypoints"]
    unknown = _conditioned(tracker, batch, torch.full_like(poses, torch.nan))
    if _apart(plain, unknown):
        raise subject.fault(
            "a condition of which nothing is known is not as none at all",
            "let a keypoint that is NaN in batch['condition'] add nothing",
        )
    told = _conditioned(tracker, batch, poses)
    if not told.keypoints.isfinite().all() or not told.confidences.isfinite().all():
        raise subject.fault("what it predicts with a condition is not finite")
    if not _apart(plain, told):
        raise subject.fault(
            "what it predicts does not depend on batch['condition']",
            "use it in predict_step, or declare condition = 'none'",
        )
    in_model = _conditioned(tracker, with_frame_at_model(batch), poses)
    away = told.keypoints - transform(in_model.keypoints, batch["to_frame"])
    if float(away.abs().max()) > _PIXELS:
        raise subject.fault(
            "what it makes of a condition depends on to_frame",
            "batch['condition'] is in model px, as the images are",
        )


def keeps_conditions_apart(subject: Subject) -> None:
    """The condition of an image has no influence on another image."""
    if subject.tracker_class.condition == "none":
        return
    tracker, batch = subject.stirred(), with_frame_at_model(subject.toy().labeled(batch=3))
    condition = batch["keypoints"].clone()
    first = _conditioned(tracker, batch, condition)
    for others in (condition.flip(dims=(1,)), torch.full_like(condition, torch.nan)):
        others[0] = condition[0]
        found = _conditioned(tracker, batch, others)
        for value, other in zip(first, found, strict=True):
            if float((value[0] - other[0]).abs().max()) > _ROUNDING * float(value.abs().max()):
                raise subject.fault(
                    "the condition of an image has an influence on the other images of its batch"
                )


def _conditioned(
    tracker: BaseSupervisedTracker, batch: LabeledBatch, condition: Tensor
) -> Prediction:
    found: Prediction = predict(tracker, {**batch, "condition": condition})
    return found


def _apart(one: Prediction, two: Prediction) -> bool:
    """Whether two predictions differ by more than rounding."""
    largest = float(one.keypoints.abs().max())
    return float((one.keypoints - two.keypoints).abs().max()) > _ROUNDING * largest
