"""Checks of a tracker that looks at the images of all cameras of a frame together."""

from __future__ import annotations

from typing import cast

import torch
from torch import Tensor

from lp_core.batches import LabeledBatch, LossInputs
from lp_core.testing.independence import differ
from lp_core.testing.subject import Subject, loss_inputs, predict
from lp_core.testing.toy import with_frame_at_model

_PIXELS = 1e-2
_CONFIDENCE = 1e-4


def _toy_batch(subject: Subject) -> LabeledBatch:
    return with_frame_at_model(subject.toy().labeled(batch=2))


def without_views(batch: LabeledBatch, absent: Tensor) -> LabeledBatch:
    """The batch, with images (B,) that only fill the place of a camera without one."""
    keypoints, visibility = batch["keypoints"].clone(), batch["visibility"].clone()
    rows = absent[batch["image"]]
    keypoints[rows], visibility[rows] = torch.nan, 0
    there = {"present": ~absent, "keypoints": keypoints, "visibility": visibility}
    return cast("LabeledBatch", {**batch, **there})


def looks_at_all_views(subject: Subject) -> None:
    """What another camera sees of the frame changes the prediction."""
    if subject.views < 2:
        return
    tracker, batch = subject.stirred(), _toy_batch(subject)
    images = batch["images"].clone()
    images[1 :: subject.views] = 255 - images[1 :: subject.views]
    changed: LabeledBatch = {**batch, "images": images}
    of_first = [predict(tracker, each).keypoints[:: subject.views] for each in (batch, changed)]
    if not differ(*of_first):
        raise subject.fault(
            "it declares views = 'jointly', but what one camera sees does not change what it "
            "predicts for another",
            "declare views = 'each' if it looks at every image alone",
        )


def sees_nothing_of_absent_views(subject: Subject) -> None:
    """Images that are not present have no influence, on predictions or on what the losses read."""
    if subject.views < 2:
        return
    tracker, batch = subject.stirred(), _toy_batch(subject)
    for number in range(subject.views):
        absent = batch["view"] == number
        given = without_views(batch, absent)
        images = given["images"].clone()
        images[absent] = 255 - images[absent]
        other: LabeledBatch = {**given, "images": images}
        there = ~absent
        for one, two in zip(predict(tracker, given), predict(tracker, other), strict=True):
            if differ(one[there], two[there]):
                raise subject.fault(
                    f"an image of view {number} that is not present changes the predictions of "
                    "the other views",
                    "mask its tokens in every attention, by the key 'present' of the batch",
                )
        with torch.no_grad():
            heads = zip(loss_inputs(tracker, given), loss_inputs(tracker, other), strict=True)
            for head, same in heads:
                _check_alike(subject, head, same, there)


def _check_alike(subject: Subject, head: LossInputs, other: LossInputs, there: Tensor) -> None:
    for key, value in cast("dict[str, Tensor]", head).items():
        changed = cast("dict[str, Tensor]", other)[key]
        if key.endswith("_pred") and differ(value[there], changed[there]):
            raise subject.fault(
                f"an image that is not present changes {key} of the other views",
                "mask its tokens in every attention, by the key 'present' of the batch",
            )


def predicts_any_of_its_views(subject: Subject) -> None:
    """`for_views` gives a tracker for some of the views, which predicts as if others were absent.

    That holds for a single view, and for views in another order.
    """
    if not subject.jointly:
        return
    tracker, batch, names = subject.stirred(), _toy_batch(subject), subject.view_names
    chosen = [(number,) for number in range(len(names))] + [tuple(range(len(names)))[::-1]]
    for numbers in chosen:
        index = torch.tensor(
            [frame * subject.views + number for frame in range(2) for number in numbers]
        )
        absent = torch.ones_like(batch["present"])
        absent[index] = False
        expected = predict(tracker, without_views(batch, absent))
        some = tracker.for_views([names[number] for number in numbers])
        rows = ("keypoints", "visibility", "table_row", "images", "to_frame", "frame", "present")
        fewer = {key: batch[key][index] for key in rows}  # type: ignore[literal-required]
        places = torch.arange(len(index))
        fewer |= {"view": places % len(numbers), "image": places}
        found = predict(some, cast("LabeledBatch", fewer))
        away = (found.keypoints - expected.keypoints[index]).abs().median()
        doubt = (found.confidences - expected.confidences[index]).abs().median()
        if not (away <= _PIXELS and doubt <= _CONFIDENCE):
            raise subject.fault(
                f"for_views({[names[number] for number in numbers]}) predicts otherwise than the "
                "tracker does where the other views are not present",
                "find what belongs to a view by the number in 'view', not by its place in a frame",
            )


def bears_absent_views(subject: Subject) -> None:
    """A frame of which some views, or all, are absent poisons neither loss nor gradients."""
    if not subject.jointly:
        return
    batch = _toy_batch(subject)
    views = subject.views
    patterns = {
        "a frame without one of its views": torch.arange(2 * views) == 0,
        "a frame without any view": torch.arange(2 * views) < views,
    }
    for what, absent in patterns.items():
        tracker = subject.build()
        loss = tracker.evaluate_labeled(without_views(batch, absent), "train")
        loss.backward()
        gradients = [p.grad for p in tracker.parameters() if p.grad is not None]
        if not (loss.isfinite() and all(gradient.isfinite().all() for gradient in gradients)):
            raise subject.fault(
                f"{what} makes its loss or a gradient infinite or NaN",
                "let every token attend to itself, so that no attention is to nothing",
            )
        given = predict(tracker, without_views(batch, absent))
        if not all(value.isfinite().all() for value in given):
            raise subject.fault(f"{what} makes its predictions infinite or NaN")


def predicts_frames_in_any_order(subject: Subject) -> None:
    """The frames of a batch can come in any order."""
    if not subject.jointly:
        return
    tracker, batch = subject.stirred(), _toy_batch(subject)
    order = torch.arange(2 * subject.views).unflatten(0, (2, -1)).flip(0).flatten()
    turned = cast("LabeledBatch", {key: batch[key][order] for key in batch})  # type: ignore[literal-required]
    turned["image"] = torch.arange(len(order))
    found, expected = predict(tracker, turned), predict(tracker, batch)
    if (found.keypoints - expected.keypoints[order]).abs().median() > _PIXELS:
        raise subject.fault("it predicts a frame differently where the order of the frames differs")
