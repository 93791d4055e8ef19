"""Checks of how a tracker learns."""

from __future__ import annotations

from itertools import islice

import torch
from torch import Tensor

from lp_core.testing.outputs import partly_labeled
from lp_core.testing.subject import Subject, heads_of, loss_inputs, steps
from lp_core.trackers.supervised import BaseSupervisedTracker

_STEPS = 40
_FALL = 0.9


def teaches_every_parameter(subject: Subject) -> None:
    """Gradients reach the backbone, and every parameter outside it within a few steps."""
    tracker = subject.build()
    optimizer = tracker.configure_optimizers()["optimizer"]
    reached: set[str] = set()
    for step in range(3):  # a layer may start at 0 and so hide what lies before it
        optimizer.zero_grad()
        tracker.training_step(subject.batch(seed=step), step).backward()
        for name, parameter in tracker.named_parameters():
            if parameter.grad is None:
                continue
            if not parameter.grad.isfinite().all():
                raise subject.fault(f"the gradient of '{name}' is not finite")
            if parameter.grad.any():
                reached.add(name)
        optimizer.step()
    held = {id(parameter) for group in optimizer.param_groups for parameter in group["params"]}
    own = {id(parameter) for parameter in tracker.head_parameters()}
    for name, parameter in tracker.named_parameters():
        if id(parameter) in own and parameter.requires_grad and name not in reached:
            raise subject.fault(
                f"the parameter '{name}' never gets a gradient: it is dead",
                "use it in forward, name a loss that reads what it gives, or remove it",
            )
        if name in reached and id(parameter) in own - held:
            raise subject.fault(
                f"its optimiser does not hold the parameter '{name}', which has a gradient",
                "leave configure_optimizers to the base class, or give it every parameter",
            )
    if not any(name.startswith("backbone.") for name in reached):
        raise subject.fault("no gradient reaches the backbone")


def _differentiable(
    subject: Subject, tracker: BaseSupervisedTracker, value: Tensor, key: str
) -> None:
    """Refuse a value whose gradient does not reach the backbone."""
    remedy = "a hard argmax has no gradient; use lp_core.geometry.decoding.decode_heatmaps"
    if not value.requires_grad:
        raise subject.fault(f"{key} is not differentiable: it carries no gradient", remedy)
    weights = torch.linspace(0.5, 1.5, value.numel()).reshape(value.shape)
    parameters = [p for p in tracker.backbone.parameters() if p.requires_grad]
    gradients: tuple[Tensor | None, ...] = torch.autograd.grad(
        (value * weights).sum(), parameters, retain_graph=True, allow_unused=True
    )
    given = [gradient for gradient in gradients if gradient is not None]
    if not any(gradient.any() for gradient in given):
        raise subject.fault(
            f"{key} is not differentiable: no gradient reaches the backbone", remedy
        )
    if not all(gradient.isfinite().all() for gradient in given):
        raise subject.fault(f"the gradient through {key} is not finite")


def gives_differentiable_outputs(subject: Subject) -> None:
    """What losses read can be learned from."""
    tracker, toy = subject.stirred().train(), subject.toy()  # a head may start at 0
    given = [(head, "of a labelled batch") for head in loss_inputs(tracker, toy.labeled())]
    if subject.semi_supervised:
        given += [(head, "of an unlabelled clip") for head in loss_inputs(tracker, toy.clip())]
    for head, place in given:
        for key in ("keypoints_pred", "heatmaps_pred"):
            if key in head:
                _differentiable(subject, tracker, head[key], f"{key} {place}")


def lowers_its_loss(subject: Subject) -> None:
    """The supervised loss of one toy batch falls when it is learned by heart."""
    tracker, batch = subject.build(), subject.toy().labeled()
    optimizer = tracker.configure_optimizers()["optimizer"]
    losses = steps(optimizer, lambda _: tracker.evaluate_labeled(batch, "train"))
    first = last = next(losses)
    for last in islice(losses, _STEPS - 1):
        if last < _FALL * first:
            return
    raise subject.fault(
        f"its loss does not fall: {first:.3g} at first, {last:.3g} after {_STEPS} steps"
    )


def bears_images_without_rows(subject: Subject) -> None:
    """A batch on which no animal was labelled costs a finite loss, with finite gradients."""
    if not subject.many:
        return
    tracker, batch = subject.build(), subject.toy().labeled(batch=3)
    for key in ("keypoints", "visibility", "image", "table_row"):
        batch[key] = batch[key][:0]
    loss = tracker.evaluate_labeled(batch, "train")
    _check_loss(subject, tracker, loss, "images without any labelled animal")


def learns_nothing_of_absent_keypoints(subject: Subject) -> None:
    """A keypoint without a label has no influence on the supervised loss."""
    tracker = subject.build()
    batch, absent = partly_labeled(subject)
    outputs = tracker.get_loss_inputs_labeled(tracker.add_targets(batch))
    assert tracker.losses is not None
    total = tracker.losses("train", outputs).total
    for head in heads_of(outputs):
        for key in ("heatmaps_pred", "keypoints_pred"):
            if key not in head or not head[key].requires_grad:
                continue
            gradients: tuple[Tensor | None, ...] = torch.autograd.grad(
                total, head[key], retain_graph=True, allow_unused=True
            )
            gradient = gradients[0]
            if gradient is not None and gradient[absent].any():
                raise subject.fault(
                    f"keypoints without a label pull at {key}",
                    "leave keypoints_targ NaN and heatmaps_targ 0 where there is no label",
                )


def bears_missing_labels(subject: Subject) -> None:
    """Keypoints without a label, even all of them, poison neither loss nor gradients."""
    for share in (0.5, 1.0):
        tracker, batch = subject.build(), subject.toy().labeled()
        hidden = torch.arange(batch["visibility"].numel()) < share * batch["visibility"].numel()
        hidden = hidden.reshape(batch["visibility"].shape)
        batch["keypoints"][hidden] = torch.nan
        batch["visibility"][hidden] = 0
        loss = tracker.evaluate_labeled(batch, "train")
        _check_loss(subject, tracker, loss, "keypoints without a label")


def _check_loss(subject: Subject, tracker: BaseSupervisedTracker, loss: Tensor, cause: str) -> None:
    """Refuse a loss that is not finite, or whose gradients are not."""
    if not loss.isfinite():
        raise subject.fault(f"{cause} make its loss infinite or NaN")
    if loss.requires_grad:
        loss.backward()
    for name, parameter in tracker.named_parameters():
        if parameter.grad is not None and not parameter.grad.isfinite().all():
            raise subject.fault(f"{cause} make the gradient of '{name}' NaN")
