"""World units to frame px, and frame px to directions."""

from __future__ import annotations

from typing import Any, TypeVar

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from lp_core.errors import CameraError
from lp_core.geometry.cameras.lens import Plane, Vector, directions, see, to_image
from lp_core.geometry.cameras.packing import Lenses, Terms, unpack
from lp_core.geometry.cameras.rig import Rig

Array = TypeVar("Array", np.ndarray, Tensor)

_STEPS = 30
"""Newton steps at most; a point near the edge of what a lens can see takes the most."""

_TOLERANCE = 1e-10
"""How near a point that is projected back must come, as a fraction of the diagonal."""


def as_tensor(values: np.ndarray | Tensor) -> Tensor:
    """Values as a tensor: float64 for arrays, and a tensor as it is.

    Raises:
        CameraError: A tensor is not of a floating type.
    """
    if isinstance(values, Tensor):
        if not values.is_floating_point():
            raise CameraError(f"points must be of a floating type, got {values.dtype}")
        return values
    return torch.from_numpy(np.ascontiguousarray(values, dtype=np.float64))


def as_given(values: Tensor, given: Array) -> Array:
    """A result in the kind of what was given: an array, or a tensor."""
    kind: object = given
    result: Any = values if isinstance(kind, Tensor) else values.numpy()
    return result


def check_last(values: np.ndarray | Tensor, size: int, what: str) -> None:
    """Check the last dimension of points.

    Raises:
        CameraError: It is another.
    """
    if values.ndim < 1 or values.shape[-1] != size:
        raise CameraError(f"{what} must have shape (..., {size}), got {tuple(values.shape)}")


def check_views(rig: Rig, values: np.ndarray | Tensor, what: str) -> None:
    """Check that the first dimension is that of the cameras of a rig.

    Raises:
        CameraError: It is another.
    """
    if values.ndim < 1 or values.shape[0] != len(rig):
        raise CameraError(
            f"{what} must have the {len(rig)} cameras ({', '.join(rig.names)}) first, got shape "
            f"{tuple(values.shape)}",
            remedy="take the rig of the views at hand: rig.subset(names)",
        )


def to_camera(lenses: Lenses, point: Vector) -> Vector:
    """Points in world units, each (..., 1, N), in the coordinates of each camera, (..., V, N)."""
    r, t = lenses.rotation, lenses.translation
    x, y, z = (
        torch.addcmul(
            torch.addcmul(torch.addcmul(t[i], r[j], point[0]), r[j + 1], point[1]),
            r[j + 2],
            point[2],
        )
        for i, j in enumerate((0, 3, 6))
    )
    return x, y, z


def image_of(lenses: Lenses, point: Vector) -> Plane:
    """Where cameras see points in world units, each coordinate (..., 1, N); in frame px."""
    return to_image(lenses, see(lenses, *to_camera(lenses, point)))


def _project(packed: Tensor, points: Tensor, terms: Terms) -> Tensor:
    lenses = unpack(packed, terms)
    x, y, z = points.unsqueeze(-3).unbind(dim=-1)
    seen = image_of(lenses, (x, y, z))
    valid = seen.valid & lenses.present
    missing = torch.full_like(seen.x, torch.nan)
    return torch.stack([torch.where(valid, axis, missing) for axis in (seen.x, seen.y)], dim=-1)


def project_packed(
    cameras: Float[Tensor, "*batch cameras parameters"], points: Float[Tensor, "*batch points 3"]
) -> Float[Tensor, "*batch cameras points 2"]:
    """Project points with packed cameras; as `project`, with batch dimensions.

    Args:
        cameras: (..., V, `WIDTH`), from `Rig.packed`; the numbers of an absent camera are NaN.
        points: (..., N, 3) in world units.

    Returns:
        (..., V, N, 2) in frame px, NaN where a camera cannot see the point or is absent.
    """
    return _project(cameras, points, Terms())


def project(rig: Rig, points: Array) -> Array:
    """Project points to the frames of all cameras; differentiable.

    Args:
        rig: The V cameras.
        points: (..., 3) in world units; NaN stays NaN.

    Returns:
        (V, ..., 2) in frame px, also outside of the image. NaN where a camera cannot see a point:
        it is behind the camera, or so far off the axis that the distortion of the calibration folds
        back. Its gradient is then 0.

    Raises:
        CameraError: The points have another shape.
    """
    check_last(points, 3, "points")
    values = as_tensor(points)
    packed = rig.packed()
    terms = Terms.of(packed)
    flat = _project(packed.to(values), values.reshape(-1, 3), terms)
    return as_given(flat.reshape(len(rig), *values.shape[:-1], 2), points)


def undistort_packed(
    cameras: Float[Tensor, "*batch cameras parameters"],
    points: Float[Tensor, "*batch cameras points 2"],
) -> Float[Tensor, "*batch cameras points 2"]:
    """Undistort points with packed cameras; as `undistort`, with batch dimensions.

    Args:
        cameras: (..., V, `WIDTH`), from `Rig.packed`.
        points: (..., V, N, 2) in frame px.
    """
    return _undistort(unpack(cameras, Terms()), points)


def _undistort(lenses: Lenses, points: Tensor) -> Tensor:
    u, v = points.unbind(dim=-1)
    x, y, z = directions(lenses, u, v, _STEPS)
    again = to_image(lenses, see(lenses, x, y, z))
    tolerance = max(_TOLERANCE, 30 * torch.finfo(u.dtype).eps)
    off = torch.hypot(again.x - u, again.y - v) / lenses.diagonal
    found = again.valid & (z > 0) & (off < tolerance) & lenses.present
    missing = torch.full_like(x, torch.nan)
    return torch.stack([torch.where(found, axis / z, missing) for axis in (x, y)], dim=-1)


def undistort(rig: Rig, points: Array) -> Array:
    """Where ideal pinhole cameras of focal length 1 would see what was seen at points.

    Args:
        rig: The V cameras.
        points: (V, ..., 2) in frame px; NaN stays NaN.

    Returns:
        (V, ..., 2): X / Z and Y / Z in camera coordinates. NaN where no point in front of a camera
        has this image: beyond what its distortion can reach, or 90° or more off the axis.

    Raises:
        CameraError: The points have another shape.
    """
    check_last(points, 2, "points")
    check_views(rig, points, "points")
    values = as_tensor(points)
    packed = rig.packed()
    lenses = unpack(packed.to(values), Terms.of(packed))
    flat = _undistort(lenses, values.reshape(len(rig), -1, 2))
    return as_given(flat.reshape(values.shape), points)
