"""Checks of what a tracker gives for every form of batch."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from typing import Any

import torch
from jaxtyping import Bool
from torch import Tensor

from lp_core.batches import (
    PLACES,
    LabeledBatch,
    LossInputs,
    Prediction,
    UnlabeledBatch,
    images_of,
)
from lp_core.geometry.affine import transform
from lp_core.testing.subject import Subject, predict
from lp_core.trackers.supervised import BaseSupervisedTracker, Outputs

_MARGIN = 0.05
_ROUNDING = 1e-3


def heads_of(outputs: Outputs) -> list[LossInputs]:
    """The items of one head or several."""
    return [outputs] if isinstance(outputs, dict) else list(outputs)


def _expected_shape(
    tracker: BaseSupervisedTracker, key: str, rows: int, images: int
) -> tuple[int, ...]:
    if key.startswith("peaks"):
        return images, *tracker.heatmap_size
    if key.startswith("heatmaps"):
        return rows, tracker.num_keypoints, *tracker.heatmap_size
    if key in PLACES or key == "individual":
        return (rows,)
    return (rows, tracker.num_keypoints) + ((2,) if key.startswith("keypoints") else ())


def _check_values(subject: Subject, key: str, value: Tensor, place: str) -> None:
    """Values that the losses may rely on."""
    if not value.isfinite().all():
        raise subject.fault(f"{key} {place} is not finite")
    if key in ("confidences", "scores") and not ((value >= 0) & (value <= 1)).all():
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
    images: int,
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
            expected = _expected_shape(tracker, key, rows, images)
            if tuple(value.shape) != expected:
                raise subject.fault(
                    f"'{key}' {place} has shape {tuple(value.shape)}, not {expected}"
                )
            _check_values(subject, key, value, place)


def gives_its_labeled_outputs(subject: Subject) -> None:
    """Every declared output for the rows of a labelled batch, with the targets in frame px."""
    tracker, batch = subject.build(), subject.toy().labeled(batch=3)
    outputs = tracker.get_loss_inputs_labeled(tracker.add_targets(batch))
    declared, rows = type(tracker).labeled_outputs, len(batch["keypoints"])
    images = len(batch["images"])
    _check_outputs(subject, tracker, outputs, declared, rows, images, "of a labelled batch")
    targets = transform(batch["keypoints"], batch["to_frame"][batch["image"]])
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
    frames = len(clip["frames"])
    rows = frames - tracker.context_frames + 1
    outputs = tracker.get_loss_inputs_unlabeled(clip)  # type: ignore[operator]
    declared = type(tracker).unlabeled_outputs
    if subject.many:
        for head in heads_of(outputs):
            _check_images(subject, head.get("image"), frames, "of an unlabelled clip")
            rows = len(head["image"])
    _check_outputs(subject, tracker, outputs, declared, rows, frames, "of an unlabelled clip")


def _check_images(subject: Subject, image: Tensor | None, images: int, place: str) -> None:
    """A tracker of many animals says which image each row is on."""
    if image is None:
        raise subject.fault(
            f"it does not say which image each row {place} is on",
            "a tracker that declares instances = 'many' gives 'image'",
        )
    if image.dtype != torch.long or image.ndim != 1:
        raise subject.fault(f"'image' {place} must be (R,) whole numbers, one for each row")
    if len(image) and not (int(image.min()) >= 0 and int(image.max()) < images):
        raise subject.fault(
            f"'image' {place} names image {int(image.max())}, but they count from 0 to {images - 1}"
        )


def _check_prediction(
    subject: Subject,
    prediction: object,
    batch: LabeledBatch | UnlabeledBatch,
    rows: int,
    place: str,
) -> None:
    """A prediction of the right type, shapes and values."""
    if not isinstance(prediction, Prediction):
        raise subject.fault(f"predict_step {place} must return Prediction(keypoints, confidences)")
    keypoints = subject.options().num_keypoints
    if subject.many:
        _check_images(subject, prediction.image, len(images_of(batch)), f"of predict_step {place}")
        rows = len(prediction.keypoints)
    elif prediction.image is not None:
        raise subject.fault(
            f"predict_step {place} says which image each row is on",
            "leave 'image' out, one row for each image in their order; or declare "
            "instances = 'many'",
        )
    parts = {
        "keypoints": (prediction.keypoints, (rows, keypoints, 2)),
        "confidences": (prediction.confidences, (rows, keypoints)),
        "image": (prediction.image, (rows,)),
        "scores": (prediction.scores, (rows,)),
    }
    for name, (value, expected) in parts.items():
        if value is None:
            continue
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
        _check_prediction(subject, predict(tracker, batch), batch, rows, place)


def leaves_its_batch_alone(subject: Subject) -> None:
    """Neither a training step nor a prediction changes the batch."""
    tracker, labeled, clip = subject.build(), subject.toy().labeled(), subject.toy().clip()
    steps: list[tuple[Any, Callable[[], object]]] = [
        (labeled, lambda: predict(tracker, labeled)),
        (clip, lambda: predict(tracker, clip)),
        (labeled, lambda: tracker.evaluate_labeled(labeled, "train")),
    ]
    if subject.semi_supervised:
        steps.append((clip, lambda: tracker.get_loss_inputs_unlabeled(clip)))  # type: ignore[operator]
    for batch, step in steps:
        copy = {key: value.clone() for key, value in batch.items()}
        with suppress(Exception):  # another check names it, if the batch is whole
            step()
        for key in sorted(copy.keys() | batch.keys()):
            if not _same(copy.get(key), batch.get(key)):
                raise subject.fault(
                    f"it changes '{key}' of its batch",
                    "compute in new tensors; the batch belongs to the data loader",
                )


def _same(value: Tensor | None, other: Tensor | None) -> bool:
    """Whether both are there, with the same type, shape and values."""
    if value is None or other is None:
        return value is other
    return value.dtype == other.dtype and torch.equal(value, other)


def partly_labeled(subject: Subject) -> tuple[LabeledBatch, Bool[Tensor, "rows keypoints"]]:
    """A labelled batch, and which of its keypoints have no label."""
    batch = subject.toy().labeled(batch=3)
    absent = torch.zeros_like(batch["visibility"], dtype=torch.bool)
    absent[0] = absent[:, -1] = True
    batch["keypoints"][absent], batch["visibility"][absent] = torch.nan, 0
    return batch, absent


def marks_missing_labels(subject: Subject) -> None:
    """A keypoint without a label has no target, and does not touch what is predicted."""
    tracker = subject.build()
    batch, absent = partly_labeled(subject)
    outputs = tracker.get_loss_inputs_labeled(tracker.add_targets(batch))
    for head in heads_of(outputs):
        targets = head.get("keypoints_targ")
        if targets is not None and not targets[absent].isnan().all():
            raise subject.fault(
                "keypoints_targ of a keypoint without a label are numbers",
                "leave them NaN, as transform does, so that they count as missing",
            )
        maps = head.get("heatmaps_targ")
        if maps is not None and (maps.sum(dim=(2, 3)) == 0).sum() < absent.sum():
            raise subject.fault(
                "heatmaps_targ of a keypoint without a label are not 0",
                'give batch["heatmaps"] as they are',
            )
        for key in ("keypoints_pred", "heatmaps_pred", "confidences"):
            if key in head and not head[key].isfinite().all():
                raise subject.fault(f"a label that is missing makes {key} NaN")


def keeps_confidences_in_range(subject: Subject) -> None:
    """Confidences stay from 0 to 1 however sure the tracker is."""
    toy = subject.toy()
    for gain in (1.0, 10.0, 1000.0):
        tracker, batch = subject.stirred(gain), toy.labeled(batch=3)
        with torch.no_grad():
            outputs = heads_of(tracker.get_loss_inputs_labeled(tracker.add_targets(batch)))
        given = [(head.get("confidences"), "given to its losses") for head in outputs]
        given += [(predict(tracker, batch).confidences, "of predict_step")]
        for values, place in given:
            if values is not None and bool(
                ((values < -_ROUNDING) | (values > 1 + _ROUNDING)).any()
            ):
                low, high = float(values.min()), float(values.max())
                raise subject.fault(
                    f"confidences {place} leave the range from 0 to 1 when it is sure of itself: "
                    f"they reach from {low:.3g} to {high:.3g}"
                )
