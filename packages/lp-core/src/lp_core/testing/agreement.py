"""Checks that all that a tracker says of one image is one and the same."""

from __future__ import annotations

import torch

from lp_core.batches import UnlabeledBatch
from lp_core.testing.by_heart import labeled_heads, learned_by_heart, peaks, toy_batch
from lp_core.testing.explanation import Comparison
from lp_core.testing.outputs import heads_of
from lp_core.testing.subject import Subject, predict
from lp_core.testing.toy import windows_of, with_frame_at_model
from lp_core.trackers.supervised import BaseSupervisedTracker

_FAR = 0.5


def predicts_what_its_losses_see(subject: Subject) -> None:
    """predict_step and ``keypoints_pred`` name one place, but for the precision of a cell."""
    if subject.only_adds_clips or "keypoints_pred" not in subject.tracker_class.labeled_outputs:
        return
    if subject.many:
        _finds_what_its_losses_see(subject)
        return
    comparison = _prediction(subject, subject.stirred())
    if comparison.agrees:
        return
    _refuse_prediction(subject, comparison.explanation())
    learned = learned_by_heart(subject)
    if learned is None:
        return
    comparison = _prediction(subject, learned[0])
    _refuse_prediction(subject, comparison.explanation(learned=True))
    away = float(comparison.errors.median())
    if away > _FAR * comparison.spread:
        _refuse_prediction(subject, f"they are {away:.3g} model px apart once it has learned")


def _finds_what_its_losses_see(subject: Subject) -> None:
    """Among the animals that it predicts on an image are those that its losses compare."""
    tracker, batch = subject.stirred(), toy_batch(subject)
    found = predict(tracker, batch)
    for head in labeled_heads(tracker, batch):
        apart = (head["keypoints_pred"][:, None] - found.keypoints).norm(dim=-1).amax(dim=-1)
        apart[batch["image"][:, None] != found.image] = torch.inf
        if bool((apart.amin(dim=1) > _FAR).any()):
            _refuse_prediction(subject, "no predicted row has the keypoints of a labelled one")


def _prediction(subject: Subject, tracker: BaseSupervisedTracker) -> Comparison:
    """What it predicts of the toy batch, and the keypoints of its heads."""
    batch = toy_batch(subject)
    heads = [head["keypoints_pred"] for head in labeled_heads(tracker, batch)]
    points = predict(tracker, batch).keypoints
    return Comparison.with_heads(points, heads, tracker.options.keypoint_names)


def _refuse_prediction(subject: Subject, explanation: str | None) -> None:
    if explanation is not None:
        raise subject.fault(
            f"predict_step gives other keypoints than the keypoints_pred of its losses: "
            f"{explanation}",
            "let both take their keypoints from one method",
        )


def gives_clips_what_it_gives_images(subject: Subject) -> None:
    """``keypoints_pred`` of an unlabelled clip are those of its frames as a labelled batch."""
    kind = subject.tracker_class
    if (
        subject.many
        or not subject.semi_supervised
        or "keypoints_pred" not in (kind.labeled_outputs & kind.unlabeled_outputs)
    ):
        return
    tracker = subject.stirred()
    clip: UnlabeledBatch = with_frame_at_model(subject.toy().clip())  # type: ignore[assignment]
    images = windows_of(clip, tracker.context_frames, tracker.num_keypoints)
    heads = [head["keypoints_pred"] for head in labeled_heads(tracker, images)]
    with torch.no_grad():
        outputs = heads_of(tracker.get_loss_inputs_unlabeled(clip))  # type: ignore[operator]
    for head in outputs:
        comparison = Comparison.with_heads(
            head["keypoints_pred"], heads, tracker.options.keypoint_names
        )
        explanation = comparison.explanation()
        if explanation is not None:
            raise subject.fault(
                "the keypoints_pred of a clip are not those of the same frames as a labelled "
                f"batch: {explanation}",
                "let get_loss_inputs_labeled and get_loss_inputs_unlabeled share one method",
            )


def aims_its_heatmaps_at_its_labels(subject: Subject) -> None:
    """``heatmaps_targ`` peak at the labels, whatever the convention of half cells."""
    if "heatmaps_targ" not in subject.tracker_class.labeled_outputs:
        return
    batch, options = toy_batch(subject), subject.options()
    for head in labeled_heads(subject.build(), batch):
        found = peaks(head["heatmaps_targ"], options.image_size)
        centred = found - (found - batch["keypoints"]).mean(dim=(0, 1))
        comparison = Comparison.with_heads(centred, [batch["keypoints"]], options.keypoint_names)
        explanation = comparison.explanation(learned=True)
        if explanation is not None:
            raise subject.fault(
                f"heatmaps_targ do not peak at the labels: {explanation}",
                'give batch["heatmaps"] as they are',
            )


def reads_its_heatmaps_as_its_targets(subject: Subject) -> None:
    """Keypoints lie where heatmaps peak, in the way in which targets peak at labels."""
    provided = subject.tracker_class.labeled_outputs
    if (
        subject.many
        or subject.only_adds_clips
        or not {"heatmaps_pred", "heatmaps_targ"} <= provided
    ):
        return
    learned = learned_by_heart(subject)
    if learned is None:
        return
    tracker, batch = learned
    options, predicted = tracker.options, predict(tracker, batch).keypoints
    for head in labeled_heads(tracker, batch):
        targets = peaks(head["heatmaps_targ"], options.image_size)
        convention = (targets - batch["keypoints"]).mean(dim=(0, 1))
        points = head.get("keypoints_pred", predicted) + convention
        comparison = Comparison.with_heads(
            points, [peaks(head["heatmaps_pred"], options.image_size)], options.keypoint_names
        )
        away = float(comparison.errors.median())
        apart = f"they are {away:.3g} model px apart" if away > _FAR * comparison.spread else None
        explanation = comparison.explanation(learned=True) or apart
        if explanation is not None:
            raise subject.fault(
                "its keypoints are not where its heatmaps_pred peak once it has learned: "
                f"{explanation}",
                "model px = (cell + 1/2) * cell size - 1/2; rows of a heatmap are y, columns x",
            )
