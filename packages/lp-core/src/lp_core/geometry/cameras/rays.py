"""Points near the rays of several cameras: where the search for the best point starts."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from lp_core.geometry.cameras import symmetric
from lp_core.geometry.cameras.lens import Vector, directions
from lp_core.geometry.cameras.packing import Lenses


@dataclass(frozen=True)
class Rays:
    """The rays along which cameras saw points.

    Attributes:
        origin: Where the cameras are, in world units from the middle of them, each (..., V, 1).
        along: Unit vectors in world coordinates, each (..., V, N).
        middle: The mean position of the cameras, each (..., 1, 1).
    """

    origin: Vector
    along: Vector
    middle: Vector


def rays(lenses: Lenses, u: Tensor, v: Tensor, steps: int) -> Rays:
    """The rays of points in frame px (..., V, N)."""
    x, y, z = directions(lenses, u, v, steps)
    length = torch.rsqrt(x * x + y * y + z * z)
    r = lenses.rotation
    a, b, c = ((r[i] * x + r[i + 3] * y + r[i + 6] * z) * length for i in range(3))
    # from the middle: a scene far from the origin of its coordinates would cost digits
    count = lenses.present.sum(dim=-2, keepdim=True).clamp(min=1)
    p, q, s = (
        torch.where(lenses.present, axis, 0.0).sum(dim=-2, keepdim=True) / count
        for axis in lenses.centre
    )
    ox, oy, oz = (axis - mid for axis, mid in zip(lenses.centre, (p, q, s), strict=True))
    return Rays((ox, oy, oz), (a, b, c), (p, q, s))


def nearest_to_all(found: Rays, weights: Tensor) -> tuple[Vector, Tensor]:
    """The point with the least weighted sum of squared distances to all rays.

    Args:
        found: The rays.
        weights: (..., V, N), 0 where a camera did not see the point.

    Returns:
        The point, each coordinate (..., 1, N); and whether the rays determine one.
    """
    x, y, z = found.along
    along = x * found.origin[0] + y * found.origin[1] + z * found.origin[2]
    total = weights.sum(dim=-2, keepdim=True)

    def summed(value: Tensor) -> Tensor:
        return (weights * value).sum(dim=-2, keepdim=True)

    xx, xy, xz, yy, yz = (summed(p) for p in (x * x, x * y, x * z, y * y, y * z))
    # unit vectors: the last of the diagonal follows from the others
    matrix = (total - xx, -xy, -xz, total - yy, -yz, xx + yy)
    right = tuple(summed(o - d * along) for o, d in zip(found.origin, found.along, strict=True))
    regular = symmetric.regular(matrix)
    a, b, c = symmetric.solve(matrix, (right[0], right[1], right[2]))
    p, q, s = (value + middle for value, middle in zip((a, b, c), found.middle, strict=True))
    return (p, q, s), regular


def nearest_to_pairs(found: Rays, seen: Tensor) -> tuple[Vector, Tensor]:
    """The middle between the rays of each pair of cameras, where they are nearest to each other.

    Args:
        found: The rays.
        seen: (..., V, N), whether each camera saw each point.

    Returns:
        The points, each coordinate (..., P, N) for P = V(V - 1)/2 pairs; and whether the pair has
        one: both cameras saw it, and their rays are not parallel.
    """
    count = seen.shape[-2]
    one, other = torch.triu_indices(count, count, 1, device=seen.device)
    a, b = ([d[..., which, :] for d in found.along] for which in (one, other))
    o, p = ([d[..., which, :] for d in found.origin] for which in (one, other))
    cosine = sum(i * j for i, j in zip(a, b, strict=True))
    between = [i - j for i, j in zip(o, p, strict=True)]
    d, e = (sum(i * j for i, j in zip(ray, between, strict=True)) for ray in (a, b))
    # 1 - cosine², without the digits that the difference would lose
    p0, p1, p2 = ((a[i] * b[j] - a[j] * b[i]) ** 2 for i, j in ((0, 1), (1, 2), (2, 0)))
    sine2 = p0 + p1 + p2
    apart = sine2 > 100 * torch.finfo(sine2.dtype).eps
    inverse = 1 / torch.where(apart, sine2, 1.0)
    s, t = (cosine * e - d) * inverse, (e - cosine * d) * inverse
    x, y, z = (0.5 * (o[i] + s * a[i] + p[i] + t * b[i]) + found.middle[i] for i in range(3))
    usable = apart & seen[..., one, :] & seen[..., other, :]
    return (x, y, z), usable
