"""The parameters of a camera as a row of numbers, which a batch carries to the device."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from lp_core.geometry.cameras.camera import Camera

WIDTH = 37
"""Numbers per camera: image map 9, distortion 12, rotation 9, translation 3, fisheye 1, limit 1,
image width and height 2."""

_IMAGE, _LENS, _ROTATION, _TRANSLATION = 0, 9, 21, 30
_FISHEYE, _LIMIT, _SIZE = 33, 34, 35

UNLIMITED = 1e12
"""Limit of a pinhole camera (squared radius) whose distortion grows everywhere."""

WIDEST = math.radians(110)
"""Limit of a fisheye camera (angle) whose distortion grows everywhere: lenses see 220° at most."""


def _tilt(x: float, y: float) -> Float[np.ndarray, "3 3"]:
    """The projective map of a sensor that is tilted by angles about x and y (OpenCV)."""
    about_x = np.array([[1, 0, 0], [0, np.cos(x), np.sin(x)], [0, -np.sin(x), np.cos(x)]])
    about_y = np.array([[np.cos(y), 0, -np.sin(y)], [0, 1, 0], [np.sin(y), 0, np.cos(y)]])
    turn = about_y @ about_x
    plane = np.array([[turn[2, 2], 0, -turn[0, 2]], [0, turn[2, 2], -turn[1, 2]], [0, 0, 1]])
    return plane @ turn


def _first_root(coefficients: np.ndarray) -> float:
    """The smallest real root above 0 of a polynomial, lowest power first; infinity without one."""
    roots = np.polynomial.Polynomial(np.trim_zeros(coefficients, "b")).roots()
    real = roots[np.abs(roots.imag) < 1e-9 * np.abs(roots)].real
    return float(min(real[real > 0], default=math.inf))


def _pinhole_limit(k: np.ndarray) -> float:
    """The squared radius at which the radial distortion stops to grow.

    Beyond it, distorted points come back towards the centre: two world points at different angles
    would have the same image.
    """
    power = np.polynomial.Polynomial
    numerator, denominator = power([1, k[0], k[1], k[4]]), power([1, k[5], k[6], k[7]])
    slope = numerator * denominator + power([0, 2]) * (
        numerator.deriv() * denominator - numerator * denominator.deriv()
    )
    return min(_first_root(slope.coef), _first_root(denominator.coef), UNLIMITED)


def _fisheye_limit(k: np.ndarray) -> float:
    """The angle at which the distortion of a fisheye lens stops to grow."""
    squared = _first_root(np.array([1, 3 * k[0], 5 * k[1], 7 * k[2], 9 * k[3]]))
    return min(math.sqrt(squared), WIDEST)


def pack(camera: Camera) -> Float[np.ndarray, " parameters"]:
    """The row of `WIDTH` numbers of a camera."""
    coefficients = np.zeros(14)
    coefficients[: camera.distortion.size] = camera.distortion
    fisheye = camera.model == "fisheye"
    image = camera.matrix if fisheye else camera.matrix @ _tilt(*coefficients[12:])
    limit = _fisheye_limit(coefficients) if fisheye else _pinhole_limit(coefficients)
    return np.concatenate(
        [
            image.ravel(),
            coefficients[:12],
            camera.rotation.ravel(),
            camera.translation,
            [float(fisheye), limit, *camera.size],
        ]
    )


@dataclass(frozen=True)
class Terms:
    """What the lenses of a rig have; terms that none of them has are not computed."""

    pinhole: bool = True
    fisheye: bool = True
    rational: bool = True
    prism: bool = True
    tilt: bool = True

    @classmethod
    def of(cls, packed: Tensor) -> Terms:
        """The terms of packed cameras, which are read on the CPU."""
        fisheye = packed[..., _FISHEYE] > 0
        rest = packed[..., _LENS + 5 : _ROTATION] != 0
        return cls(
            pinhole=not bool(fisheye.all()),
            fisheye=bool(fisheye.any()),
            rational=bool(rest[..., :3].any()),
            prism=bool(rest[..., 3:].any()),
            tilt=bool((packed[..., 6:8] != 0).any()),
        )


@dataclass(frozen=True)
class Lenses:
    """The parameters of cameras, each (..., V, 1), to be combined with points (..., V, N).

    Attributes:
        image: Nine entries of the map from the distorted plane to homogeneous frame px.
        k: Twelve distortion coefficients: k1, k2, p1, p2, k3, k4, k5, k6, s1 to s4.
        rotation: Nine entries, world → camera.
        translation: Three entries, world → camera.
        fisheye: Whether each is a fisheye camera.
        limit: Where the distortion stops to grow: a squared radius, or an angle (fisheye).
        diagonal: Length of the diagonal of the images, in px.
        present: Whether each camera is there; the parameters of an absent one are NaN.
        terms: What has to be computed.
    """

    image: tuple[Tensor, ...]
    k: tuple[Tensor, ...]
    rotation: tuple[Tensor, ...]
    translation: tuple[Tensor, ...]
    fisheye: Tensor
    limit: Tensor
    diagonal: Tensor
    present: Tensor
    terms: Terms

    @property
    def centre(self) -> tuple[Tensor, Tensor, Tensor]:
        """Where the cameras are, in world units: three tensors (..., V, 1)."""
        r, t = self.rotation, self.translation
        x, y, z = (-(r[i] * t[0] + r[3 + i] * t[1] + r[6 + i] * t[2]) for i in range(3))
        return x, y, z


def unpack(packed: Float[Tensor, "*batch cameras parameters"], terms: Terms) -> Lenses:
    """The parameters of packed cameras; absent ones, whose numbers are NaN, stand at the origin."""
    present = packed.isfinite().all(dim=-1, keepdim=True)
    stand_in = torch.zeros_like(packed)
    stand_in[..., _IMAGE : _IMAGE + 9 : 4] = 1.0
    stand_in[..., _ROTATION : _ROTATION + 9 : 4] = 1.0
    stand_in[..., _LIMIT:] = 1.0
    columns = torch.where(present, packed, stand_in).unsqueeze(-1).unbind(dim=-2)
    width, height = columns[_SIZE : _SIZE + 2]
    return Lenses(
        image=columns[_IMAGE:_LENS],
        k=columns[_LENS:_ROTATION],
        rotation=columns[_ROTATION:_TRANSLATION],
        translation=columns[_TRANSLATION:_FISHEYE],
        fisheye=columns[_FISHEYE] > 0,
        limit=columns[_LIMIT],
        diagonal=torch.hypot(width, height),
        present=present,
        terms=terms,
    )
