"""The cameras: one beside a glass floor with a mirror below it, one above an open field.

World space: x to the right of the frame, z up, the floor at z = 0, in the units of ``skeleton``.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from lp_synthetic.skeleton import BODY_LENGTH

_DISTANCE = 1400.0
_CAMERA_HEIGHT = -33.5
_MIRROR_OFFSET = 91.6
_DESIGN_SIDE = 256
_SPLIT_ROW = 107


class Box(NamedTuple):
    """A part of the frame: columns ``left`` to ``right − 1``, rows ``top`` to ``bottom − 1``."""

    left: int
    top: int
    right: int
    bottom: int

    @property
    def shape(self) -> tuple[int, int]:
        """(height, width)."""
        return self.bottom - self.top, self.right - self.left

    @property
    def empty(self) -> bool:
        """Whether no pixel lies in it."""
        return min(self.shape) <= 0

    @property
    def origin(self) -> Float[ndarray, " 2"]:
        """Frame px (x, y) of its first pixel."""
        return np.array(self[:2], dtype=float)

    def clipped(self, other: Box) -> Box:
        """The part that lies in another box too."""
        return Box(*map(max, self[:2], other[:2]), *map(min, self[2:], other[2:]))

    def slices(self, left: int = 0, top: int = 0) -> tuple[slice, slice]:
        """Rows and columns, to index the frame, or a part of it that begins at (left, top)."""
        rows = slice(self.top - top, self.bottom - top)
        return rows, slice(self.left - left, self.right - left)

    def holds(self, points: Float[ndarray, "*batch 2"]) -> ndarray:
        """Whether each point (frame px) lies in one of its pixels."""
        low, high = self.origin - 0.5, self.origin + self.shape[::-1] - 0.5
        return ((points > low) & (points < high)).all(axis=-1)


def box_around(points: Float[ndarray, "n 2"], margin: float) -> Box:
    """The smallest box that holds all points and a margin around them."""
    low = np.floor(points.min(axis=0) - margin).astype(int)
    high = np.ceil(points.max(axis=0) + margin).astype(int) + 1
    return Box(*low.tolist(), *high.tolist())


@dataclass(frozen=True)
class Camera(ABC):
    """A camera that sees the arena in V views, each in a panel of the frame.

    Attributes:
        height: Height of the frame in frame px.
        width: Width of the frame in frame px.
        scale: Frame px per unit of length, at the distance for which the camera is built.
        thinnest: Smallest radius of a part of the animal, in frame px.
        guessed: How far below what hides it a human can still place a keypoint, in units of length.
    """

    height: int
    width: int
    scale: float
    thinnest: float = 0.0
    guessed: float = 2.5

    @property
    @abstractmethod
    def panels(self) -> tuple[Box, ...]:
        """Where in the frame each view is."""

    @abstractmethod
    def project(
        self, points: Float[ndarray, "*batch 3"]
    ) -> tuple[Float[ndarray, "*batch views 2"], Float[ndarray, "*batch views"]]:
        """Frame px (x, y) of world points in each view, and how far away they are."""

    @abstractmethod
    def pixels_per_unit(self, depth: Float[ndarray, "*any"]) -> Float[ndarray, "*any"]:
        """Frame px per unit of length at a distance that ``project`` returned."""


class StraightCamera(Camera):
    """A pinhole camera along an axis of the world."""

    @abstractmethod
    def _seen(self, points: Float[ndarray, "*batch 3"]) -> tuple[ndarray, ndarray, ndarray]:
        """How far to the right of the optical axis, above and along it; each (*batch, V)."""

    def project(
        self, points: Float[ndarray, "*batch 3"]
    ) -> tuple[Float[ndarray, "*batch views 2"], Float[ndarray, "*batch views"]]:
        """Frame px (x, y) of world points in each view, and how far along the optical axis."""
        right, up, depth = self._seen(points)
        pixels_per_unit = self.pixels_per_unit(depth)
        x = (self.width - 1) / 2 + pixels_per_unit * right
        y = (self.height - 1) / 2 - pixels_per_unit * up
        return np.stack([x, y], axis=-1), depth

    def pixels_per_unit(self, depth: Float[ndarray, "*any"]) -> Float[ndarray, "*any"]:
        """Frame px per unit of length at a depth that ``project`` returned."""
        return self.scale * _DISTANCE / depth


class MirrorCamera(StraightCamera):
    """Looks along +y at a glass floor, and into a mirror below it that shows the underside.

    The mirror at 45° is the plane y − z = c: the mirror image of (x, y, z) is (x, z + c, y − c),
    and it is that point that the pinhole projects.
    """

    def __init__(self, height: int, width: int) -> None:
        super().__init__(height, width, min(height, width) / _DESIGN_SIDE)

    @property
    def split_row(self) -> int:
        """The first row of the frame that belongs to the mirror."""
        below_middle = _SPLIT_ROW - (_DESIGN_SIDE - 1) / 2
        return round((self.height - 1) / 2 + below_middle * self.scale)

    @property
    def panels(self) -> tuple[Box, ...]:
        """The direct view above, the mirror below."""
        split = self.split_row
        return Box(0, 0, self.width, split), Box(0, split, self.width, self.height)

    def _seen(self, points: Float[ndarray, "*batch 3"]) -> tuple[ndarray, ndarray, ndarray]:
        x, y, z = points[..., 0], points[..., 1], points[..., 2]
        image = np.stack([x, z + _MIRROR_OFFSET, y - _MIRROR_OFFSET], axis=-1)
        seen = np.stack([points, image], axis=-2)
        return seen[..., 0], seen[..., 2] - _CAMERA_HEIGHT, seen[..., 1] + _DISTANCE


class OverheadCamera(StraightCamera):
    """Looks down on an open field, where an animal is ``body_px`` long; it has one view."""

    def __init__(self, height: int, width: int, body_px: float) -> None:
        super().__init__(height, width, body_px / BODY_LENGTH, thinnest=0.8, guessed=9.0)

    @property
    def panels(self) -> tuple[Box, ...]:
        """The whole frame."""
        return (Box(0, 0, self.width, self.height),)

    def _seen(self, points: Float[ndarray, "*batch 3"]) -> tuple[ndarray, ndarray, ndarray]:
        right, up, height = np.moveaxis(points[..., None, :], -1, 0)
        return right, up, _DISTANCE - height
