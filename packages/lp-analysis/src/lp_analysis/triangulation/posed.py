"""Points in space that are both where the cameras see them and a pose that the animal takes.

A detection of view v is a good one with the probability that its confidence c says, and then is
off by a Gaussian of the noise σ; or it is of something else, anywhere. So a point X costs
Σ_v -log(ε + c_v exp(-e_v² / 2σ²)) for the distances e_v in frame px, and half the squared
Mahalanobis distance to what the prior expects of the keypoint, given where the others are (for
points far from it less: Student's t). Detections of the wrong limb agree neither with the other
views nor with the pose; a keypoint that no view sees lies where the others say. Three views that
agree outweigh the prior, however odd the pose, unless it is another keypoint that they agree on.

For each keypoint, the best of some places is taken and improved: where the rays of two views are
nearest to each other, what the prior expects, and what it expects given one detection. That is
repeated, since each round tells more of where the others are.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Bool, Float
from numpy import ndarray

from lp_analysis.triangulation.pose_prior import PosePrior, moved
from lp_core.geometry.cameras import Rig, local_cameras, pair_points, project, triangulate

_EPSILON = 0.1
"""Likelihood of a detection that is off, beside that of a sure one that is exactly right."""

_DEGREES = 4.0
"""Degrees of freedom of Student's t, by which the prior counts."""

_ODD, _ODD_AND_TAKEN = 4.5, 25.0
"""The most that the prior costs: less than three views that agree, and more than any number of
them where another keypoint is at the place."""

_TAKEN = 0.12
"""Distance within which another keypoint is at a place, relative to the size of the body."""

_ROUNDS, _STEPS = 4, 3
_PART = 1024
_FEWEST = 3
"""Keypoints that two views agree on, from which on it is known where the body is."""

_ASSUMED = 4.0
"""Detections that the assumed noise counts for, where a point's own errors say what it is."""


@dataclass(frozen=True, eq=False)
class Posed:
    """Poses in space.

    Attributes:
        points: (R, K, 3) in world units; NaN in rows that are not known.
        covariance: (R, K, 3, 3).
        error: (V, R, K) distance in frame px between each detection and its point projected; NaN
            where there is none.
        agreed: (V, R, K) whether the detection is taken to be of the keypoint.
        known: (R,) whether the views agree on enough keypoints to tell where the body is.
    """

    points: Float[ndarray, "rows keypoints 3"]
    covariance: Float[ndarray, "rows keypoints 3 3"]
    error: Float[ndarray, "views rows keypoints"]
    agreed: Bool[ndarray, "views rows keypoints"]
    known: Bool[ndarray, " rows"]


class _Seen(NamedTuple):
    """Detections of N points by V cameras, their weights from 0, and the noise in frame px."""

    rig: Rig
    points: Float[ndarray, "views points 2"]
    weights: Float[ndarray, "views points"]
    noise: Float[ndarray, "views 1"]

    def at(self, points: Float[ndarray, "points 3"]) -> _Near:
        """What each camera shows at points."""
        local = local_cameras(self.rig, torch.from_numpy(points)).numpy()
        jacobian, image = local[..., :3], local[..., 3]
        off = np.nan_to_num(self.points - image)
        seen = np.isfinite(local).all(axis=(2, 3))
        relative = np.square(off).sum(axis=-1) / np.square(self.noise)
        likely = np.where(seen, self.weights, 0.0) * np.exp(-np.minimum(relative, 80.0) / 2)
        return _Near(np.nan_to_num(jacobian), off, relative, likely / (likely + _EPSILON))

    def cost(self, places: Float[ndarray, "points places 3"]) -> Float[ndarray, "points places"]:
        """How badly places go with the detections."""
        N, H = places.shape[:2]
        shown = project(self.rig, places.reshape(-1, 3)).reshape(-1, N, H, 2)
        total = np.zeros((N, H))
        for image, seen, weight, noise in zip(
            shown, self.points, self.weights, self.noise, strict=True
        ):
            relative = np.square(image - seen[:, None]).sum(axis=-1) / np.square(noise)
            likely = weight[:, None] * np.exp(-np.minimum(relative, 80.0) / 2)
            total -= np.log(_EPSILON + np.nan_to_num(likely))
        return total


class _Near(NamedTuple):
    """What V cameras show at N points.

    Attributes:
        jacobian: In frame px per world unit.
        off: From there to the detections in frame px.
        relative: Its square in units of the noise.
        share: How probably the detection is of the point.
    """

    jacobian: Float[ndarray, "views points 2 3"]
    off: Float[ndarray, "views points 2"]
    relative: Float[ndarray, "views points"]
    share: Float[ndarray, "views points"]

    def normal(
        self, noise: Float[ndarray, "views 1"]
    ) -> tuple[Float[ndarray, "points 3 3"], Float[ndarray, "points 3"]]:
        """The information of the detections, and the information vector from the points."""
        weighted = self.jacobian * (self.share / np.square(noise))[..., None, None]
        return (
            np.einsum("vnai,vnaj->nij", weighted, self.jacobian),
            np.einsum("vnai,vna->ni", weighted, self.off),
        )


class _Expected(NamedTuple):
    """What the prior and the other keypoints say of N points: a mean, and an inverse covariance."""

    mean: Float[ndarray, "points 3"]
    information: Float[ndarray, "points 3 3"]

    def distance(self, points: Float[ndarray, "points *places 3"]) -> ndarray:
        """Squared Mahalanobis distances."""
        mean = self.mean.reshape(len(self.mean), *(1,) * (points.ndim - 2), 3)
        off = points - mean
        return np.einsum("n...i,nij,n...j->n...", off, self.information, off)


def fit_poses(
    rig: Rig,
    points: Float[ndarray, "views rows keypoints 2"],
    weights: Float[ndarray, "views rows keypoints"],
    prior: PosePrior,
    noise: float | None = None,
) -> Posed:
    """Fit poses to what V cameras saw.

    Args:
        rig: The cameras.
        points: (V, R, K, 2) detections in frame px; NaN where there is none.
        weights: (V, R, K) confidences from 0 to 1.
        prior: Of the same keypoints in the same order.
        noise: Standard deviation of good detections in frame px; None for 0.2 % of the diagonal of
            each camera's images.
    """
    there = np.isfinite(points).all(axis=-1)
    weights = np.where(there, np.nan_to_num(weights), 0.0)
    diagonals = np.array([[np.hypot(*camera.size)] for camera in rig])
    sigma = 0.002 * diagonals if noise is None else np.full_like(diagonals, noise)
    R = points.shape[1]
    parts = [
        _fit(_Seen(rig, *_flat(points, weights, slice(first, first + _PART)), sigma), prior)
        for first in range(0, max(R, 1), _PART)
    ]
    axes = {"points": 0, "covariance": 0, "error": 1, "agreed": 1, "known": 0}
    whole = Posed(**{n: np.concatenate([getattr(p, n) for p in parts], a) for n, a in axes.items()})
    return Posed(
        np.where(whole.known[:, None, None], whole.points, np.nan),
        np.where(whole.known[:, None, None, None], whole.covariance, np.nan),
        np.where(there, whole.error, np.nan),
        whole.agreed,
        whole.known,
    )


def _flat(points: ndarray, weights: ndarray, rows: slice) -> tuple[ndarray, ndarray]:
    """Some rows, their keypoints one after the other."""
    V = len(points)
    return points[:, rows].reshape(V, -1, 2).astype(float), weights[:, rows].reshape(V, -1)


def _fit(seen: _Seen, prior: PosePrior) -> Posed:
    """The poses of some rows."""
    K = len(prior.keypoint_names)
    robust = triangulate(seen.rig, seen.points, seen.weights).points
    pairs = np.moveaxis(pair_points(seen.rig, seen.points, seen.weights > 0), 0, 1)
    places = np.concatenate([pairs, robust[:, None]], axis=1)
    found = _best(places, _costs(seen, places))
    agreed = (seen.at(found).share > 0.5).sum(axis=0).reshape(-1, K) >= 2
    known = agreed.sum(axis=1) >= _FEWEST
    inverse = np.linalg.inv(prior.covariance).reshape(K, 3, K, 3)
    expected = _placed(seen, found, prior)
    for _ in range(_ROUNDS):
        expected = _expected(seen, found, prior, inverse, expected)
        more = [expected.mean[:, None], _given_one(seen, expected), found[:, None]]
        tried = np.concatenate([places, *more], axis=1)
        odd = np.where(_taken(tried, found, prior), _ODD_AND_TAKEN, _ODD)
        far = np.minimum(0.5 * expected.distance(np.nan_to_num(tried)), odd)
        found = _improved(seen, _best(tried, _costs(seen, tried) + far), expected)
    return _result(seen, found, expected, known)


def _costs(seen: _Seen, places: Float[ndarray, "points places 3"]) -> ndarray:
    """Those of places; infinite where there is none."""
    some = np.isfinite(places).all(axis=-1)
    return np.where(some, seen.cost(np.nan_to_num(places)), np.inf)


def _best(places: ndarray, costs: ndarray) -> Float[ndarray, "points 3"]:
    """Of each point the place that costs least; the origin where there is none."""
    return np.nan_to_num(places[np.arange(len(places)), costs.argmin(axis=1)])


def _taken(
    tried: Float[ndarray, "points places 3"], found: Float[ndarray, "points 3"], prior: PosePrior
) -> Bool[ndarray, "points places"]:
    """Whether another keypoint of the body is at a place."""
    K = len(prior.keypoint_names)
    poses = found.reshape(-1, 1, 1, K, 3)
    away = tried.reshape(-1, K, tried.shape[1], 1, 3) - poses
    near = np.square(away).sum(axis=-1) < (_TAKEN * prior.size) ** 2
    near[:, np.arange(K), :, np.arange(K)] = False
    return near.any(axis=-1).reshape(tried.shape[:2])


def _on_body(
    information: Float[ndarray, "points 3 3"], poses: ndarray, prior: PosePrior
) -> tuple[Float[ndarray, "rows 3 3"], Float[ndarray, "rows keypoints 3"]]:
    """How the mean pose is turned, and where its keypoints are, to lie on poses."""
    strength = np.trace(information, axis1=1, axis2=2).reshape(poses.shape[:2])
    certain = np.sqrt(np.minimum(strength * prior.size**2, 1e4)) + 1e-3
    turn, shift = prior.placed(poses, certain)
    return turn, moved(prior.mean, turn, shift)


def _placed(seen: _Seen, found: Float[ndarray, "points 3"], prior: PosePrior) -> _Expected:
    """What the prior says of each keypoint, where the body is."""
    K = len(prior.keypoint_names)
    information, _ = seen.at(found).normal(seen.noise)
    turn, mean = _on_body(information, found.reshape(-1, K, 3), prior)
    blocks = prior.covariance.reshape(K, 3, K, 3)[np.arange(K), :, np.arange(K)]
    turned = np.einsum("rij,kjl,rml->rkim", turn, np.linalg.inv(blocks), turn, optimize=True)
    return _Expected(mean.reshape(-1, 3), turned.reshape(-1, 3, 3))


def _expected(
    seen: _Seen,
    found: Float[ndarray, "points 3"],
    prior: PosePrior,
    inverse: ndarray,
    before: _Expected,
) -> _Expected:
    """What the prior says of each keypoint, given the others; those that are odd say little."""
    K = len(prior.keypoint_names)
    poses, places = found.reshape(-1, K, 3), np.arange(K)
    information, _ = seen.at(found).normal(seen.noise)
    information = _of_odd(information, before, found)
    turn, mean = _on_body(information, poses, prior)
    joint = np.einsum("rij,ajbl,rml->raibm", turn, inverse, turn, optimize=True)
    blocks = information.reshape(-1, K, 3, 3)
    joint[:, places, :, places] += np.moveaxis(blocks, 1, 0)
    joint = joint.reshape(-1, 3 * K, 3 * K)
    pull = np.einsum("rkij,rkj->rki", blocks, poses - mean)
    whole = np.linalg.inv(joint)
    off = np.einsum("rij,rj->ri", whole, pull.reshape(-1, 3 * K)).reshape(poses.shape)
    own = whole.reshape(-1, K, 3, K, 3)[:, places, :, places].swapaxes(0, 1)
    # without the keypoint's own detections:
    all_of_it = np.linalg.inv(own)
    rest = all_of_it - blocks
    alone = np.einsum("rkij,rkj->rki", all_of_it, off) - pull
    rest = 0.5 * (rest + rest.swapaxes(-1, -2)) + 1e-9 / prior.size**2 * np.eye(3)
    expected = mean + np.linalg.solve(rest, alone[..., None])[..., 0]
    return _Expected(expected.reshape(-1, 3), rest.reshape(-1, 3, 3))


def _of_odd(
    information: Float[ndarray, "points 3 3"], before: _Expected, found: Float[ndarray, "points 3"]
) -> Float[ndarray, "points 3 3"]:
    """What detections say of the other keypoints: less, the farther from what was expected."""
    more = np.maximum(before.distance(found) / _DEGREES - 1, 0.0)[:, None, None]
    wide = np.eye(3) + more * (np.linalg.inv(before.information) @ information)
    reduced = information @ np.linalg.inv(wide)
    return 0.5 * (reduced + reduced.swapaxes(-1, -2))


def _given_one(seen: _Seen, expected: _Expected) -> Float[ndarray, "points views 3"]:
    """What is expected of each point, given the detection of one view."""
    near = seen.at(expected.mean)
    weighted = near.jacobian / np.square(seen.noise)[..., None, None]
    information = np.einsum("vnai,vnaj->vnij", weighted, near.jacobian) + expected.information
    pull = np.einsum("vnai,vna->vni", weighted, near.off)
    places = expected.mean + np.linalg.solve(information, pull[..., None])[..., 0]
    places = np.where((seen.weights > 0)[..., None], places, np.nan)
    return np.moveaxis(places, 0, 1)


def _improved(
    seen: _Seen, points: Float[ndarray, "points 3"], expected: _Expected
) -> Float[ndarray, "points 3"]:
    """Points after some Gauss-Newton steps."""
    for _ in range(_STEPS):
        information, pull = seen.at(points).normal(seen.noise)
        count = _counts(expected, points)[:, None]
        information = information + count[..., None] * expected.information
        back = np.einsum("nij,nj->ni", expected.information, expected.mean - points)
        points = points + np.linalg.solve(information, (pull + count * back)[..., None])[..., 0]
    return points


def _counts(expected: _Expected, points: Float[ndarray, "points 3"]) -> Float[ndarray, " points"]:
    """How much what is expected counts at points: the weight of Student's t."""
    return _DEGREES / (_DEGREES + expected.distance(points))


def _result(
    seen: _Seen, points: Float[ndarray, "points 3"], expected: _Expected, known: ndarray
) -> Posed:
    near = seen.at(points)
    information, _ = near.normal(seen.noise)
    squares = (near.share * near.relative).sum(axis=0)
    excess = np.maximum((_ASSUMED + squares) / (_ASSUMED + 2 * near.share.sum(axis=0)), 1.0)
    count = _counts(expected, points)
    total = information / excess[:, None, None] + count[:, None, None] * expected.information
    shape = (len(known), -1)
    return Posed(
        points.reshape(*shape, 3),
        np.linalg.inv(total).reshape(*shape, 3, 3),
        np.linalg.norm(near.off, axis=-1).reshape(len(near.off), *shape),
        (near.share > 0.5).reshape(len(near.off), *shape),
        known,
    )
