"""Distortion of lenses with its derivative, and its inverse.

Coordinates are planar: one tensor per axis, of shape (..., V, N) for N points before V cameras. The
formulas are OpenCV's (camera calibration and 3D reconstruction; fisheye camera model).
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from lp_core.geometry.cameras.packing import Lenses

Vector = tuple[Tensor, Tensor, Tensor]

_TINY = 1e-30
"""Added under a root: its derivative at 0 is then 0, not NaN."""


class Plane(NamedTuple):
    """Points on the distorted plane of each camera, and how they move with the point in space.

    Attributes:
        x: Distorted x.
        y: Distorted y.
        xx: Derivative of x with respect to X in camera coordinates, at constant Z.
        xy: Derivative of x with respect to Y.
        yx: Derivative of y with respect to X.
        yy: Derivative of y with respect to Y.
        ray_x: X / Z in camera coordinates.
        ray_y: Y / Z.
        valid: Whether the camera can see the point: in front of it, and where the distortion grows.
    """

    x: Tensor
    y: Tensor
    xx: Tensor
    xy: Tensor
    yx: Tensor
    yy: Tensor
    ray_x: Tensor
    ray_y: Tensor
    valid: Tensor


def _polynomial(t: Tensor, first: Tensor, second: Tensor, third: Tensor) -> Tensor:
    """1 + first·t + second·t² + third·t³."""
    return 1 + t * (first + t * (second + t * third))


def _slope(t: Tensor, first: Tensor, second: Tensor, third: Tensor) -> Tensor:
    """The derivative of `_polynomial`."""
    return first + t * (2 * second + t * (3 * third))


def _radial(lenses: Lenses, r2: Tensor) -> tuple[Tensor, Tensor]:
    """The factor of radial distortion, and its derivative with respect to the squared radius."""
    k1, k2, _, _, k3, k4, k5, k6 = lenses.k[:8]
    factor, slope = _polynomial(r2, k1, k2, k3), _slope(r2, k1, k2, k3)
    if not lenses.terms.rational:
        return factor, slope
    below = _polynomial(r2, k4, k5, k6)
    factor = factor / below
    return factor, (slope - factor * _slope(r2, k4, k5, k6)) / below


def pinhole(lenses: Lenses, x: Tensor, y: Tensor) -> tuple[Tensor, ...]:
    """Brown-Conrady, rational and thin prism distortion.

    Args:
        lenses: The cameras.
        x: X / Z in camera coordinates.
        y: Y / Z.

    Returns:
        Distorted x and y, and the derivatives dx/dx, dx/dy, dy/dx and dy/dy.
    """
    p1, p2 = lenses.k[2:4]
    r2 = torch.addcmul(x * x, y, y)
    factor, slope = _radial(lenses, r2)
    # OpenCV's x·factor + 2·p1·x·y + p2·(r² + 2·x²) = x·g + p2·r², and likewise y
    g = torch.add(factor, torch.addcmul(p1 * y, p2, x), alpha=2)
    xd, yd = torch.addcmul(p2 * r2, x, g), torch.addcmul(p1 * r2, y, g)
    slope = 2 * slope
    steep = x * slope
    dxx = torch.addcmul(g, x, steep + 4 * p2)
    dyy = torch.addcmul(g, y, torch.addcmul(4 * p1, y, slope))
    cross = torch.addcmul(2 * p1 * x, y, steep + 2 * p2)
    if not lenses.terms.prism:
        return xd, yd, dxx, cross, cross, dyy
    s1, s2, s3, s4 = lenses.k[8:12]
    along_x, along_y = 2 * (s1 + 2 * s2 * r2), 2 * (s3 + 2 * s4 * r2)
    return (
        xd + r2 * (s1 + s2 * r2),
        yd + r2 * (s3 + s4 * r2),
        dxx + x * along_x,
        cross + y * along_x,
        cross + x * along_y,
        dyy + y * along_y,
    )


def fisheye_angle(lenses: Lenses, theta: Tensor) -> tuple[Tensor, Tensor]:
    """The distorted angle of an angle from the optical axis, and its derivative."""
    k1, k2, k3, k4 = lenses.k[:4]
    t = theta * theta
    inner = k1 + t * (k2 + t * (k3 + t * k4))
    inner_slope = k2 + t * (2 * k3 + t * (3 * k4))
    return theta * (1 + t * inner), 1 + t * (3 * inner + 2 * t * inner_slope)


def _on_axis(valid: Tensor, x: Tensor, y: Tensor, z: Tensor) -> Vector:
    """Put points that are not valid on the optical axis.

    Their values are not used; so neither these nor their gradients are infinite.
    """
    zero = torch.zeros_like(z)
    return torch.where(valid, x, zero), torch.where(valid, y, zero), torch.where(valid, z, zero + 1)


def _see_fisheye(lenses: Lenses, x: Tensor, y: Tensor, z: Tensor) -> Plane:
    angle = torch.atan2(torch.sqrt(x * x + y * y + _TINY), z)
    valid = (angle <= lenses.limit) & ((z > 0) | (x != 0) | (y != 0))
    x, y, z = _on_axis(valid, x, y, z)
    rho2 = x * x + y * y + _TINY
    rho = torch.sqrt(rho2)
    distorted, slope = fisheye_angle(lenses, torch.atan2(rho, z))
    q = distorted / rho
    g = (slope * z / (rho2 + z * z) - q) / rho2
    cross = x * y * g
    depth = torch.where(z.abs() > 1e-6 * rho, z, 1e-6 * rho)  # at a right angle to the axis
    slopes = (q + x * x * g, cross, cross, q + y * y * g)
    return Plane(x * q, y * q, *slopes, x / depth, y / depth, valid)


def _see_pinhole(lenses: Lenses, x: Tensor, y: Tensor, z: Tensor) -> Plane:
    ahead = z > 0
    inverse = 1 / torch.where(ahead, z, 1.0)
    x, y = x * inverse, y * inverse
    valid = ahead & (torch.addcmul(x * x, y, y) <= lenses.limit)
    x, y = torch.where(valid, x, 0.0), torch.where(valid, y, 0.0)
    xd, yd, *slopes = pinhole(lenses, x, y)
    dxx, dxy, dyx, dyy = (slope * inverse for slope in slopes)
    return Plane(xd, yd, dxx, dxy, dyx, dyy, x, y, valid)


def see(lenses: Lenses, x: Tensor, y: Tensor, z: Tensor) -> Plane:
    """Project points in camera coordinates, in world units, to the distorted plane.

    Where a point is not valid, the values are those of some other point, and finite.
    """
    if not lenses.terms.fisheye:
        return _see_pinhole(lenses, x, y, z)
    fisheye = _see_fisheye(lenses, x, y, z)
    if not lenses.terms.pinhole:
        return fisheye
    pairs = zip(fisheye, _see_pinhole(lenses, x, y, z), strict=True)
    return Plane(*(torch.where(lenses.fisheye, ours, theirs) for ours, theirs in pairs))


def to_image(lenses: Lenses, plane: Plane) -> Plane:
    """Points on the distorted plane, and their derivatives, in frame px."""
    h = lenses.image
    u = h[0] * plane.x + h[1] * plane.y + h[2]
    v = h[3] * plane.x + h[4] * plane.y + h[5]
    ux, uy, vx, vy = h[0], h[1], h[3], h[4]
    if lenses.terms.tilt:
        scale = 1 / (h[6] * plane.x + h[7] * plane.y + h[8])
        u, v = u * scale, v * scale
        ux, uy = (h[0] - u * h[6]) * scale, (h[1] - u * h[7]) * scale
        vx, vy = (h[3] - v * h[6]) * scale, (h[4] - v * h[7]) * scale
    return plane._replace(
        x=u,
        y=v,
        xx=torch.addcmul(ux * plane.xx, uy, plane.yx),
        xy=torch.addcmul(ux * plane.xy, uy, plane.yy),
        yx=torch.addcmul(vx * plane.xx, vy, plane.yx),
        yy=torch.addcmul(vx * plane.xy, vy, plane.yy),
    )


def from_image(lenses: Lenses, u: Tensor, v: Tensor) -> tuple[Tensor, Tensor]:
    """Points in frame px on the distorted plane."""
    a, b, c, d, e, f, g, h, i = lenses.image
    # the adjugate of the map: its scale does not matter
    x = (e * i - f * h) * u + (c * h - b * i) * v + (b * f - c * e)
    y = (f * g - d * i) * u + (a * i - c * g) * v + (c * d - a * f)
    w = (d * h - e * g) * u + (b * g - a * h) * v + (a * e - b * d)
    return x / w, y / w


def _undo_pinhole(lenses: Lenses, xd: Tensor, yd: Tensor, steps: int) -> Vector:
    """Newton's method on both axes, from the first terms of the inverse of radial distortion.

    Iterates are kept inside of the radius where distortion stops to grow.
    """
    k1, k2 = lenses.k[0] - lenses.k[5], lenses.k[1]
    r2 = torch.addcmul(xd * xd, yd, yd)
    shrink = (1 + r2 * (-k1 + r2 * (3 * k1 * k1 - k2))).clamp(min=0.5, max=1.5)
    x, y = xd * shrink, yd * shrink
    for _ in range(steps):
        inside = torch.sqrt(lenses.limit / torch.addcmul(x * x, y, y).clamp(min=_TINY))
        inside = inside.clamp(max=1.0)
        x, y = x * inside, y * inside
        fx, fy, dxx, dxy, dyx, dyy = pinhole(lenses, x, y)
        fx, fy = fx - xd, fy - yd
        inverse = 1 / (dxx * dyy - dxy * dyx)
        x, y = x - (dyy * fx - dxy * fy) * inverse, y - (dxx * fy - dyx * fx) * inverse
    return x, y, torch.ones_like(x)


def _undo_fisheye(lenses: Lenses, xd: Tensor, yd: Tensor, steps: int) -> Vector:
    """Newton's method on the angle."""
    distorted = torch.sqrt(xd * xd + yd * yd + _TINY)
    theta = torch.minimum(distorted, lenses.limit)
    for _ in range(steps):
        value, slope = fisheye_angle(lenses, theta)
        theta = theta - (value - distorted) / slope.clamp(min=1e-6)
        theta = torch.minimum(theta.clamp(min=0.0), lenses.limit)
    q = torch.sin(theta) / distorted
    return xd * q, yd * q, torch.cos(theta)


def directions(lenses: Lenses, u: Tensor, v: Tensor, steps: int) -> Vector:
    """Directions in camera coordinates in which points in frame px were seen, of any length.

    Args:
        lenses: The cameras.
        u: x in frame px.
        v: y in frame px.
        steps: Steps of Newton's method. Two are exact to a pixel's fraction for ordinary lenses.
    """
    xd, yd = from_image(lenses, u, v)
    if not lenses.terms.fisheye:
        return _undo_pinhole(lenses, xd, yd, steps)
    fisheye = _undo_fisheye(lenses, xd, yd, steps)
    if not lenses.terms.pinhole:
        return fisheye
    pairs = zip(fisheye, _undo_pinhole(lenses, xd, yd, steps), strict=True)
    x, y, z = (torch.where(lenses.fisheye, ours, theirs) for ours, theirs in pairs)
    return x, y, z
