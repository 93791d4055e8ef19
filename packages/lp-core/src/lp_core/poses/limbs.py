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


def path_lengths(limbs: Sequence[Limb], keypoints: int) -> Float[ndarray, "keypoints keypoints"]:
    """How far apart two keypoints can be: the lengths of the limbs between them, with some slack.

    Infinite where no limbs lead from one to the other.

    Args:
        limbs: What `limbs_of` gives.
        keypoints: K.
    """
    lengths = np.full((keypoints, keypoints), np.inf)
    np.fill_diagonal(lengths, 0)
    for one, other, longest in limbs:
        lengths[one, other] = lengths[other, one] = _SLACK * longest
    for via in range(keypoints):
        lengths = np.minimum(lengths, lengths[:, via, None] + lengths[None, via])
    return lengths


def parts_of(
    points: Float[ndarray, "keypoints 2"], lengths: Float[ndarray, "keypoints keypoints"]
) -> Int[ndarray, " keypoints"]:
    """The part of the body that each keypoint is in, counted from 0; -1 where it is not known.

    Keypoints that are next to each other among the known ones are in one part if they are no
    farther apart than they can be.

    Args:
        points: A pose, NaN where a keypoint is not known.
        lengths: How far apart keypoints can be, from `path_lengths`, in the unit of the pose.
    """
    known = np.isfinite(points).all(axis=1)
    part, tree = np.arange(len(points)), np.arange(len(points))
    order = np.argsort(lengths, axis=None, kind="stable")
    for one, other in zip(*np.unravel_index(order, lengths.shape), strict=True):
        if not (known[one] and known[other]) or tree[one] == tree[other]:
            continue
        tree[tree == tree[other]] = tree[one]  # the shortest paths that connect the known ones
        if np.hypot(*(points[one] - points[other])) <= lengths[one, other]:
            part[part == part[other]] = part[one]
    found = np.full(len(points), -1)
    found[known] = np.unique(part[known], return_inverse=True)[1]
    return found
