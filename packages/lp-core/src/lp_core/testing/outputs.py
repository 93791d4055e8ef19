"""Checks of what a tracker gives for every form of batch, and in which space."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any

import torch
from jaxtyping import Bool
from torch import Tensor

from lp_core.batches import PLACES, LabeledBatch, Prediction, UnlabeledBatch, images_of
from lp_core.geometry.affine import transform
from lp_core.testing.subject import Subject, loss_inputs, predict, row_maps
from lp_core.testing.toy import with_frame_at_model
from lp_core.trackers.supervised import BaseSupervisedTracker

_MARGIN = 0.05
_ROUNDING = 1e-3


def _check_values(
    subject: Subject,
    tracker: BaseSupervisedTracker,
    values: Mapping[str, Any],
    rows: int,
    place: str,
    images: int = 0,
) -> None:
    """Shapes and values that the losses, and whoever takes predictions, may rely on."""
    for key, value in values.items():
        expected = _expected_shape(tracker, key, value, rows, images)
        if tuple(value.shape) != expected:
            raise subject.fault(f"'{key}' {place} has shape {tuple(value.shape)}, not {expected}")
        missing = _may_be_missing(subject, key, values)
        if not (value.isfinite() | missing).all():
            raise subject.fault(f"{key} {place} is not finite")
        if key in ("confidences", "scores") and not ((value >= 0) & (value <= 1)).all():
            raise subject.fault(f"{key} {place} leaves the range from 0 to 1")
        if key == "heatmaps_pred" and (value.float().sum(dim=(2, 3)) - 1).abs().max() > 1e-2:
            raise subject.fault(f"each map of {key} {place} must sum to 1")


def _expected_shape(
    tracker: BaseSupervisedTracker, key: str, value: Tensor, rows: int, images: int
) -> tuple[int, ...]:
    """The shape that an output must have; of maps of all animals, there may be any number."""
    keypoints = tracker.num_keypoints
    if key.startswith("heatmaps"):
        return (rows, keypoints, *tracker.heatmap_size)
    if key.startswith("peaks"):
        return (images, *value.shape[1:2], *tracker.heatmap_size)
    if key.startswith("offsets"):
        return (images, keypoints, 2, *tracker.heatmap_size)
    if key.startswith("keypoints"):
        return (rows, keypoints, 2)
    one_each = key in PLACES or key in ("individual", "scores")
    return (rows,) if one_each else (rows, keypoints)


def _may_be_missing(subject: Subject, key: str, values: Mapping[str, Any]) -> Tensor:
    """Where a value may be NaN: no target, or keypoints that one of many animals lacks."""
    lacking = values["confidences"] == 0 if subject.many and "confidences" in values else None
    if key == "keypoints" and lacking is not None:
        return lacking.unsqueeze(-1)
    return torch.tensor(key in ("peaks_targ", "offsets_targ"))


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


def gives_its_labeled_outputs(subject: Subject) -> None:
    """Every declared output for the rows of a labelled batch, with the targets in frame px."""
    tracker, batch = subject.build(), subject.toy().labeled(batch=3)
    _check_outputs(subject, tracker, batch, len(batch["keypoints"]), "of a labelled batch")
    targets = transform(batch["keypoints"], batch["to_frame"][batch["image"]])
    for head in loss_inputs(tracker, batch):
        if "keypoints_targ" in head and not torch.allclose(
            head["keypoints_targ"], targets, atol=_MARGIN
        ):
            raise subject.fault(
                "keypoints_targ is not in frame px",
                'use lp_core.geometry.affine.transform(batch["keypoints"], batch["to_frame"])',
            )


def gives_its_unlabeled_outputs(subject: Subject) -> None:
    """Every declared output for a clip, one row per frame that has its context."""
    if subject.semi_supervised:
        tracker, clip = subject.build(), subject.toy().clip()
        rows = len(clip["frames"]) - (tracker.context_frames - 1) * subject.views
        _check_outputs(subject, tracker, clip, rows, "of an unlabelled clip")


def _check_outputs(
    subject: Subject,
    tracker: BaseSupervisedTracker,
    batch: LabeledBatch | UnlabeledBatch,
    rows: int,
    place: str,
) -> None:
    """Declared keys are there, with the right shapes and values."""
    labeled, kind, images = "images" in batch, type(tracker), len(images_of(batch))
    declared = kind.labeled_outputs if labeled else kind.unlabeled_outputs
    for head in loss_inputs(tracker, batch):
        if subject.many and not labeled:
            _check_images(subject, head.get("image"), images, place)
            rows = len(head["image"])
        absent = sorted(declared - set(head))
        if absent:
            raise subject.fault(
                f"it declares '{absent[0]}' {place}, but does not give it",
                "return it, or take it out of the declared outputs",
            )
        _check_values(subject, tracker, head, rows, place, images)


def predicts_every_form_of_batch(subject: Subject) -> None:
    """Labelled batches, clips, and a clip of a single window."""
    tracker, toy = subject.build(learning=False), subject.toy()
    window = tracker.context_frames
    forms: list[tuple[LabeledBatch | UnlabeledBatch, int, str]] = [
        (toy.labeled(batch=3), 3, "on a labelled batch"),
        (toy.clip(window + 3), 4, "on a clip"),
        (toy.clip(window), 1, "on the shortest clip"),
    ]
    for batch, frames, place in forms:
        rows = frames * subject.views
        found = predict(tracker, batch)
        if not isinstance(found, Prediction):
            raise subject.fault(
                f"predict_step {place} must return Prediction(keypoints, confidences)"
            )
        if subject.many:
            images = len(images_of(batch))
            _check_images(subject, found.image, images, f"of predict_step {place}")
            rows = len(found.keypoints)
        elif found.image is not None:
            raise subject.fault(
                f"predict_step {place} says which image each row is on",
                "leave 'image' out, one row for each image in their order; or declare "
                "instances = 'many'",
            )
        given = {key: value for key, value in vars(found).items() if isinstance(value, Tensor)}
        _check_values(subject, tracker, given, rows, f"of predict_step {place}")


def predicts_in_frame_px(subject: Subject) -> None:
    """Each row's own ``to_frame`` is applied to it, once."""
    tracker, toy = subject.build(learning=False), subject.toy()
    forms: tuple[LabeledBatch | UnlabeledBatch, ...] = (toy.labeled(batch=3), toy.clip())
    for batch in forms:
        in_model = predict(tracker, with_frame_at_model(batch)).keypoints
        found = predict(tracker, batch)
        expected = transform(in_model, row_maps(tracker, batch, found.image))
        if not torch.allclose(found.keypoints, expected, atol=_MARGIN, equal_nan=True):
            raise subject.fault(
                "predict_step does not bring keypoints to frame px by each row's to_frame",
                'use lp_core.geometry.affine.transform(keypoints, batch["to_frame"]); of a clip, '
                "with the rows of the frames that stand in the middle of a window",
            )


def gives_its_losses_frame_px(subject: Subject) -> None:
    """What the losses read as ``keypoints_pred`` is in frame px, by each row's own ``to_frame``."""
    tracker, toy = subject.build(learning=False).eval(), subject.toy()
    forms: list[LabeledBatch | UnlabeledBatch] = [toy.labeled(batch=3)]
    forms += [toy.clip()] if subject.semi_supervised else []
    for batch in forms:
        with torch.no_grad():
            given, plain = (loss_inputs(tracker, b) for b in (batch, with_frame_at_model(batch)))
        for in_frame, in_model in zip(given, plain, strict=True):
            if "keypoints_pred" not in in_frame:
                continue
            maps = row_maps(tracker, batch, in_frame.get("image"))
            expected = transform(in_model["keypoints_pred"], maps)
            if not torch.allclose(in_frame["keypoints_pred"], expected, atol=_MARGIN):
                raise subject.fault(
                    "the keypoints_pred that its losses read are not in frame px",
                    'use lp_core.geometry.affine.transform(keypoints, batch["to_frame"])',
                )


def leaves_its_batch_alone(subject: Subject) -> None:
    """Neither a training step nor a prediction changes the batch."""
    tracker, labeled, clip = subject.build(), subject.toy().labeled(), subject.toy().clip()
    steps: list[tuple[Any, Callable[[], object]]] = [
        (labeled, lambda: predict(tracker, labeled)),
        (clip, lambda: predict(tracker, clip)),
        (labeled, lambda: tracker.evaluate_labeled(labeled, "train")),
    ]
    if subject.semi_supervised:
        steps.append((clip, lambda: loss_inputs(tracker, clip)))
    for batch, step in steps:
        copy = {
            key: value.clone() if isinstance(value, Tensor) else value
            for key, value in batch.items()
        }
        with suppress(Exception):  # another check names it, if the batch is whole
            step()
        for key in sorted(copy.keys() | batch.keys()):
            if not _same(copy.get(key), batch.get(key)):
                raise subject.fault(
                    f"it changes '{key}' of its batch",
                    "compute in new tensors; the batch belongs to the data loader",
                )


def _same(value: Tensor | int | None, other: Tensor | int | None) -> bool:
    """Whether both are there, with the same type, shape and values, NaN among them."""
    if not (isinstance(value, Tensor) and isinstance(other, Tensor)):
        return value == other if isinstance(value, int) else value is other
    if value.dtype != other.dtype or value.shape != other.shape:
        return False
    return bool(((value == other) | (value.isnan() & other.isnan())).all())


def partly_labeled(subject: Subject) -> tuple[LabeledBatch, Bool[Tensor, "rows keypoints"]]:
    """A labelled batch, and which of its keypoints have no label."""
    batch = subject.toy().labeled(batch=3)
    absent = torch.zeros_like(batch["visibility"], dtype=torch.bool)
    absent[0] = absent[:, -1] = True
    batch["keypoints"][absent], batch["visibility"][absent] = torch.nan, 0
    return batch, absent


def marks_missing_labels(subject: Subject) -> None:
    """A keypoint without a label has no target, and does not touch what is predicted."""
    batch, absent = partly_labeled(subject)
    for head in loss_inputs(subject.build(), batch):
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
    batch = subject.toy().labeled(batch=3)
    for gain in (1.0, 10.0, 1000.0):
        tracker = subject.stirred(gain)
        with torch.no_grad():
            heads = loss_inputs(tracker, batch)
        given = [(head.get("confidences"), "given to its losses") for head in heads]
        given += [(predict(tracker, batch).confidences, "of predict_step")]
        for values, place in given:
            if values is not None and ((values - 0.5).abs() > 0.5 + _ROUNDING).any():
                raise subject.fault(
                    f"confidences {place} leave the range from 0 to 1 when it is sure of itself: "
                    f"they reach from {float(values.min()):.3g} to {float(values.max()):.3g}"
                )
