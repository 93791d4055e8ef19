"""Points in space from what several cameras saw, with covariances: the callers' side.

`lp_core.geometry.cameras.robust` says which points these are.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Generic, TypeVar

import numpy as np
import torch
from jaxtyping import Bool, Float
from torch import Tensor

from lp_core.errors import CameraError
from lp_core.geometry.cameras import symmetric
from lp_core.geometry.cameras.packing import Lenses, Terms, unpack
from lp_core.geometry.cameras.projection import as_given, as_tensor, check_last, check_views
from lp_core.geometry.cameras.rays import nearest_to_pairs, rays
from lp_core.geometry.cameras.rig import Rig
from lp_core.geometry.cameras.robust import (
    EFFICIENT,
    Fit,
    Seen,
    best_fit,
    careful_fit,
    or_identity,
    polished,
    seen_by,
)

Array = TypeVar("Array", np.ndarray, Tensor)

_PRIOR = 4.0
"""Detections that the assumed noise counts for, where the noise of a point is estimated."""

_BENT = 0.87
"""The covariance of points from detections with Gaussian errors, relative to the inverse of the
second derivatives of their robust sum; measured with 4 cameras."""

_PART = 2**18
"""Points at a time, few enough for the memory."""


@dataclass(frozen=True, eq=False)
class Triangulation(Generic[Array]):
    """Points in space; dimensions of a batch, if any, come first.

    Attributes:
        points: (N, 3) in world units. NaN where fewer than 2 views saw the point, where their rays
            do not determine it, or where it is behind the cameras.
        covariance: (N, 3, 3) in squared world units, for detections whose errors in x and y are
            independent; NaN with the points. Views that disagree enlarge it.
        error: (V, N) distance in frame px between each detection and the reprojected point; NaN
            where there is no detection, or the camera cannot see the point.
        views: (N,) number of views whose detection was used: there is one, its confidence is
            above 0, and the camera can see the point. It counts outliers, whose influence is small.
    """

    points: Array
    covariance: Array
    error: Array
    views: Array


def _covariance(seen: Seen, fit: Fit, used: Tensor, known: Tensor) -> Tensor:
    """Covariances (..., N, 3, 3) of points; those that are not known are not to be used.

    The variance of the detections of a point is what their errors say, and as much as `_PRIOR`
    detections of the assumed one.
    """
    relative = fit.error2 / seen.scale2
    robust = torch.where(used, seen.weight / (1 + relative), 0.0)
    found = EFFICIENT**2 * (robust * relative).sum(dim=-2)
    freedom = (2 * robust.sum(dim=-2) - 3).clamp(min=0)
    excess = _BENT * (_PRIOR + found) / (_PRIOR + freedom) / EFFICIENT**2
    normal = or_identity(known.unsqueeze(-2), fit.normal)
    return symmetric.inverse(normal).squeeze(-4) * excess[..., None, None]


def _result(seen: Seen, fit: Fit) -> Triangulation[Tensor]:
    used = (seen.weight > 0) & fit.visible
    views = used.sum(dim=-2)
    known = (views >= 2) & symmetric.regular(fit.normal).squeeze(-2)
    points = torch.stack(fit.point, dim=-1).squeeze(-3)
    covariance = _covariance(seen, fit, used, known)
    shown = used & known.unsqueeze(-2)
    error = torch.where(shown, fit.error2, 1.0).clamp(min=torch.finfo(points.dtype).tiny).sqrt()
    return Triangulation(
        torch.where(known.unsqueeze(-1), points, torch.nan),
        torch.where(known[..., None, None], covariance, torch.nan),
        torch.where(shown, error, torch.nan),
        views,
    )


def triangulate_packed(
    cameras: Float[Tensor, "*batch cameras parameters"],
    points: Float[Tensor, "*batch cameras points 2"],
    confidences: Float[Tensor, "*batch cameras points"] | None = None,
    *,
    noise: float | None = None,
    steps: int = 4,
) -> Triangulation[Tensor]:
    """Triangulate with packed cameras; as `triangulate`, with batch dimensions.

    Every point takes the same steps, so neither the host waits for the device nor shapes depend on
    values.

    Args:
        cameras: (..., V, `WIDTH`), from `Rig.packed`; the numbers of an absent camera are NaN.
        points: (..., V, N, 2) in frame px; NaN where there is no detection.
        confidences: (..., V, N).
        noise: Standard deviation of good detections in frame px.
        steps: Steps to the best point. With 4, of detections a third of which are outliers, 99 %
            of the points are within 0.01 px of it.
    """
    lenses = unpack(cameras, Terms())
    seen = seen_by(lenses, points, confidences, noise)
    with torch.no_grad():
        fit = careful_fit(lenses, seen, steps)
    return _result(seen, polished(lenses, seen, fit) if torch.is_grad_enabled() else fit)


def _part(lenses: Lenses, seen: Seen, differentiable: bool) -> Triangulation[Tensor]:
    with torch.no_grad():
        fit = best_fit(lenses, seen)
    return _result(seen, polished(lenses, seen, fit) if differentiable else fit)


def triangulate(
    rig: Rig, points: Array, confidences: Array | None = None, *, noise: float | None = None
) -> Triangulation[Array]:
    """Triangulate points that the cameras of a rig saw; differentiable.

    Args:
        rig: The V cameras.
        points: (V, N, 2) detections in frame px; NaN where there is none.
        confidences: (V, N) weights of the detections, from 0 (not used); all 1 if None.
        noise: Standard deviation of good detections in frame px; 0.2 % of each image's
            diagonal if None.

    Raises:
        CameraError: The points or confidences have another shape, or the noise is not above 0.
    """
    check_last(points, 2, "points")
    check_views(rig, points, "points")
    if points.ndim != 3:
        raise CameraError(f"points must have shape (V, N, 2), got {tuple(points.shape)}")
    if confidences is not None and confidences.shape != points.shape[:-1]:
        raise CameraError(
            f"confidences must have shape {tuple(points.shape[:-1])}, as the points, "
            f"got {tuple(confidences.shape)}"
        )
    if noise is not None and not noise > 0:
        raise CameraError(f"the noise must be above 0 px, got {noise}")
    values = as_tensor(points)
    weights = None if confidences is None else as_tensor(confidences).to(values)
    packed = rig.packed()
    lenses = unpack(packed.to(values), Terms.of(packed))
    seen = seen_by(lenses, values, weights, noise)
    needs = values.requires_grad or (weights is not None and weights.requires_grad)
    parts = [
        _part(lenses, seen.at(slice(first, first + _PART)), needs and torch.is_grad_enabled())
        for first in range(0, max(values.shape[1], 1), _PART)
    ]
    along = {"points": 0, "covariance": 0, "error": 1, "views": 0}
    joined = {
        name: torch.cat([getattr(part, name) for part in parts], dim=axis)
        for name, axis in along.items()
    }
    return Triangulation(**{name: as_given(whole, points) for name, whole in joined.items()})


def pair_points(
    rig: Rig,
    points: Float[np.ndarray, "cameras points 2"],
    seen: Bool[np.ndarray, "cameras points"] | None = None,
) -> Float[np.ndarray, "pairs points 3"]:
    """Where the rays of each pair of cameras are nearest to each other: starts of a search.

    Args:
        rig: The V cameras.
        points: (V, N, 2) detections in frame px; NaN where there is none.
        seen: (V, N), which of them to use; all if None.

    Returns:
        (P, N, 3) in world units for P = V(V - 1)/2 pairs, in the order of `torch.triu_indices`; NaN
        where a camera of the pair has no detection, or their rays are parallel.
    """
    check_views(rig, points, "points")
    values = as_tensor(points)
    packed = rig.packed()
    lenses = unpack(packed.to(values), Terms.of(packed))
    there = values.isfinite().all(dim=-1)
    there = there if seen is None else there & torch.from_numpy(seen)
    u, v = torch.where(there.unsqueeze(-1), values, 0.0).unbind(dim=-1)
    found, usable = nearest_to_pairs(rays(lenses, u, v, 6), there)
    return torch.where(usable.unsqueeze(-1), torch.stack(found, dim=-1), torch.nan).numpy()
