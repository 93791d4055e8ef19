"""Limbs: keypoints that are next to each other on the body, and how far apart they can be."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int
from numpy import ndarray

_SLACK = 1.35
"""Longest possible length of a limb over the longest labelled one."""


class Limb(NamedTuple):
    """What joins two keypoints.

    Attributes:
        one, other: Places of the keypoints.
        longest: How far apart they are at most where they are labelled, in the unit of the labels.
    """

    one: int
    other: int
    longest: float


def limbs_of(points: Float[ndarray, "rows keypoints 2"]) -> tuple[Limb, ...]:
    """The limbs that connect the keypoints over the shortest usual (median) distances.

    A minimum spanning tree, grown from keypoint to keypoint as Prim's algorithm does. Keypoints
    that are never labelled together with another one have no limb.

    Args:
        points: Labelled poses, NaN where a keypoint is missing.
    """
    between = np.linalg.norm(points[:, :, None] - points[:, None], axis=-1)
    known = np.isfinite(between).any(axis=0)
    usual = np.full(known.shape, np.inf)
    usual[known] = np.nanmedian(between[:, known], axis=0)
    limbs: list[Limb] = []
    left = set(range(len(usual)))
    while left:
        joined = [min(left)]
        left -= set(joined)
        while left:
            beyond = sorted(left)
            reach = usual[np.ix_(joined, beyond)]
            if not np.isfinite(reach).any():
                break
            near, far = np.unravel_index(reach.argmin(), reach.shape)
            one, other = joined[int(near)], beyond[int(far)]
            longest = float(np.nanmax(between[:, one, other]))
            limbs.append(Limb(min(one, other), max(one, other), longest))
            joined.append(other)
            left.remove(other)
    return tuple(limbs)


def parts_of(
    points: Float[ndarray, "keypoints 2"], limbs: Sequence[Limb]
) -> Int[ndarray, " keypoints"]:
    """The part of the body that each keypoint is in, counted from 0.

    Keypoints are in one part if limbs join them that are no longer than a body's can be. A limb to
    a keypoint that is not known joins as well: nothing says that it does not.

    Args:
        points: A pose, in the unit of the limbs; NaN where a keypoint is not known.
        limbs: What `limbs_of` gives.
    """
    part = np.arange(len(points))
    for one, other, longest in limbs:
        if not np.hypot(*(points[one] - points[other])) > _SLACK * longest:
            part[part == part[other]] = part[one]
    found: Int[ndarray, " keypoints"] = np.unique(part, return_inverse=True)[1]
    return found
