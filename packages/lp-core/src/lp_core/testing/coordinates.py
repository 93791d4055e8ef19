"""Checks of the space that coordinates are in: frame px, wherever they leave the tracker."""

from __future__ import annotations

from typing import cast

import torch
from torch import Tensor

from lp_core.batches import LabeledBatch, LossInputs, UnlabeledBatch
from lp_core.geometry.affine import transform
from lp_core.testing.outputs import heads_of
from lp_core.testing.subject import Subject, predict
from lp_core.testing.toy import with_frame_at_model
from lp_core.trackers.supervised import BaseSupervisedTracker

_MARGIN = 0.05


def predicts_in_frame_px(subject: Subject) -> None:
    """Each row's own ``to_frame`` is applied to it, once."""
    tracker, toy = subject.build(learning=False), subject.toy()
    margin = tracker.context_frames // 2
    clip = toy.clip()
    middle = clip["to_frame"][margin : len(clip["to_frame"]) - margin]
    labeled = toy.labeled(batch=3)
    forms: list[tuple[LabeledBatch | UnlabeledBatch, Tensor]] = [
        (labeled, labeled["to_frame"]),
        (clip, middle),
    ]
    for batch, maps in forms:
        in_model = predict(tracker, with_frame_at_model(batch)).keypoints
        found = predict(tracker, batch)
        in_frame = found.keypoints
        maps = maps if found.image is None else batch["to_frame"][found.image]
        if not torch.allclose(in_frame, transform(in_model, maps), atol=_MARGIN):
            raise subject.fault(
                "predict_step does not bring keypoints to frame px by each row's to_frame",
                'use lp_core.geometry.affine.transform(keypoints, batch["to_frame"]); of a clip, '
                "with the rows of the frames that stand in the middle of a window",
            )


def gives_its_losses_frame_px(subject: Subject) -> None:
    """What the losses read as ``keypoints_pred`` is in frame px, by each row's own ``to_frame``."""
    tracker, toy = subject.build(learning=False).eval(), subject.toy()
    labeled, clip = toy.labeled(batch=3), toy.clip()
    with torch.no_grad():
        _check_frame_px(subject, _labeled_heads(tracker, labeled), labeled["to_frame"])
        if subject.semi_supervised:
            _check_frame_px(subject, _clip_heads(tracker, clip), clip["to_frame"])


def _labeled_heads(tracker: BaseSupervisedTracker, batch: LabeledBatch) -> list[list[LossInputs]]:
    """The heads' outputs of a batch, as if frame px were model px, and as it is."""
    plain = cast("LabeledBatch", with_frame_at_model(batch))
    given = (tracker.add_targets(plain), tracker.add_targets(batch))
    return [
        heads_of(tracker.with_places(tracker.get_loss_inputs_labeled(each), each)) for each in given
    ]


def _clip_heads(tracker: BaseSupervisedTracker, batch: UnlabeledBatch) -> list[list[LossInputs]]:
    """The same of a clip."""
    given = (with_frame_at_model(batch), batch)
    outputs = [(tracker.get_loss_inputs_unlabeled(each), each) for each in given]  # type: ignore[operator]
    return [heads_of(tracker.with_places(*each)) for each in outputs]


def _check_frame_px(subject: Subject, heads: list[list[LossInputs]], maps: Tensor) -> None:
    for in_model, in_frame in zip(*heads, strict=True):
        if "keypoints_pred" not in in_frame:
            continue
        expected = transform(in_model["keypoints_pred"], maps[in_frame["image"]])
        if not torch.allclose(in_frame["keypoints_pred"], expected, atol=_MARGIN):
            raise subject.fault(
                "the keypoints_pred that its losses read are not in frame px",
                'use lp_core.geometry.affine.transform(keypoints, batch["to_frame"])',
            )
