"""How well rows go with the predictions of tracks: costs in nats, which add up.

The centre has a Gaussian around its prediction and a gate; the keypoints, the lengths of limbs and
the appearance have Student-t distributions, whose logarithm has a slope at any distance, so that
costs never saturate and never tie.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Bool, Float, Int
from numpy import ndarray

from lp_analysis.tracks.detections import Detections, masked_median

GATE = 13.815510557964274
"""The 0.999 quantile of chi-squared with two degrees of freedom: -2 ln 0.001."""

NU = 3.0
"""Degrees of freedom of the Student-t distributions."""

EFFECTIVE_KEYPOINTS = 3.0
"""Keypoints of one body move together; all of them count as so many independent ones."""

EFFECTIVE_LIMBS = 2.0

RETURN_COST = 9.0
"""Nats, for the return of a known animal anywhere right after its loss; one less each frame."""

_OTHER_POSE = 0.3  # body sizes; scale of the keypoints of some other animal there
_POSE_BACKGROUND = np.log(2 * np.pi * _OTHER_POSE**2) + 1
_LIMB_BACKGROUND = 0.3  # standard deviation of log lengths between animals


def innovations(
    points: Float[ndarray, "tracks 2 keypoints"],
    centre: Float[ndarray, "tracks 2"],
    found: Detections,
) -> tuple[Float[ndarray, "tracks rows 2"], Float[ndarray, "tracks rows 2 keypoints"]]:
    """How far each row lies from each predicted pose, and its keypoints after that motion.

    The displacement is the median over the keypoints that both know, so that the centre of an
    animal that is half hidden does not jump. Where both know none it is that of the centres.

    Args:
        points: Predicted poses, frame px; NaN where a keypoint was never seen.
        centre: Predicted centres, frame px.
        found: The rows.

    Returns:
        Displacements, and residuals, both in frame px; a residual is NaN where a keypoint is not
        known to both.
    """
    residual = found.points[None] - points[:, None]
    known = ~np.isnan(residual[:, :, 0])
    moved = masked_median(residual, known[:, :, None])
    apart = found.centre[None] - centre[:, None]
    moved = np.where(np.isnan(moved), apart, moved)
    return moved, residual - moved[..., None]


def place_noise(
    residual: Float[ndarray, "tracks rows 2 keypoints"],
    age: Int[ndarray, "tracks keypoints"],
    scale: Float[ndarray, " tracks"],
    size: Float[ndarray, " tracks"],
    jitter: float,
) -> Float[ndarray, "tracks rows"]:
    """Variances of the displacements along an axis, px²: the fewer keypoints, the larger.

    Args:
        residual: Frame px, NaN where it is unknown.
        age: Frames since each keypoint was seen before this one.
        scale: Of the residuals of keypoints from frame to frame, px.
        size: Body sizes, px.
        jitter: Standard deviation with any number of keypoints, body sizes.
    """
    known = ~np.isnan(residual[:, :, 0])
    count = known.sum(axis=-1)
    moving = (known * pose_variance(1 + age, scale, size)[:, None]).sum(axis=-1)
    mean = moving / np.maximum(count, 1) ** 2
    unlike = np.where(count > 0, mean, (size**2 / 4)[:, None])
    return unlike + ((jitter * size) ** 2)[:, None]


def pose_variance(
    frames: Int[ndarray, "some ages"],
    scale: Float[ndarray, " some"],
    size: Float[ndarray, " some"],
) -> Float[ndarray, "some ages"]:
    """Variances of keypoints around the body, px²: after some time any pose is as likely.

    Args:
        frames: Since the keypoints were seen.
        scale: Of the residuals from frame to frame, px.
        size: Body sizes, px.
    """
    return np.minimum((scale**2)[:, None] * frames, ((_OTHER_POSE * size) ** 2)[:, None])


def motion_cost(
    moved: Float[ndarray, "tracks rows 2"],
    variance: Float[ndarray, "tracks rows"],
    size: Float[ndarray, " tracks"],
) -> Float[ndarray, "tracks rows"]:
    """-log density of the centre, per area of a body; infinite beyond the gate.

    Args:
        moved: Displacements from the predictions, frame px.
        variance: Of a displacement along one axis, px².
        size: Body sizes, px.
    """
    distance = (moved * moved).sum(axis=-1) / variance
    cost = 0.5 * distance + np.log(2 * np.pi * variance / (size**2)[:, None])
    return np.where(distance > GATE, np.inf, cost)


def pose_cost(
    residual: Float[ndarray, "tracks rows 2 keypoints"],
    weight: Float[ndarray, "rows keypoints"],
    age: Int[ndarray, "tracks keypoints"],
    scale: Float[ndarray, " tracks"],
    size: Float[ndarray, " tracks"],
) -> Float[ndarray, "tracks rows"]:
    """-log density ratio of the keypoints around the body, against that of another animal.

    Args:
        residual: Frame px, NaN where it is unknown.
        weight: Confidences.
        age: Frames since each keypoint was seen before this one.
        scale: Of the residuals of certain keypoints from frame to frame, px.
        size: Body sizes, px.
    """
    known = ~np.isnan(residual[:, :, 0])
    spread = pose_variance(1 + age, scale, size)
    variance = spread[:, None] / np.maximum(weight, 1e-3)[None]
    squared = (residual * residual).sum(axis=2)
    return pose_evidence(squared, variance, size[:, None], known)


def pose_evidence(
    squared: Float[ndarray, "*pairs keypoints"],
    variance: Float[ndarray, "*pairs keypoints"],
    size: Float[ndarray, "*sizes"],
    known: Bool[ndarray, "*pairs keypoints"],
) -> Float[ndarray, "*pairs"]:
    """-log density ratio of keypoints around the body, against those of another animal.

    Args:
        squared: Residuals, px².
        variance: Of a residual along an axis, px².
        size: Body sizes, px; broadcasts over the pairs.
        known: Which residuals are known. One alone tells nothing: it is the displacement.
    """
    relative = np.log(2 * np.pi * variance / (size**2)[..., None])
    each = relative + (NU + 2) / 2 * np.log1p(squared / (NU * variance)) - _POSE_BACKGROUND
    count = known.sum(axis=-1)
    mean = np.where(known, each, 0).sum(axis=-1) / np.maximum(count, 1)
    telling = np.maximum(count - 1, 0) / max(known.shape[-1] - 1, 1)
    return EFFECTIVE_KEYPOINTS * telling * mean


def limb_cost(
    limbs: Float[ndarray, "tracks limbs"],
    seen: Int[ndarray, "tracks limbs"],
    found: Float[ndarray, "rows limbs"],
    variance: Float[ndarray, " limbs"],
) -> Float[ndarray, "tracks rows"]:
    """-log density ratio of the lengths of limbs, against those of another animal.

    Args:
        limbs: Mean log lengths of each track.
        seen: From how many rows.
        found: Log lengths of each row; NaN where unknown.
        variance: Within an individual.
    """
    if not limbs.shape[1]:
        return np.zeros((len(limbs), len(found)))
    off = found[None] - limbs[:, None]
    spread = (variance[None] * (1 + 1 / np.maximum(seen, 1)))[:, None]
    each = np.log1p(off * off / (NU * spread)) * ((NU + 1) / 2)
    each = each + 0.5 * np.log(spread / _LIMB_BACKGROUND**2) - 0.5
    known = ~np.isnan(each)
    share = known.sum(axis=-1) / limbs.shape[1]
    mean = np.where(known, each, 0).sum(axis=-1) / np.maximum(known.sum(axis=-1), 1)
    return EFFECTIVE_LIMBS * share * mean


def appearance_cost(
    own: Float[ndarray, "tracks features"], found: Float[ndarray, "rows features"]
) -> Float[ndarray, "tracks rows"]:
    """-log density of the appearance, relative to that of a typical row of the same individual.

    Args:
        own: Mean vectors of the tracks, whose variance within an individual is 1.
        found: Vectors of the rows; where one is NaN the appearance says nothing.
    """
    D = own.shape[1]
    if not D:
        return np.zeros((len(own), len(found)))
    off = found[None] - own[:, None]
    squared = (off * off).sum(axis=-1)
    cost = (NU + D) / 2 * (np.log1p(squared / NU) - np.log1p(D / NU))
    return np.nan_to_num(cost)
