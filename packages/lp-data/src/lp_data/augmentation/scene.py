"""Augmentation in space: the animal is turned, scaled and moved before all of its cameras at once.

Labels move by the difference of the projections, after minus before, so that what a label is away
from the point that the views agree on stays. The image of each view is warped by the affine map
that leads from the old projections to the new ones with the least squares.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from lp_core.geometry import affine
from lp_core.geometry.cameras import project_packed
from lp_core.geometry.cameras.packing import Terms, unpack

_TOWARDS_SIMILARITY = 0.001
"""Weight of the best similarity in the fit of an affine map, as a share of the spread of its
points: few points, or points on a line, do not determine an affine map."""


class MovedScene(NamedTuple):
    """An animal elsewhere before V cameras.

    Attributes:
        points: (K, 3) in world units, NaN where a keypoint's place in space is not known.
        labels: (V, K, 2) frame px, NaN where there is no label.
        warps: (V, 2, 3) what moves the image of each view, frame px → frame px.
    """

    points: Float[Tensor, "keypoints 3"]
    labels: Float[Tensor, "views keypoints 2"]
    warps: Float[Tensor, "views 2 3"]


@dataclass(frozen=True, kw_only=True)
class SceneMotion:
    """How far the animal is moved at random.

    Attributes:
        rotation: Degrees at most, to either side, about the vertical axis. Vertical is what the
            cameras have as their upright on average. A warped image follows a turn less well than a
            shift: of a body that is as deep as wide, labels and image are then 1.7 px apart for
            24 px of movement, instead of 1.2 px without rotation.
        scale: From and to which factor it is scaled, about its middle.
        shift: How far at most along each axis of the world, as a share of its extent.
    """

    rotation: float = 5.0
    scale: tuple[float, float] = (0.8, 1.2)
    shift: float = 0.25

    def __call__(
        self,
        cameras: Float[Tensor, "views parameters"],
        points: Float[Tensor, "keypoints 3"],
        labels: Float[Tensor, "views keypoints 2"],
        rng: np.random.Generator,
    ) -> MovedScene:
        """Move the animal, its labels and its images.

        Args:
            cameras: (V, P) packed cameras; NaN for one that is absent.
            points: (K, 3) the labels' places in space, NaN where they are not known. Where none is,
                nothing moves.
            labels: (V, K, 2) frame px, NaN where there is none. One without a place in space moves
                with its image.
            rng: The only source of randomness.
        """
        moved = self._moved(cameras, points, rng)
        before, after = (project_packed(cameras, each) for each in (points, moved))
        warps = torch.stack([fitted_warp(*pair) for pair in zip(before, after, strict=True)])
        shift = after - before
        known = shift.isfinite().all(dim=-1, keepdim=True)
        with_image = affine.transform(labels, warps)
        return MovedScene(moved, torch.where(known, labels + shift, with_image), warps)

    def _moved(
        self, cameras: Tensor, points: Float[Tensor, "keypoints 3"], rng: np.random.Generator
    ) -> Float[Tensor, "keypoints 3"]:
        # drawn in any case, so that what is drawn later does not depend on the labels
        angle, size, *steps = rng.uniform(-1, 1, 5)
        known = points[points.isfinite().all(dim=-1)]
        if not len(known):
            return points
        low, high = self.scale
        factor = low + (high - low) * (size + 1) / 2
        middle = known.median(dim=0).values
        extent = (known.amax(dim=0) - known.amin(dim=0)) * factor
        turned = (points - middle) @ _about(_vertical(cameras), self.rotation * angle).T
        return middle + factor * turned + self.shift * extent * torch.tensor(steps)


def _vertical(cameras: Float[Tensor, "views parameters"]) -> Float[Tensor, " 3"]:
    """The mean of what the cameras have as up, of length 1; 0 where they do not agree."""
    present = cameras[cameras.isfinite().all(dim=-1)]
    down = torch.cat(unpack(present, Terms()).rotation[3:6], dim=-1)
    mean = -down.mean(dim=0)
    length = torch.linalg.vector_norm(mean)
    return torch.where(length > 0.1, mean / length.clamp_min(1e-9), 0.0)


def _about(axis: Float[Tensor, " 3"], degrees: float) -> Float[Tensor, "3 3"]:
    """The rotation about an axis of length 1 (Rodrigues); none about one of length 0."""
    x, y, z = axis.tolist()
    cross = torch.tensor([[0, -z, y], [z, 0, -x], [-y, x, 0]], dtype=axis.dtype)
    angle = np.deg2rad(degrees)
    eye = torch.eye(3, dtype=axis.dtype)
    return eye + np.sin(angle) * cross + (1 - np.cos(angle)) * cross @ cross


def fitted_warp(
    before: Float[Tensor, "points 2"], after: Float[Tensor, "points 2"]
) -> Float[Tensor, "2 3"]:
    """The affine map from points to points with the least squares, which any points determine.

    It leans towards the best similarity where the points are few, or nearly on a line: one point
    gives a shift, two a similarity, none the identity.

    Args:
        before: (N, 2), NaN where one is missing.
        after: (N, 2), likewise.
    """
    known = (before.isfinite() & after.isfinite()).all(dim=-1)
    if not known.any():
        return affine.identity()
    source, target = before[known].double(), after[known].double()
    start, end = source.mean(dim=0), target.mean(dim=0)
    p, q = source - start, target - end
    spread = p.square().sum()
    similarity = torch.eye(2, dtype=torch.float64)
    if spread > 1e-6:
        along = (p * q).sum() / spread
        across = (p[:, 0] * q[:, 1] - p[:, 1] * q[:, 0]).sum() / spread
        similarity = torch.stack([torch.stack([along, -across]), torch.stack([across, along])])
    weight = _TOWARDS_SIMILARITY * spread + 1e-6
    eye = torch.eye(2, dtype=torch.float64)
    linear = (q.T @ p + weight * similarity) @ torch.linalg.inv(p.T @ p + weight * eye)
    return torch.cat([linear, (end - linear @ start).unsqueeze(1)], dim=1)
