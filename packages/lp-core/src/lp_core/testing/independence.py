"""Checks of what a prediction depends on: on its own image alone, and on that one."""

from __future__ import annotations

from typing import cast

import torch
from torch import Tensor

from lp_core.batches import LabeledBatch, UnlabeledBatch
from lp_core.testing.explanation import Comparison
from lp_core.testing.outputs import heads_of
from lp_core.testing.subject import Subject, predict
from lp_core.testing.toy import windows_of, with_frame_at_model
from lp_core.trackers.supervised import BaseSupervisedTracker

_ROUNDING = 1e-4
_PIXELS = 1e-2


def predicts_each_image_alone(subject: Subject) -> None:
    """An image's prediction does not depend on the other images of its batch."""
    tracker = subject.stirred()
    batch = cast("LabeledBatch", with_frame_at_model(subject.toy().labeled(batch=3)))
    images = batch["images"].clone()
    images[1:] = 255 - images[1:]  # the shapes stay, and so do the roundings
    others = cast("LabeledBatch", {**batch, "images": images})
    for given, other in zip(_outputs(tracker, batch), _outputs(tracker, others), strict=True):
        if _differ(given[0], other[0]):
            raise subject.fault(
                "the prediction of an image depends on the other images of its batch",
                "normalise over the batch in training mode only, as BatchNorm does; attention "
                "takes (batch, tokens, channels) with batch_first=True",
            )
    first = cast("LabeledBatch", {key: value[:1] for key, value in batch.items()})  # type: ignore[index]
    alone, together = predict(tracker, first).keypoints, predict(tracker, batch).keypoints
    # the median, since rounding may decide between two equal peaks of one untrained map
    if (alone - together[:1]).abs().median() > _PIXELS:
        raise subject.fault("it predicts an image that is alone in its batch differently")


def predicts_clips_as_images(subject: Subject) -> None:
    """A frame of a clip is predicted as the same image in a labelled batch."""
    tracker, toy = subject.stirred(), subject.toy()
    clip = cast("UnlabeledBatch", with_frame_at_model(toy.clip()))
    images = windows_of(clip, tracker.context_frames, tracker.num_keypoints)
    in_clip, as_images = predict(tracker, clip), predict(tracker, images)
    comparison = Comparison.with_heads(
        in_clip.keypoints, [as_images.keypoints], tracker.options.keypoint_names
    )
    away = comparison.errors
    # the median, since encoding in other groups rounds differently
    if float(away.median()) > _PIXELS:
        explanation = comparison.explanation() or f"{float(away.median()):.3g} model px apart"
        raise subject.fault(
            "it predicts a frame of a clip differently from the same image in a labelled batch: "
            f"{explanation}",
            "row i of a clip is its window i, and labels are not there to be read",
        )


def looks_at_the_labeled_frame(subject: Subject) -> None:
    """What is seen on the frame that has the label, the middle one, changes the prediction."""
    tracker = subject.stirred()
    batch = cast("LabeledBatch", with_frame_at_model(subject.toy().labeled(batch=3)))
    images = batch["images"].clone()
    middle = images[:, tracker.context_frames // 2] if images.ndim == 5 else images
    middle.copy_(255 - middle)
    seen = predict(tracker, batch)
    other = predict(tracker, cast("LabeledBatch", {**batch, "images": images}))
    if not any(_differ(value, changed) for value, changed in zip(seen, other, strict=True)):
        raise subject.fault(
            "what it predicts does not depend on the frame that has the label",
            "of F context frames, that is number F // 2",
        )


def _outputs(tracker: BaseSupervisedTracker, batch: LabeledBatch) -> list[Tensor]:
    """All that it says of each image of a batch."""
    with torch.no_grad():
        heads = heads_of(tracker.get_loss_inputs_labeled(tracker.add_targets(batch)))
    given = [cast("dict[str, Tensor]", head) for head in heads]
    predicted = [value for head in given for key, value in head.items() if "targ" not in key]
    return [*predict(tracker, batch), *predicted]


def _differ(value: Tensor, other: Tensor) -> bool:
    """Whether two results differ by more than rounding."""
    largest = float(value.abs().max())
    return float((value - other).abs().max()) > _ROUNDING * largest
