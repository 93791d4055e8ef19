"""Cameras to first order around points: what losses compute with.

The image of a point near X₀ is u₀ + J·(X - X₀), to first order. Batches hold J and u₀ around the
labelled points, so that a loss in three dimensions costs a few products of matrices.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from lp_core.geometry.cameras.packing import Terms, unpack
from lp_core.geometry.cameras.projection import image_of
from lp_core.geometry.cameras.rig import Rig


def local_cameras(
    rig: Rig, points: Float[Tensor, "points 3"]
) -> Float[Tensor, "cameras points 2 4"]:
    """How each camera sees the surroundings of each point.

    Args:
        rig: The V cameras.
        points: (N, 3) in world units; NaN where one is not known.

    Returns:
        (V, N, 2, 4): J in frame px per world unit, and u₀ in frame px in the last column. NaN where
        the point is not known, or the camera cannot see it.
    """
    packed = rig.packed()
    return _local(packed, points.to(packed), Terms.of(packed)).to(points)


def local_cameras_packed(
    cameras: Float[Tensor, "*batch cameras parameters"], points: Float[Tensor, "*batch points 3"]
) -> Float[Tensor, "*batch cameras points 2 4"]:
    """The same with packed cameras and batch dimensions; an absent camera has NaN.

    Args:
        cameras: (..., V, `WIDTH`), from `Rig.packed`; the numbers of an absent camera are NaN.
        points: (..., N, 3) in world units.
    """
    return _local(cameras, points, Terms())


def _local(packed: Tensor, points: Tensor, terms: Terms) -> Tensor:
    known = points.isfinite().all(dim=-1).unsqueeze(-2)
    x, y, z = points.nan_to_num(0, 0, 0).unsqueeze(-3).unbind(dim=-1)
    lenses = unpack(packed, terms)
    image, r = image_of(lenses, (x, y, z)), lenses.rotation
    # the image does not change along the ray, which gives the derivative in Z
    across = torch.stack([r[i] - image.ray_x * r[6 + i] for i in range(3)], dim=-1)
    down = torch.stack([r[3 + i] - image.ray_y * r[6 + i] for i in range(3)], dim=-1)
    rows = torch.stack(
        [
            torch.cat([(a.unsqueeze(-1) * across + b.unsqueeze(-1) * down), c.unsqueeze(-1)], -1)
            for a, b, c in ((image.xx, image.xy, image.x), (image.yx, image.yy, image.y))
        ],
        dim=-2,
    )
    seen = (image.valid & lenses.present & known)[..., None, None]
    return torch.where(seen, rows, torch.nan)


class Agreement(NamedTuple):
    """What the views of points agree on.

    Attributes:
        shift: (..., N, 3) in world units, where the point is from X₀; 0 where it is not known.
        images: (..., V, N, 2) in frame px, where each camera sees it.
        known: (..., N) whether two views at least determine it.
    """

    shift: Float[Tensor, "*batch points 3"]
    images: Float[Tensor, "*batch cameras points 2"]
    known: Bool[Tensor, "*batch points"]


def agree(
    cameras: Float[Tensor, "*batch cameras points 2 4"],
    detections: Float[Tensor, "*batch cameras points 2"],
    weights: Float[Tensor, "*batch cameras points"],
) -> Agreement:
    """The points with the least weighted squares of distances in frame px, to first order.

    Differentiable in the detections. Nothing waits for the device.

    Args:
        cameras: (..., V, N, 2, 4) as from `local_cameras`; NaN where one does not take part.
        detections: (..., V, N, 2) in frame px; NaN where there is none.
        weights: (..., V, N) how much each counts, from 0; no gradient reaches them.
    """
    there = cameras.isfinite().flatten(-2).all(dim=-1)
    used = there & detections.isfinite().all(dim=-1)
    jacobians, images = cameras.nan_to_num(0, 0, 0).split([3, 1], dim=-1)
    images = images.squeeze(-1)
    errors = torch.where(used.unsqueeze(-1), detections - images, 0.0)
    weighted = jacobians * torch.where(used, weights, 0.0).detach()[..., None, None]
    normal = (weighted.transpose(-2, -1) @ jacobians).sum(dim=-4)  # over the views
    right = (weighted.transpose(-2, -1) @ errors.unsqueeze(-1)).sum(dim=-4)
    known = _regular(normal) & ((used & (weights > 0)).sum(dim=-2) >= 2)
    identity = torch.eye(3, dtype=normal.dtype, device=normal.device)
    solvable = torch.where(known[..., None, None], normal, identity)
    # without the check for a singular matrix, which would wait for the device
    solved = torch.linalg.solve_ex(solvable, right)[0]
    shift = torch.where(known[..., None, None], solved, 0.0)
    seen = images + (jacobians @ shift.unsqueeze(-4)).squeeze(-1)
    return Agreement(shift.squeeze(-1), seen, known)


def _regular(matrix: Float[Tensor, "*batch 3 3"]) -> Bool[Tensor, "*batch"]:
    """Whether matrices that have no negative eigenvalue have none that rounding could give."""
    scale = matrix.diagonal(dim1=-2, dim2=-1).mean(dim=-1)
    a, b, c = matrix.unbind(dim=-2)
    determinant = (torch.linalg.cross(a, b) * c).sum(dim=-1)
    return (scale > 0) & (determinant > 100 * torch.finfo(matrix.dtype).eps * scale**3)
