"""Points in space from what several cameras saw.

The point is the one whose robust reprojection error is least: the sum over views of
c · log(1 + e²/s²), where e is the distance in frame px between the detection and the
reprojected point, c the confidence and s = 2.385 σ for a standard deviation σ of good detections
(Cauchy's loss with the constant that is 95 % efficient on Gaussian errors). So a view that is far
off does next to nothing, however far. It is found by iteratively reweighted Gauss-Newton steps with
Levenberg and Marquardt's damping, from the point nearest to all rays; where the views disagree,
also from the best of the points of all pairs of views. Gradients come from a few undamped steps at
the solution.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from lp_core.geometry.cameras import symmetric
from lp_core.geometry.cameras.lens import Plane, Vector
from lp_core.geometry.cameras.packing import Lenses
from lp_core.geometry.cameras.projection import image_of
from lp_core.geometry.cameras.rays import Rays, nearest_to_all, nearest_to_pairs, rays

NOISE = 0.002
"""Standard deviation of good detections where none is given, as a fraction of the image's diagonal:
1.6 px in images of 640 × 480 px."""

EFFICIENT = 2.3849
"""Cauchy's constant, in standard deviations (Holland and Welsch 1977)."""

CAREFUL = 8
"""Steps of `careful_fit`, where nothing else is asked for."""

_DISAGREE = 3.0
"""Standard deviations from which on a detection makes the views disagree."""

_BLIND = 1e4
"""Error of a detection by a camera that cannot see the point, in units of s."""

_SETTLED = 1e-3
"""Distance to the solution, in units of s and of what the detections determine."""

_CHUNK = 8192
"""Points at a time, few enough for the cache of a core."""

_ROUNDS = 1, 2, 8
_POLISH = 2
_LENS_STEPS, _CAREFUL_LENS_STEPS = 2, 6


class Seen(NamedTuple):
    """Detections before the cameras that made them, each (..., V, N).

    Attributes:
        u: x in frame px, 0 where there is no detection.
        v: y.
        weight: The confidence, 0 where there is no detection.
        scale2: (..., V, 1), the square of s.
    """

    u: Tensor
    v: Tensor
    weight: Tensor
    scale2: Tensor

    def at(self, columns: Tensor | slice) -> Seen:
        """The detections of some of the points."""
        u, v, weight = (part[..., columns].contiguous() for part in self[:3])
        return Seen(u, v, weight, self.scale2)


class Fit(NamedTuple):
    """A point, and what its neighbourhood looks like.

    Attributes:
        point: Coordinates, each (..., 1, N).
        cost: (..., 1, N) the robust sum.
        normal: Half of the second derivatives, positive definite, each (..., 1, N).
        slope: Half of the gradient, each (..., 1, N).
        error2: (..., V, N) squared reprojection errors.
        visible: (..., V, N) whether the camera can see the point.
    """

    point: Vector
    cost: Tensor
    normal: symmetric.Symmetric
    slope: Vector
    error2: Tensor
    visible: Tensor

    @classmethod
    def joined(cls, fits: Sequence[Fit]) -> Fit:
        """The fits of several groups of points as one."""

        def vector(parts: Sequence[tuple[Tensor, ...]]) -> list[Tensor]:
            return [torch.cat(each, dim=-1) for each in zip(*parts, strict=True)]

        x, y, z = vector([fit.point for fit in fits])
        p, q, r = vector([fit.slope for fit in fits])
        a, b, c, d, e, f = vector([fit.normal for fit in fits])
        return cls(
            (x, y, z),
            torch.cat([fit.cost for fit in fits], dim=-1),
            (a, b, c, d, e, f),
            (p, q, r),
            torch.cat([fit.error2 for fit in fits], dim=-1),
            torch.cat([fit.visible for fit in fits], dim=-1),
        )

    def at(self, columns: Tensor | slice) -> Fit:
        """The fit of some of the points."""
        return self.combined(lambda a, _: a[..., columns], self)

    def combined(self, function: Callable[[Tensor, Tensor], Tensor], other: Fit) -> Fit:
        """The fit whose tensors are what a function makes of those of both."""
        x, y, z = map(function, self.point, other.point)
        p, q, r = map(function, self.slope, other.slope)
        a, b, c, d, e, f = map(function, self.normal, other.normal)
        return Fit(
            (x, y, z),
            function(self.cost, other.cost),
            (a, b, c, d, e, f),
            (p, q, r),
            function(self.error2, other.error2),
            function(self.visible, other.visible),
        )


def _lost(error2: Tensor, visible: Tensor, scale2: Tensor) -> Tensor:
    """Cauchy's loss of squared errors."""
    return torch.where(visible, torch.log1p(error2 / scale2), math.log1p(_BLIND**2))


def _evaluate(lenses: Lenses, seen: Seen, point: Vector) -> Fit:
    """The robust sum at points, each coordinate (..., 1, N), and its derivatives."""
    image = image_of(lenses, point)
    ru, rv = image.x - seen.u, image.y - seen.v
    error2 = torch.addcmul(ru * ru, rv, rv)
    cost = (seen.weight * _lost(error2, image.valid, seen.scale2)).sum(dim=-2, keepdim=True)
    inverse = 1 / (seen.scale2 + error2)
    robust = torch.where(image.valid, seen.weight, 0.0) * inverse
    # the loss bends less the larger the error is; beyond s it is concave, which is left out
    bend = torch.minimum(2 * inverse, 0.9 / error2.clamp(min=torch.finfo(ru.dtype).tiny))
    su, sv = robust * ru, robust * rv
    tu, tv = bend * su, bend * sv
    uu, uv, vv = robust - tu * ru, -tu * rv, robust - tv * rv
    gx = torch.addcmul(su * image.xx, sv, image.yx)
    gy = torch.addcmul(su * image.xy, sv, image.yy)
    ux, uy = (torch.addcmul(uu * a, uv, b) for a, b in _columns(image))
    vx, vy = (torch.addcmul(uv * a, vv, b) for a, b in _columns(image))
    xx = torch.addcmul(ux * image.xx, vx, image.yx)
    xy = torch.addcmul(ux * image.xy, vx, image.yy)
    yy = torch.addcmul(uy * image.xy, vy, image.yy)
    slope, normal = _in_world(lenses, image, (gx, gy), (xx, xy, yy))
    return Fit(point, cost, normal, slope, error2, image.valid)


def _columns(image: Plane) -> tuple[tuple[Tensor, Tensor], tuple[Tensor, Tensor]]:
    """The derivatives of x and y in frame px, in X and in Y."""
    return (image.xx, image.yx), (image.xy, image.yy)


def _in_world(
    lenses: Lenses, image: Plane, first: tuple[Tensor, Tensor], second: tuple[Tensor, ...]
) -> tuple[Vector, symmetric.Symmetric]:
    """Derivatives in X and Y of cameras as derivatives in the world, summed over the cameras.

    Nothing changes along a ray, which gives the derivatives in Z.

    Args:
        lenses: The cameras.
        image: Where they see the points.
        first: First derivatives.
        second: Second derivatives: in X twice, in X and Y, in Y twice.
    """
    r = lenses.rotation
    across = [torch.addcmul(r[i], image.ray_x, r[6 + i], value=-1) for i in range(3)]
    down = [torch.addcmul(r[3 + i], image.ray_y, r[6 + i], value=-1) for i in range(3)]
    (gx, gy), (xx, xy, yy) = first, second
    x, y, z = (
        torch.addcmul(gx * a, gy, b).sum(dim=-2, keepdim=True)
        for a, b in zip(across, down, strict=True)
    )
    left = [torch.addcmul(xx * a, xy, b) for a, b in zip(across, down, strict=True)]
    right = [torch.addcmul(xy * a, yy, b) for a, b in zip(across, down, strict=True)]
    a, b, c, d, e, f = (
        torch.addcmul(left[i] * across[j], right[i], down[j]).sum(dim=-2, keepdim=True)
        for i, j in ((0, 0), (0, 1), (0, 2), (1, 1), (1, 2), (2, 2))
    )
    return (x, y, z), (a, b, c, d, e, f)


def _damped(normal: symmetric.Symmetric, damping: Tensor) -> symmetric.Symmetric:
    """The matrix with more on its diagonal, also where the views determine nothing."""
    a, b, c, d, e, f = normal
    more = 1 + damping
    little = (a + d + f) * damping * 1e-3
    return a * more + little, b, c, d * more + little, e, f * more + little


def _keep(better: Tensor, new: Fit, old: Fit) -> Fit:
    """The new fit where it is better, else the old one."""
    return new.combined(lambda a, b: torch.where(better, a, b), old)


def _descend(lenses: Lenses, seen: Seen, fit: Fit, steps: int) -> Fit:
    """Damped steps of Newton's method, each kept where it lowers the robust sum."""
    damping = torch.full_like(fit.cost, 1e-6)
    for _ in range(steps):
        move = symmetric.solve(_damped(fit.normal, damping), fit.slope)
        x, y, z = (old - by for old, by in zip(fit.point, move, strict=True))
        tried = _evaluate(lenses, seen, (x, y, z))
        better = tried.cost <= fit.cost  # False where the step is not finite
        damping = torch.where(better, damping * 0.1, (damping * 100).clamp(min=1e-3))
        fit = _keep(better, tried, fit)
    return fit


def _best_start(lenses: Lenses, seen: Seen, found: Rays, other: Vector) -> Vector:
    """The point with the least robust sum among those of all pairs of views, and another."""
    pairs, usable = nearest_to_pairs(found, seen.weight > 0)
    count = usable.shape[-2] + 1
    x, y, z = (
        torch.cat([pair.nan_to_num(), one], dim=-2) for pair, one in zip(pairs, other, strict=True)
    )
    a, b, c = (axis.flatten(-2).unsqueeze(-2) for axis in (x, y, z))
    image = image_of(lenses, (a, b, c))
    u, v, visible = (part.unflatten(-1, (count, -1)) for part in (image.x, image.y, image.valid))
    error2 = (u - seen.u.unsqueeze(-2)) ** 2 + (v - seen.v.unsqueeze(-2)) ** 2
    lost = _lost(error2, visible, seen.scale2.unsqueeze(-1))
    cost = (seen.weight.unsqueeze(-2) * lost).sum(dim=-3)
    known = torch.nn.functional.pad(usable, (0, 0, 0, 1), value=True)
    best = torch.where(known, cost, torch.inf).argmin(dim=-2, keepdim=True)
    a, b, c = (axis.gather(-2, best) for axis in (x, y, z))
    return a, b, c


def _start(lenses: Lenses, seen: Seen, steps: int) -> tuple[Rays, Vector]:
    """The rays of detections, and the point nearest to all of them; the origin without one."""
    found = rays(lenses, seen.u, seen.v, steps)
    point, regular = nearest_to_all(found, seen.weight)
    x, y, z = (torch.where(regular, axis, 0.0) for axis in point)
    return found, (x, y, z)


def careful_fit(lenses: Lenses, seen: Seen, steps: int = CAREFUL) -> Fit:
    """The best point, for views that may disagree or lenses that distort strongly."""
    found, point = _start(lenses, seen, _CAREFUL_LENS_STEPS)
    start = _evaluate(lenses, seen, _best_start(lenses, seen, found, point))
    return _descend(lenses, seen, start, steps)


def _quick(lenses: Lenses, seen: Seen) -> Fit:
    """One step from the point nearest to the rays."""
    _, point = _start(lenses, seen, _LENS_STEPS)
    fit = _evaluate(lenses, seen, point)
    move = symmetric.solve(_damped(fit.normal, torch.full_like(fit.cost, 1e-6)), fit.slope)
    x, y, z = (
        torch.where(by.isfinite(), old - by, old) for old, by in zip(point, move, strict=True)
    )
    return _evaluate(lenses, seen, (x, y, z))


def best_fit(lenses: Lenses, seen: Seen) -> Fit:
    """The best points, by as many steps as each needs."""
    fit = _by_chunks(seen, lambda part, at: _quick(lenses, part))
    for steps in _ROUNDS:
        columns = _unsettled(fit).nonzero().squeeze(-1)
        _replace(fit, columns, _continued(lenses, seen.at(columns), fit.at(columns), steps))
    columns = _doubtful(seen, fit).nonzero().squeeze(-1)
    careful = _by_chunks(seen.at(columns), lambda part, at: careful_fit(lenses, part))
    return _replace(fit, columns, careful)


def _continued(lenses: Lenses, seen: Seen, fit: Fit, steps: int) -> Fit:
    """A fit after more steps."""
    return _by_chunks(seen, lambda part, at: _descend(lenses, part, fit.at(at), steps))


def _by_chunks(seen: Seen, fitted: Callable[[Seen, slice], Fit]) -> Fit:
    """The fits of chunks of the points, as one."""
    count = seen.u.shape[-1]
    chunks = [slice(first, first + _CHUNK) for first in range(0, max(count, 1), _CHUNK)]
    fits = [fitted(seen.at(chunk), chunk) for chunk in chunks]
    return fits[0] if len(fits) == 1 else Fit.joined(fits)


def _replace(fit: Fit, columns: Tensor, tried: Fit) -> Fit:
    """Put what was tried for some points in place, where it is better."""

    def put(new: Tensor, whole: Tensor) -> Tensor:
        whole[..., columns] = torch.where(better, new, whole[..., columns])
        return whole

    better = tried.cost <= fit.cost[..., columns]
    return tried.combined(put, fit)


def _unsettled(fit: Fit) -> Tensor:
    """(N,): whether a point would still move by more than `_SETTLED`."""
    move = symmetric.solve(fit.normal, fit.slope)
    gain = sum((a * b for a, b in zip(move, fit.slope, strict=True)), torch.zeros_like(fit.cost))
    return (gain > _SETTLED**2).squeeze(-2)


def _doubtful(seen: Seen, fit: Fit) -> Tensor:
    """(N,): whether the views of a point disagree, or one of them cannot see it."""
    limit = (_DISAGREE / EFFICIENT) ** 2 * seen.scale2
    there = seen.weight > 0
    off = there & ((fit.error2 > limit) | ~fit.visible)
    return off.any(dim=-2) & (there.sum(dim=-2) >= 2)


def polished(lenses: Lenses, seen: Seen, fit: Fit) -> Fit:
    """The same fit as a differentiable function of the detections, weights and cameras.

    Newton's steps from the solution, which is detached: they hardly move it, and their derivative
    is that of the solution.
    """
    point = fit.point
    for _ in range(_POLISH):
        near = _evaluate(lenses, seen, point)
        determined = symmetric.regular(near.normal)
        move = symmetric.solve(or_identity(determined, near.normal), near.slope)
        x, y, z = (
            old - torch.where(determined, by, 0.0) for old, by in zip(point, move, strict=True)
        )
        point = (x, y, z)
    return _evaluate(lenses, seen, point)


def or_identity(usable: Tensor, normal: symmetric.Symmetric) -> symmetric.Symmetric:
    """The matrix where it is usable, elsewhere the identity: no infinite gradients."""
    unit = (1.0, 0.0, 0.0, 1.0, 0.0, 1.0)
    a, b, c, d, e, f = (torch.where(usable, x, one) for x, one in zip(normal, unit, strict=True))
    return a, b, c, d, e, f


def seen_by(
    lenses: Lenses, points: Tensor, confidences: Tensor | None, noise: float | None
) -> Seen:
    """Detections (..., V, N, 2) in frame px with confidences (..., V, N), NaN where there is none.

    Args:
        lenses: The cameras.
        points: The detections.
        confidences: Their weights; 1 if None.
        noise: Standard deviation of good detections in frame px; None for `NOISE`.
    """
    u, v = points.unbind(dim=-1)
    there = u.isfinite() & v.isfinite() & lenses.present
    weight = torch.ones_like(u) if confidences is None else confidences
    weight = torch.where(there & (weight > 0), weight, 0.0)  # NaN is not above 0
    u, v = (torch.where(there, axis, 0.0) for axis in (u, v))
    sigma = lenses.diagonal * NOISE if noise is None else torch.full_like(lenses.diagonal, noise)
    return Seen(u, v, weight, (EFFICIENT * sigma) ** 2)
