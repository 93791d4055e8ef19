"""Conditions to learn from: labelled poses, wrong in the ways in which real conditions are.

A condition of a prediction is a pose of the frame before, or of a first look: displaced as a whole,
with errors of single keypoints, without some, and with some that are those of another animal. The
kinds of noise are those of BUCTD (Zhou et al., ICCV 2023); all is drawn on the device.
"""

from __future__ import annotations

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from lp_core.batches import LabeledBatch
from lp_core.poses import Visibility
from lp_models.conditioned.options import ConditionedOptions

_TURN, _GROWTH = 0.15, 0.06  # standard deviations: radians, log scale
_FEW, _MANY, _OFTEN_FEW = 0.2, 0.5, 0.75
_SIDES = 0.1  # share of the conditions with left and right exchanged, in part or as a whole

Points = Float[Tensor, "batch keypoints 2"]
PerKeypoint = Float[Tensor, "batch keypoints"]


def with_conditions(
    batch: LabeledBatch, mirror: Int[Tensor, " keypoints"], options: ConditionedOptions
) -> LabeledBatch:
    """A batch of images with one animal in the middle of each, and random conditions.

    Of some images another animal is meant, so that what is told counts more than what is in the
    middle. What was labelled of it as hidden is not known: it counts as visible.

    Args:
        batch: With or without ``others``.
        mirror: (K,) the keypoint on the other side of the body, itself where there is no other.
        options: How often and how far a condition is wrong.
    """
    keypoints, visibility, others = batch["keypoints"], batch["visibility"], batch.get("others")
    middle = torch.ones_like(visibility[:, :1], dtype=torch.bool)
    if others is not None and others.shape[1]:
        place = _random_other(others)
        other = others.take_along_dim(place, dim=1)
        known = other.isfinite().all(dim=-1)[:, 0]
        middle = ~_rows(keypoints, options.elsewhere) | (2 * known.sum(1, True) < len(mirror))
        at = torch.arange(others.shape[1], device=place.device).view(1, -1, 1, 1) == place
        others = torch.where(at & ~middle[..., None, None], keypoints[:, None], others)
        keypoints = torch.where(middle.unsqueeze(-1), keypoints, other[:, 0])
        visibility = torch.where(middle, visibility, known * int(Visibility.VISIBLE))
    told = training_conditions(keypoints, others, mirror, options)
    alone = middle & _rows(keypoints, options.unconditioned)
    told = torch.where(alone.unsqueeze(-1), torch.nan, told)
    return {**batch, "keypoints": keypoints, "visibility": visibility, "condition": told}


def training_conditions(
    keypoints: Points,
    others: Float[Tensor, "batch others keypoints 2"] | None,
    mirror: Int[Tensor, " keypoints"],
    options: ConditionedOptions,
) -> Points:
    """A condition for each image, NaN where a keypoint is missing.

    Args:
        keypoints: The labels, model px, NaN where there is none.
        others: Those of the other animals on the image; None where there are none.
        mirror: (K,) the keypoint on the other side of the body, itself where there is no other.
        options: How often and how far a condition is wrong.
    """
    length = float(max(options.image_size))
    pose = _with_sides_exchanged(keypoints, mirror)
    if others is not None and others.shape[1]:
        pose = _with_others(pose, others, options.condition_swaps)
    pose = _moved(pose, options.condition_shift * length)
    jitter = options.condition_jitter * length * 2 * torch.rand_like(pose[:, :1])
    pose = pose + jitter * torch.randn_like(pose)
    some, share = _rows(pose, options.condition_misses), torch.rand_like(pose[:, :1, 0])
    missing = some & (torch.rand_like(pose[..., 0]) < 0.7 * share)
    return torch.where(missing.unsqueeze(-1), torch.nan, pose)


def _rows(pose: Points, share: float) -> Bool[Tensor, "batch 1"]:
    """A share of the rows, chosen at random."""
    return torch.rand_like(pose[:, :1, 0]) < share


def _with_sides_exchanged(pose: Points, mirror: Int[Tensor, " keypoints"]) -> Points:
    chance = torch.rand_like(pose[..., 0])
    pairs = chance + chance[:, mirror] < 2 * torch.rand_like(pose[:, :1, 0])
    return torch.where((pairs & _rows(pose, _SIDES)).unsqueeze(-1), pose[:, mirror], pose)


def _with_others(
    pose: Points, others: Float[Tensor, "batch others keypoints 2"], share: float
) -> Points:
    """Some keypoints as those of another animal: mostly a few, sometimes half of them."""
    other = others.take_along_dim(_random_other(others), dim=1).squeeze(1)
    several = torch.where(_rows(pose, _OFTEN_FEW), _FEW, _MANY)
    swapped = _rows(pose, share) & (torch.rand_like(pose[..., 0]) < several)
    swapped = swapped & other.isfinite().all(dim=-1)
    return torch.where(swapped.unsqueeze(-1), other, pose)


def _random_other(
    others: Float[Tensor, "batch others keypoints 2"],
) -> Int[Tensor, "batch 1 1 1"]:
    """One of the animals that are there on each image."""
    there = others.isfinite().all(dim=-1).any(dim=-1)
    return (torch.rand_like(others[:, :, 0, 0]) + there).argmax(dim=1)[:, None, None, None]


def _moved(pose: Points, shift: float) -> Points:
    """Each pose turned, scaled and displaced as a whole: mostly by a little."""
    middle = pose.nanmean(dim=1, keepdim=True)
    turn = _TURN * torch.randn_like(pose[:, :1, 0])
    scale = torch.exp(_GROWTH * torch.randn_like(turn))
    cos, sin = scale * turn.cos(), scale * turn.sin()
    x, y = (pose - middle).unbind(dim=-1)
    turned = torch.stack([cos * x - sin * y, sin * x + cos * y], dim=-1)
    reach = shift * 2 * torch.rand_like(middle[..., :1])
    return turned + middle + reach * torch.randn_like(middle)
