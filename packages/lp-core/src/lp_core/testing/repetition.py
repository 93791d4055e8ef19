"""Checks of what must come out the same: again, after a restart, at another precision."""

from __future__ import annotations

import math

import torch

from lp_core.geometry.affine import transform
from lp_core.testing.subject import Subject, predict, row_maps, train
from lp_core.testing.toy import with_frame_at_model

_MARGIN = 1e-3
_STEPS_PER_PIXEL = 32


def predicts_the_same_twice(subject: Subject) -> None:
    """One image has one prediction."""
    tracker, clip = subject.stirred(), subject.toy().clip()
    first, second = predict(tracker, clip), predict(tracker, clip)
    same = (
        one.shape == two.shape and torch.allclose(one, two, atol=_MARGIN, equal_nan=True)
        for one, two in zip(first, second, strict=True)
    )
    if not all(same):
        raise subject.fault(
            "it predicts the same clip differently the second time",
            "in evaluation mode, nothing random and no memory of what came before",
        )


def repeats_itself(subject: Subject) -> None:
    """The same seed trains the same tracker."""
    runs = []
    for _ in range(2):
        tracker = subject.build(seed=3)
        losses = train(tracker, [subject.batch(seed) for seed in range(2)])
        runs.append((losses, predict(tracker, subject.toy().clip()).keypoints))
    (losses, keypoints), (other_losses, other_keypoints) = runs
    same = torch.allclose(torch.tensor(losses), torch.tensor(other_losses), rtol=1e-4)
    same = same and keypoints.shape == other_keypoints.shape
    if not (same and torch.allclose(keypoints, other_keypoints, atol=_MARGIN, equal_nan=True)):
        raise subject.fault(
            "it is not deterministic: two runs with one seed differ",
            "draw random numbers from torch's global generator only",
        )


def keeps_its_state(subject: Subject) -> None:
    """A state dict restores every prediction exactly, in a tracker without losses as well."""
    tracker = subject.build(seed=0)
    train(tracker, [subject.batch(seed) for seed in range(3)])
    state = {name: value.clone() for name, value in tracker.state_dict().items()}
    clip = subject.toy().clip()
    expected = predict(tracker, clip)
    for learning in (True, False):
        restored = subject.build(seed=1, learning=learning)
        wanted = state.keys() if learning else restored.state_dict().keys()
        restored.load_state_dict({name: state[name] for name in wanted})
        found = predict(restored, clip)
        difference, trust = (_apart(one, two) for one, two in zip(found, expected, strict=True))
        if difference > _MARGIN or trust > _MARGIN:
            raise subject.fault(
                f"its state is lost: restored from its state dict, it predicts {difference:.3g} px "
                f"and {trust:.3g} of confidence off",
                "keep whatever predictions depend on in parameters or buffers",
            )


def works_in_bfloat16(subject: Subject) -> None:
    """Under autocast it learns, and coordinates keep their full precision."""
    tracker, toy = subject.build(), subject.toy()
    clip = toy.clip()
    plain = with_frame_at_model(clip)
    with torch.autocast("cpu", torch.bfloat16):
        loss = train(tracker, [subject.batch()])[0]
        found, in_model = predict(tracker, clip), predict(tracker, plain).keypoints
    if not torch.isfinite(torch.tensor(loss)):
        raise subject.fault("its loss is not finite under bfloat16 autocast")
    if found.keypoints.dtype != torch.float32:
        raise subject.fault(f"it predicts {found.keypoints.dtype} under autocast, not float32")
    expected = transform(in_model, row_maps(tracker, clip, found.image))
    if not torch.allclose(found.keypoints, expected, atol=0.05, equal_nan=True):
        raise subject.fault(
            "coordinates lose their precision under bfloat16 autocast",
            "use lp_core.geometry.affine.transform instead of a matrix product",
        )
    if _coarse(in_model) and not _coarse(predict(tracker, plain).keypoints):
        raise subject.fault(
            "keypoints are rounded to bfloat16 before they reach frame px",
            "compute coordinates in float32: logits.float(), and no matrix product under autocast",
        )


def _apart(found: torch.Tensor, expected: torch.Tensor) -> float:
    """How far two predictions differ at most; infinite where one has what the other lacks."""
    if found.shape != expected.shape or not torch.equal(found.isnan(), expected.isnan()):
        return math.inf
    return float((found - expected).nan_to_num().abs().max()) if found.numel() else 0.0


def _coarse(keypoints: torch.Tensor) -> bool:
    """Whether coordinates lie on the coarse steps that 8 bits leave from 8 px on."""
    steps = keypoints[keypoints.abs() >= 8] * _STEPS_PER_PIXEL
    return len(steps) > 0 and float(((steps - steps.round()).abs() < 1e-3).float().mean()) > 0.9
