"""The camera and the mirror below the glass floor.

World space: x to the right of the frame, y away from the camera, z up, the floor at z = 0, in the
units of ``skeleton``. The camera looks along +y. A mirror at 45° below the floor, the plane
y − z = c, shows it the animal from below: the mirror image of (x, y, z) is (x, z + c, y − c), and
it is that point that the pinhole projects.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from numpy import ndarray

_DISTANCE = 1400.0
_CAMERA_HEIGHT = -33.5
_MIRROR_OFFSET = 91.6
_DESIGN_SIDE = 256
_SPLIT_ROW = 107


@dataclass(frozen=True)
class Camera:
    """A pinhole camera that sees the arena directly and in a mirror.

    Attributes:
        height: Height of the frame in frame px.
        width: Width of the frame in frame px.
    """

    height: int
    width: int

    @property
    def scale(self) -> float:
        """Frame px per unit of length, where the animal is seen directly."""
        return min(self.height, self.width) / _DESIGN_SIDE

    @property
    def split_row(self) -> int:
        """The first row of the frame that belongs to the mirror."""
        middle = (_DESIGN_SIDE - 1) / 2
        return round((self.height - 1) / 2 + (_SPLIT_ROW - middle) * self.scale)

    def project(
        self, points: Float[ndarray, "*batch 3"]
    ) -> tuple[Float[ndarray, "*batch 2 2"], Float[ndarray, "*batch 2"]]:
        """Project world points into both views.

        Args:
            points: World coordinates.

        Returns:
            Frame px (x, y) in the direct view and in the mirror, and the length of the way along
            the optical axis in either view: what is nearer hides what is farther.
        """
        seen = np.stack([points, mirror_image(points)], axis=-2)
        depth = seen[..., 1] + _DISTANCE
        pixels_per_unit = self.scale * _DISTANCE / depth
        x = (self.width - 1) / 2 + pixels_per_unit * seen[..., 0]
        y = (self.height - 1) / 2 - pixels_per_unit * (seen[..., 2] - _CAMERA_HEIGHT)
        return np.stack([x, y], axis=-1), depth

    def pixels_per_unit(self, depth: Float[ndarray, "*any"]) -> Float[ndarray, "*any"]:
        """Frame px per unit of length at a depth that ``project`` returned."""
        return self.scale * _DISTANCE / depth

    def view_at(self, y: Float[ndarray, "*any"]) -> ndarray:
        """Which view a row of the frame belongs to: 0 direct, 1 mirror."""
        return (y >= self.split_row - 0.5).astype(int)


def mirror_image(points: Float[ndarray, "*batch 3"]) -> Float[ndarray, "*batch 3"]:
    """Reflect world points in the mirror plane y − z = c."""
    x, y, z = points[..., 0], points[..., 1], points[..., 2]
    return np.stack([x, z + _MIRROR_OFFSET, y - _MIRROR_OFFSET], axis=-1)
