"""Checks of what a tracker gives for every form of batch."""

from __future__ import annotations

from typing import cast

import torch
from torch import Tensor

from lp_core.batches import LabeledBatch, LossInputs, UnlabeledBatch
from lp_core.geometry.affine import transform
from lp_core.testing.subject import Subject, predict
from lp_core.testing.toy import with_frame_at_model
from lp_core.trackers.supervised import BaseSupervisedTracker, Outputs

_MARGIN = 0.05
_ROUNDING = 1e-3


def heads_of(outputs: Outputs) -> list[LossInputs]:
    """The items of one head or several."""
    return [outputs] if isinstance(outputs, dict) else list(outputs)


def _expected_shape(tracker: BaseSupervisedTracker, key: str, rows: int) -> tuple[int, ...]:
    if key.startswith("heatmaps"):
        return rows, tracker.num_keypoints, *tracker.heatmap_size
    return (rows, tracker.num_keypoints) + ((2,) if key.startswith("keypoints") else ())


def _check_values(subject: Subject, key: str, value: Tensor, place: str) -> None:
    """Values that the losses may rely on."""
    if not value.isfinite().all():
        raise subject.fault(f"{key} {place} is not finite")
    if key == "confidences" and not ((value >= 0) & (value <= 1)).all():
        raise subject.fault(f"{key} {place} leaves the range from 0 to 1")
    if key == "heatmaps_pred":
        sums = value.detach().float().sum(dim=(2, 3))
        if (sums - 1).abs().max() > 1e-2:
            raise subject.fault(f"each map of {key} {place} must sum to 1")


def _check_outputs(
    subject: Subject,
    tracker: BaseSupervisedTracker,
    outputs: Outputs,
    declared: frozenset[str],
    rows: int,
    place: str,
) -> None:
    """Declared keys are there, with the right shapes and values."""
    for head in heads_of(outputs):
        absent = sorted(declared - set(head))
        if absent:
            raise subject.fault(
                f"it declares '{absent[0]}' {place}, but does not give it",
                "return it, or take it out of the declared outputs",
            )
        for key, value in head.items():
            assert isinstance(value, Tensor)
            expected = _expected_shape(tracker, key, rows)
            if tuple(value.shape) != expected:
                raise subject.fault(
                    f"'{key}' {place} has shape {tuple(value.shape)}, not {expected}"
                )
            _check_values(subject, key, value, place)


def gives_its_labeled_outputs(subject: Subject) -> None:
    """Every declared output for a labelled batch, with the targets in frame px."""
    tracker, batch = subject.build(), subject.toy().labeled(batch=3)
    outputs = tracker.get_loss_inputs_labeled(tracker.add_targets(batch))
    declared = type(tracker).labeled_outputs
    _check_outputs(subject, tracker, outputs, declared, 3, "of a labelled batch")
    targets = transform(batch["keypoints"], batch["to_frame"])
    for head in heads_of(outputs):
        if "keypoints_targ" in head and not torch.allclose(
            head["keypoints_targ"], targets, atol=_MARGIN
        ):
            raise subject.fault(
                "keypoints_targ is not in frame px",
                'use lp_core.geometry.affine.transform(batch["keypoints"], batch["to_frame"])',
            )


def gives_its_unlabeled_outputs(subject: Subject) -> None:
    """Every declared output for a clip, one row per frame that has its context."""
    if not subject.semi_supervised:
        return
    tracker, clip = subject.build(), subject.toy().clip()
    rows = len(clip["frames"]) - tracker.context_frames + 1
    outputs = tracker.get_loss_inputs_unlabeled(clip)  # type: ignore[operator]
    declared = type(tracker).unlabeled_outputs
    _check_outputs(subject, tracker, outputs, declared, rows, "of an unlabelled clip")


def _check_prediction(
    subject: Subject, prediction: object, rows: int, keypoints: int, place: str
) -> None:
    """A prediction of the right type, shapes and values."""
    parts = {"keypoints": (rows, keypoints, 2), "confidences": (rows, keypoints)}
    if not (isinstance(prediction, tuple) and len(prediction) == len(parts)):
        raise subject.fault(f"predict_step {place} must return Prediction(keypoints, confidences)")
    for value, (name, expected) in zip(prediction, parts.items(), strict=True):
        if tuple(value.shape) != expected:
            raise subject.fault(
                f"predict_step {place} gives {name} of shape {tuple(value.shape)}, not {expected}"
            )
        _check_values(subject, name, value, place)


def predicts_every_form_of_batch(subject: Subject) -> None:
    """Labelled batches, clips, and a clip of a single window."""
    tracker, toy = subject.build(learning=False), subject.toy()
    window = tracker.context_frames
    forms: list[tuple[LabeledBatch | UnlabeledBatch, int, str]] = [
        (toy.labeled(batch=3), 3, "on a labelled batch"),
        (toy.clip(window + 3), 4, "on a clip"),
        (toy.clip(window), 1, "on the shortest clip"),
    ]
    for batch, rows, place in forms:
        prediction = predict(tracker, batch)
        _check_prediction(subject, prediction, rows, tracker.num_keypoints, place)


def predicts_each_image_alone(subject: Subject) -> None:
    """An image's prediction does not depend on the other images of its batch."""
    tracker = subject.build(learning=False)
    batch = with_frame_at_model(subject.toy().labeled(batch=3))
    together = predict(tracker, batch).keypoints
    first = {key: value[:1] for key, value in cast("dict[str, Tensor]", batch).items()}
    alone = predict(tracker, cast("LabeledBatch", first)).keypoints
    # the median, since rounding may decide between two equal peaks of one untrained map
    if (alone - together[:1]).abs().median() > _ROUNDING:
        raise subject.fault("the prediction of an image depends on the other images of its batch")


def leaves_its_batch_alone(subject: Subject) -> None:
    """Neither a training step nor a prediction changes the batch."""
    tracker, labeled, clip = subject.build(), subject.toy().labeled(), subject.toy().clip()
    given = [cast("dict[str, Tensor]", batch) for batch in (labeled, clip)]
    copies = [{key: value.clone() for key, value in batch.items()} for batch in given]
    predict(tracker, labeled)
    predict(tracker, clip)
    tracker.evaluate_labeled(labeled, "train")
    for batch, copy in zip(given, copies, strict=True):
        for key, value in copy.items():
            if not torch.equal(batch[key], value):
                raise subject.fault(f"it changes '{key}' of its batch in place")
