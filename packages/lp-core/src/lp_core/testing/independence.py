"""Checks of what a prediction depends on: on its own image alone, and on that one."""

from __future__ import annotations

from typing import cast

import torch
from torch import Tensor

from lp_core.batches import LabeledBatch, Prediction
from lp_core.testing.explanation import Comparison
from lp_core.testing.subject import Subject, loss_inputs, predict
from lp_core.testing.toy import windows_of, with_frame_at_model
from lp_core.trackers.supervised import BaseSupervisedTracker

_ROUNDING = 1e-4
_PIXELS = 1e-2


def predicts_each_image_alone(subject: Subject) -> None:
    """A frame's prediction does not depend on the other frames of its batch."""
    tracker, views = subject.stirred(), subject.views
    batch = with_frame_at_model(subject.toy().labeled(batch=3))
    images = batch["images"].clone()
    images[views:] = 255 - images[views:]  # the shapes stay, and so do the roundings
    others: LabeledBatch = {**batch, "images": images}
    pairs = zip(_of_first(tracker, batch, views), _of_first(tracker, others, views), strict=True)
    for given, other in pairs:
        if given.shape != other.shape or differ(given, other):
            raise subject.fault(
                "the prediction of an image depends on the other images of its batch"
                + (", beyond those of its frame" if subject.jointly else ""),
                "normalise over the batch in training mode only, as BatchNorm does; attention "
                "takes (batch, tokens, channels) with batch_first=True",
            )
    rows = int((batch["image"] < views).sum())
    ragged = ("keypoints", "visibility", "image", "table_row")
    sizes = {key: rows if key in ragged else views for key in batch}
    first = cast("LabeledBatch", {key: batch[key][:size] for key, size in sizes.items()})  # type: ignore[literal-required]
    alone, together = predict(tracker, first), predict(tracker, batch)
    of_first = together.keypoints[_on_first(together, views)]
    # the median, since rounding may decide between two equal peaks of one untrained map
    if (
        alone.keypoints.shape != of_first.shape
        or (alone.keypoints - of_first).abs().nanmedian() > _PIXELS
    ):
        raise subject.fault("it predicts an image that is alone in its batch differently")


def predicts_clips_as_images(subject: Subject) -> None:
    """A frame of a clip is predicted as the same image in a labelled batch."""
    tracker, toy = subject.stirred(), subject.toy()
    clip = with_frame_at_model(toy.clip())
    views = subject.views
    images = windows_of(clip, tracker.context_frames, tracker.num_keypoints, views)
    in_clip, as_images = predict(tracker, clip), predict(tracker, images)
    if in_clip.keypoints.shape != as_images.keypoints.shape:
        raise subject.fault("it finds other animals in a clip than in the same images")
    names = tracker.options.keypoint_names
    comparison = Comparison(in_clip.keypoints, [as_images.keypoints], names)
    # the median, since encoding in other groups rounds differently
    away = float(comparison.errors.nanmedian())
    if away > _PIXELS:
        explanation = comparison.explanation() or f"{away:.3g} model px apart"
        raise subject.fault(
            "it predicts a frame of a clip differently from the same image in a labelled batch: "
            f"{explanation}",
            "row i of a clip is its window i, and labels are not there to be read",
        )


def looks_at_the_labeled_frame(subject: Subject) -> None:
    """What is seen on the frame that has the label, the middle one, changes the prediction."""
    tracker = subject.stirred()
    batch = with_frame_at_model(subject.toy().labeled(batch=3))
    images = batch["images"].clone()
    middle = images[:, tracker.context_frames // 2] if images.ndim == 5 else images
    middle.copy_(255 - middle)
    seen = predict(tracker, batch)
    other = predict(tracker, {**batch, "images": images})
    if len(seen.keypoints) == len(other.keypoints) and not any(
        differ(value, changed) for value, changed in zip(seen, other, strict=True)
    ):
        raise subject.fault(
            "what it predicts does not depend on the frame that has the label",
            "of F context frames, that is number F // 2",
        )


def _of_first(tracker: BaseSupervisedTracker, batch: LabeledBatch, views: int) -> list[Tensor]:
    """All that it says of the images of the first frame of a batch."""
    found, labelled = predict(tracker, batch), batch["image"] < views
    values = [value[_on_first(found, views)] for value in found]
    with torch.no_grad():
        for head in cast("list[dict[str, Tensor]]", loss_inputs(tracker, batch)):
            values += [
                value[:views] if key.startswith(("peaks", "offsets")) else value[labelled]
                for key, value in head.items()
                if "targ" not in key
            ]
    return values


def _on_first(found: Prediction, views: int) -> Tensor | slice:
    """Which predicted rows are on the images of the first frame."""
    return slice(views) if found.image is None else found.image < views


def differ(value: Tensor, other: Tensor) -> bool:
    """Whether two results differ by more than rounding."""
    if not value.numel():
        return False
    if not torch.equal(value.isnan(), other.isnan()):
        return True
    largest = float(value.nan_to_num().abs().max())
    return float((value - other).nan_to_num().abs().max()) > _ROUNDING * largest
