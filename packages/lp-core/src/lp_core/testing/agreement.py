"""Checks that all that a tracker says of one image is one and the same."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import islice

import torch
from torch import Tensor

from lp_core.batches import LabeledBatch
from lp_core.geometry.decoding import decode_heatmaps
from lp_core.losses.contract import Loss
from lp_core.losses.factory import LossFactory
from lp_core.testing.explanation import Comparison
from lp_core.testing.losses import LabeledDistanceLoss, TargetHeatmapLoss
from lp_core.testing.subject import RATE, Subject, loss_inputs, predict, steps
from lp_core.testing.toy import windows_of, with_frame_at_model
from lp_core.trackers.supervised import BaseSupervisedTracker

_FAR = 0.5
_STEPS = 200
_ROUND = 20
_ENOUGH = 0.02


def _toy_batch(subject: Subject) -> LabeledBatch:
    """The labelled batch that is learned by heart; its frame px are model px."""
    return with_frame_at_model(subject.toy().labeled(batch=4))


@torch.no_grad()
def _keypoints(tracker: BaseSupervisedTracker, batch: LabeledBatch) -> list[Tensor]:
    """The keypoints of its heads, in evaluation mode."""
    return [head["keypoints_pred"] for head in loss_inputs(tracker.eval(), batch)]


def _peaks(subject: Subject, heatmaps: Tensor) -> Tensor:
    """Where maps (N, K, h, w) peak, (N, K, 2) in model px."""
    return decode_heatmaps(heatmaps, subject.options().image_size)[0]


def _compare(subject: Subject, points: Tensor, heads: Sequence[Tensor]) -> Comparison:
    return Comparison(points, heads, subject.options().keypoint_names)


def _refuse(subject: Subject, explanation: str | None, problem: str, remedy: str) -> None:
    if explanation is not None:
        raise subject.fault(f"{problem}: {explanation}", remedy)


def predicts_what_its_losses_see(subject: Subject) -> None:
    """predict_step and ``keypoints_pred`` name one place, but for the precision of a cell."""
    if subject.only_adds_clips or "keypoints_pred" not in subject.tracker_class.labeled_outputs:
        return
    tracker, batch = subject.stirred(), _toy_batch(subject)
    if subject.many:
        _finds_what_its_losses_see(subject, tracker, batch)
        return
    words = (
        "predict_step gives other keypoints than the keypoints_pred of its losses",
        "let both take their keypoints from one method",
    )
    found = _compare(subject, predict(tracker, batch).keypoints, _keypoints(tracker, batch))
    _refuse(subject, found.explanation(), *words)
    learned = None if found.agrees else _learned_by_heart(subject)
    if learned is None:
        return
    found = _compare(subject, predict(learned, batch).keypoints, _keypoints(learned, batch))
    _refuse(subject, found.explanation(learned=True), *words)
    away = found.distance()
    _refuse(subject, away and f"{away} once it has learned", *words)


def _finds_what_its_losses_see(
    subject: Subject, tracker: BaseSupervisedTracker, batch: LabeledBatch
) -> None:
    """Among the animals that it predicts on an image are those that its losses compare."""
    found = predict(tracker, batch)
    for points in _keypoints(tracker, batch):
        apart = (points[:, None] - found.keypoints).norm(dim=-1).amax(dim=-1)
        apart[batch["image"][:, None] != found.image] = torch.inf
        if bool((apart.amin(dim=1) > _FAR).any()):
            raise subject.fault(
                "predict_step gives other keypoints than the keypoints_pred of its losses: "
                "no predicted row has the keypoints of a labelled one",
                "let both take their keypoints from one method",
            )


def gives_clips_what_it_gives_images(subject: Subject) -> None:
    """``keypoints_pred`` of an unlabelled clip are those of its frames as a labelled batch."""
    kind = subject.tracker_class
    both = kind.labeled_outputs & kind.unlabeled_outputs
    if subject.many or not subject.semi_supervised or "keypoints_pred" not in both:
        return
    tracker, clip = subject.stirred(), with_frame_at_model(subject.toy().clip())
    sizes = (tracker.context_frames, tracker.num_keypoints, subject.views)
    images = _keypoints(tracker, windows_of(clip, *sizes))
    with torch.no_grad():
        heads = loss_inputs(tracker, clip)
    for head in heads:
        _refuse(
            subject,
            _compare(subject, head["keypoints_pred"], images).explanation(),
            "the keypoints_pred of a clip are not those of the same frames as a labelled batch",
            "let get_loss_inputs_labeled and get_loss_inputs_unlabeled share one method",
        )


def aims_its_heatmaps_at_its_labels(subject: Subject) -> None:
    """``heatmaps_targ`` peak at the labels, whatever the convention of half cells."""
    if "heatmaps_targ" not in subject.tracker_class.labeled_outputs:
        return
    batch = _toy_batch(subject)
    labels = batch["keypoints"]
    for head in loss_inputs(subject.build().eval(), batch):
        found = _peaks(subject, head["heatmaps_targ"])
        centred = found - (found - labels).mean(dim=(0, 1))
        _refuse(
            subject,
            _compare(subject, centred, [labels]).explanation(learned=True),
            "heatmaps_targ do not peak at the labels",
            'give batch["heatmaps"] as they are',
        )


def reads_its_heatmaps_as_its_targets(subject: Subject) -> None:
    """Keypoints lie where heatmaps peak, in the way in which targets peak at labels."""
    provided = subject.tracker_class.labeled_outputs
    heatmaps = {"heatmaps_pred", "heatmaps_targ"} <= provided
    if subject.many or subject.only_adds_clips or not heatmaps:
        return
    tracker, batch = _learned_by_heart(subject), _toy_batch(subject)
    if tracker is None:
        return
    predicted = predict(tracker, batch).keypoints
    with torch.no_grad():
        heads = loss_inputs(tracker, batch)
    for head in heads:
        convention = (_peaks(subject, head["heatmaps_targ"]) - batch["keypoints"]).mean(dim=(0, 1))
        points = head.get("keypoints_pred", predicted) + convention
        found = _compare(subject, points, [_peaks(subject, head["heatmaps_pred"])])
        _refuse(
            subject,
            found.explanation(learned=True) or found.distance(),
            "its keypoints are not where its heatmaps_pred peak once it has learned",
            "model px = (cell + 1/2) * cell size - 1/2; rows of a heatmap are y, columns x",
        )


def _learned_by_heart(subject: Subject) -> BaseSupervisedTracker | None:
    """A tracker that knows the toy batch; None if it does not learn it in time.

    It learns from the kit's own losses: the subject's may be slow.
    """
    provided = subject.tracker_class.labeled_outputs
    kinds: tuple[type[Loss], ...] = (TargetHeatmapLoss, LabeledDistanceLoss)
    usable = [kind() for kind in kinds if kind.requires <= provided]
    if not usable:
        return None
    tracker, batch = subject.build(), _toy_batch(subject)
    tracker.losses = LossFactory(usable[:1], provided, tracker=subject.name)
    optimizer = torch.optim.Adam(tracker.parameters(), lr=RATE)
    learning = steps(optimizer, lambda _: tracker.train().evaluate_labeled(batch, "train"))
    for number, _ in enumerate(islice(learning, _STEPS), start=1):
        if number % _ROUND == 0 and _knows(subject, tracker, batch):
            return tracker
    return None


@torch.no_grad()
def _knows(subject: Subject, tracker: BaseSupervisedTracker, batch: LabeledBatch) -> bool:
    """Whether what it was taught has arrived, in evaluation mode."""
    enough = _ENOUGH * max(subject.options().image_size)
    for head in loss_inputs(tracker.eval(), batch):
        if "heatmaps_targ" in head and "heatmaps_pred" in head:
            maps = head["heatmaps_pred"], head["heatmaps_targ"]
            given, wanted = (_peaks(subject, each) for each in maps)
        else:
            given, wanted = head["keypoints_pred"], batch["keypoints"]
        if float((given - wanted).norm(dim=-1).amax()) > enough:
            return False
    return True
