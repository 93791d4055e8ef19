"""Which poses in space an animal takes: learnt from the labelled frames of calibrated cameras.

A pose is one of a Gaussian, wherever the animal is and however it is turned. A few dozen labelled
frames tell where a paw may be that the body hides, given the keypoints that are seen, and that a
left paw is not where the right one is. What they cannot tell, since they are few, is allowed for:
every keypoint may be a little off by itself, and the body as a whole be shifted and turned.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from jaxtyping import Bool, Float
from numpy import ndarray

from lp_analysis.errors import TriangulationError
from lp_core.errors import PoseError
from lp_core.poses import Skeleton

FEWEST_POSES = 20
"""Labelled poses in space that a prior is fitted to at least."""

_FEWEST_POINTS = 4  # of a pose that counts
_OFF = 0.04  # how far a keypoint may be off by itself, in root mean square distances to the middle
_SHIFT = 0.07  # the body as a whole, in the same
_TURN = 0.2  # radians
_ROUNDS = 20
_OUTLIER = 0.25  # distance from which on a keypoint says little of where the body is, in the same


@dataclass(frozen=True, eq=False)
class PosePrior:
    """A Gaussian over the poses of an animal, up to where it is and how it is turned.

    Attributes:
        keypoint_names: K names.
        mean: (K, 3) in world units; its middle is at the origin.
        covariance: (3K, 3K) of the coordinates of the keypoints, one after the other.
        trust: (K,) how much each keypoint tells of where the body is, 1 at most.
        unit: Of lengths, such as ``mm``; empty where it is not known.
    """

    keypoint_names: tuple[str, ...]
    mean: Float[ndarray, "keypoints 3"]
    covariance: Float[ndarray, "coordinates coordinates"]
    trust: Float[ndarray, " keypoints"]
    unit: str = ""

    @property
    def size(self) -> float:
        """Root mean square distance of the keypoints from their middle, in world units."""
        return float(np.sqrt(np.square(self.mean).sum(axis=1).mean()))

    def of(self, names: tuple[str, ...], unit: str) -> PosePrior:
        """The same for keypoints in another order.

        Raises:
            TriangulationError: They are other keypoints, or lengths have another unit.
        """
        if sorted(names) != sorted(self.keypoint_names):
            raise TriangulationError(
                "the poses that the model learnt are of other keypoints: "
                f"{', '.join(sorted(set(names) ^ set(self.keypoint_names)))}"
            )
        if unit and self.unit and unit != self.unit:
            raise TriangulationError(
                f"the poses that the model learnt are in {self.unit}, but the cameras in {unit}",
                remedy="use a calibration in the unit of that of the labels",
            )
        places = [self.keypoint_names.index(name) for name in names]
        blocks = self.covariance.reshape(len(names), 3, len(names), 3)[places][:, :, places]
        blocks = blocks.reshape(self.covariance.shape)
        return PosePrior(names, self.mean[places], blocks, self.trust[places], self.unit)

    def placed(
        self, points: Float[ndarray, "rows keypoints 3"], weights: Float[ndarray, "rows keypoints"]
    ) -> tuple[Float[ndarray, "rows 3 3"], Float[ndarray, "rows 3"]]:
        """How the mean pose is turned and shifted to lie on poses, keypoints that are off aside."""
        start = weights * self.trust
        weights = start
        for _ in range(5):
            turn, shift = rigid(self.mean, points, weights)
            off = np.linalg.norm(points - moved(self.mean, turn, shift), axis=-1)
            weights = start / (1 + np.square(off / (_OUTLIER * self.size)))
        return turn, shift

    def to_dict(self) -> dict[str, Any]:
        """Plain values, as JSON holds them."""
        return {
            "keypoints": list(self.keypoint_names),
            "mean": self.mean.tolist(),
            "covariance": self.covariance.tolist(),
            "trust": self.trust.tolist(),
            "unit": self.unit,
        }

    @classmethod
    def from_dict(cls, values: object) -> PosePrior | None:
        """The prior of `to_dict`; None of None.

        Raises:
            TriangulationError: The values are not those of a prior.
        """
        if values is None:
            return None
        damaged = TriangulationError(
            "what the model keeps of the poses of its labels is damaged", remedy="train it again"
        )
        if not isinstance(values, Mapping):
            raise damaged
        try:
            names = tuple(map(str, values["keypoints"]))
            mean, covariance, trust = (
                np.array(values[key], float) for key in ("mean", "covariance", "trust")
            )
            np.linalg.cholesky(covariance)
        except (KeyError, TypeError, ValueError, np.linalg.LinAlgError) as error:
            raise damaged from error
        K = len(names)
        if (mean.shape, covariance.shape, trust.shape) != ((K, 3), (3 * K, 3 * K), (K,)):
            raise damaged
        return cls(names, mean, covariance, trust, str(values.get("unit", "")))


def moved(
    mean: Float[ndarray, "keypoints 3"],
    turn: Float[ndarray, "rows 3 3"],
    shift: Float[ndarray, "rows 3"],
) -> Float[ndarray, "rows keypoints 3"]:
    """A pose that is turned and shifted."""
    return np.einsum("rij,kj->rki", turn, mean) + shift[:, None]


def rigid(
    mean: Float[ndarray, "keypoints 3"],
    points: Float[ndarray, "rows keypoints 3"],
    weights: Float[ndarray, "rows keypoints"],
) -> tuple[Float[ndarray, "rows 3 3"], Float[ndarray, "rows 3"]]:
    """The rotations and shifts that bring a pose nearest to others (Kabsch 1976)."""
    share = weights / np.maximum(weights.sum(axis=1, keepdims=True), 1e-12)
    own, other = share @ mean, np.einsum("rk,rkj->rj", share, points)
    spread = np.einsum("rk,rki,rkj->rij", share, points - other[:, None], mean - own[:, None])
    left, _, right = np.linalg.svd(spread)
    signs = np.ones((len(points), 3))
    signs[:, 2] = np.sign(np.linalg.det(left @ right))
    turn = (left * signs[:, None]) @ right
    return turn, other - np.einsum("rij,rj->ri", turn, own)


def fit_pose_prior(
    poses: Float[ndarray, "rows keypoints 3"], skeleton: Skeleton, unit: str = ""
) -> PosePrior | None:
    """Learn the poses of an animal.

    Missing keypoints are filled in by what the others say of them (expectation maximisation). Where
    left and right are known, the mirror image of a pose is as likely as the pose.

    Args:
        poses: (N, K, 3) in world units, NaN where a keypoint is not known.
        skeleton: K keypoints.
        unit: Of lengths.

    Returns:
        None where fewer than `FEWEST_POSES` have four keypoints or more, or a keypoint is in fewer.
    """
    known = np.isfinite(poses).all(axis=-1)
    usable = known.sum(axis=1) >= min(_FEWEST_POINTS, len(skeleton))
    poses, known = poses[usable], known[usable]
    if len(skeleton) < _FEWEST_POINTS or (known.sum(axis=0) < FEWEST_POSES).any():
        return None
    with suppress(PoseError):  # names of left or right without a partner: no mirror images
        skeleton = skeleton.with_sides_by_name()
    if skeleton.left_right:
        swapped = skeleton.mirror_permutation
        poses = np.concatenate([poses, poses[:, swapped] * np.array([-1.0, 1.0, 1.0])])
        known = np.concatenate([known, known[:, swapped]])
    return replace(_fitted(skeleton.names, poses, known), unit=unit)


def _fitted(
    names: tuple[str, ...],
    poses: Float[ndarray, "rows keypoints 3"],
    known: Bool[ndarray, "rows keypoints"],
) -> PosePrior:
    """The prior of poses whose unknown keypoints may have any value."""
    K = len(names)
    fullest = int(known.sum(axis=1).argmax())
    start = np.where(known[fullest][:, None], poses[fullest], np.nan)
    mean = np.where(np.isfinite(start), start, np.nanmean(start, axis=0))
    mean = mean - mean.mean(axis=0)
    size2 = np.square(mean).sum(axis=1).mean()
    covariance, trust = size2 * np.eye(3 * K), np.ones(K)
    for _ in range(_ROUNDS):
        turn, shift = rigid(mean, np.where(known[..., None], poses, 0.0), known * trust)
        upright = np.einsum("rji,rkj->rki", turn, poses - shift[:, None])
        filled, unsure = _filled(upright.reshape(-1, 3 * K), known.repeat(3, 1), mean, covariance)
        mean = filled.mean(axis=0).reshape(K, 3)
        off = filled - mean.ravel()
        covariance = off.T @ off / len(off) + unsure + 1e-6 * size2 * np.eye(3 * K)
        mean = mean - mean.mean(axis=0)
        trust = 1 / (np.diag(covariance).reshape(K, 3).sum(axis=1) + (_OFF**2) * size2)
        trust = trust / trust.max()
    return PosePrior(names, mean, covariance + _allowance(mean), trust)


def _filled(
    poses: Float[ndarray, "rows coordinates"],
    known: Bool[ndarray, "rows coordinates"],
    mean: Float[ndarray, "keypoints 3"],
    covariance: Float[ndarray, "coordinates coordinates"],
) -> tuple[Float[ndarray, "rows coordinates"], Float[ndarray, "coordinates coordinates"]]:
    """Poses with what is expected of their unknown coordinates, and its mean covariance."""
    flat = mean.ravel()
    filled, unsure = np.where(known, poses, flat), np.zeros_like(covariance)
    for pose, there in zip(filled, known, strict=True):
        if there.all():
            continue
        gone = ~there
        gain = np.linalg.solve(covariance[np.ix_(there, there)], covariance[np.ix_(there, gone)]).T
        pose[gone] = flat[gone] + gain @ (pose[there] - flat[there])
        rest = covariance[np.ix_(gone, gone)] - gain @ covariance[np.ix_(there, gone)]
        unsure[np.ix_(gone, gone)] += rest / len(filled)
    return filled, unsure


def _allowance(mean: Float[ndarray, "keypoints 3"]) -> Float[ndarray, "coordinates coordinates"]:
    """The covariance of what a few poses cannot tell: see the module."""
    size2 = np.square(mean).sum(axis=1).mean()
    shifts = np.tile(np.eye(3), (1, len(mean)))
    turns = np.stack([np.cross(axis, mean).ravel() for axis in np.eye(3)])
    return (
        _OFF**2 * size2 * np.eye(mean.size)
        + _SHIFT**2 * size2 * (shifts.T @ shifts)
        + _TURN**2 * (turns.T @ turns)
    )
