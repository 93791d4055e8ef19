"""One calibrated camera."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal

import numpy as np
from jaxtyping import Float

from lp_core.errors import CameraError
from lp_core.geometry.cameras.rotations import rotation_matrix, rotation_vector

Model = Literal["pinhole", "fisheye"]

COEFFICIENTS: dict[str, tuple[int, ...]] = {"pinhole": (0, 4, 5, 8, 12, 14), "fisheye": (0, 4)}
"""Numbers of distortion coefficients that each model of a lens may have."""

_ORTHONORMAL = 1e-3
"""Rotations in files are rounded; one this far from orthonormal is something else."""


@dataclass(frozen=True, eq=False)
class Camera:
    """A camera as OpenCV describes it: x_camera = rotation · x_world + translation.

    Args:
        name: Its name, which is the name of its view.
        size: (width, height) in pixels of the images that it was calibrated with.
        matrix: (3, 3) intrinsic matrix in frame px, last row (0, 0, 1).
        distortion: Coefficients in OpenCV's order. Pinhole: none, 4 or 5 (k1, k2, p1, p2, k3), 8
            (and k4, k5, k6 of the rational model), 12 (and s1 to s4 of the thin prism), 14 (and the
            tilt of the sensor). Fisheye: none or 4 (k1 to k4).
        rotation: (3, 3), world → camera. A rounded one is made orthonormal.
        translation: (3,), world → camera, in world units.
        model: ``pinhole`` or ``fisheye``.

    Raises:
        CameraError: A value is not possible; the message names the camera and the value.
    """

    name: str
    size: tuple[int, int]
    matrix: Float[np.ndarray, "3 3"]
    distortion: Float[np.ndarray, " coefficients"] = field(default_factory=lambda: np.zeros(0))
    rotation: Float[np.ndarray, "3 3"] = field(default_factory=lambda: np.eye(3))
    translation: Float[np.ndarray, " 3"] = field(default_factory=lambda: np.zeros(3))
    model: Model = "pinhole"

    def __post_init__(self) -> None:
        if not self.name:
            raise CameraError("a camera has no name")
        for attribute in ("matrix", "distortion", "rotation", "translation"):
            value = np.array(getattr(self, attribute), dtype=float)  # a copy of its own
            if not np.isfinite(value).all():
                raise self._error(f"{attribute} has values that are not finite")
            object.__setattr__(self, attribute, value)
        self._check_image()
        object.__setattr__(self, "rotation", self._orthonormal())

    def _error(self, problem: str, remedy: str | None = None) -> CameraError:
        return CameraError(f"camera '{self.name}': {problem}", remedy=remedy)

    def _check_image(self) -> None:
        if min(self.size) < 1:
            raise self._error(f"the size must be at least 1 × 1 px, got {self.size}")
        if self.model not in COEFFICIENTS:
            raise self._error(f"unknown model '{self.model}': pinhole and fisheye are known")
        allowed = COEFFICIENTS[self.model]
        if self.distortion.size not in allowed:
            counts = ", ".join(map(str, allowed))
            raise self._error(
                f"a {self.model} camera has {counts} distortion coefficients, "
                f"got {self.distortion.size}"
            )
        if not np.allclose(self.matrix[2], (0, 0, 1), atol=1e-9) or self.matrix[1, 0] != 0:
            raise self._error(
                f"the matrix is not one of a camera: {self.matrix.tolist()}",
                "write it row by row: [[fx, 0, cx], [0, fy, cy], [0, 0, 1]]",
            )
        if min(self.matrix[0, 0], self.matrix[1, 1]) <= 0:
            raise self._error("the focal lengths must be above 0")

    def _orthonormal(self) -> Float[np.ndarray, "3 3"]:
        """The rotation nearest to the one given."""
        left, stretch, right = np.linalg.svd(self.rotation)
        if np.abs(stretch - 1).max() > _ORTHONORMAL or np.linalg.det(self.rotation) < 0:
            raise self._error(
                "the rotation is not a rotation matrix", "check whether it was given row by row"
            )
        return left @ right

    @classmethod
    def from_vector(cls, rotation: Sequence[float], **values: Any) -> Camera:
        """A camera whose rotation is given as a Rodrigues vector; other values as in the class."""
        vector = np.asarray(rotation, float)
        if vector.shape != (3,):
            raise CameraError(f"a rotation vector has 3 values, got shape {vector.shape}")
        return cls(rotation=rotation_matrix(vector), **values)

    @classmethod
    def looking_at(
        cls,
        target: Sequence[float | int] | Float[np.ndarray, " 3"],
        position: Sequence[float | int] | Float[np.ndarray, " 3"],
        *,
        up: Sequence[float | int] = (0.0, 0.0, 1.0),
        **values: Any,
    ) -> Camera:
        """A camera at a position whose optical axis goes through a target.

        Args:
            target: (x, y, z) in world units.
            position: (x, y, z) in world units, where the camera is.
            up: The direction that is up in its images; not along the optical axis.
            **values: Other values as in the class.

        Raises:
            CameraError: The camera is at the target, or looks along ``up``; or as in the class.
        """
        centre = np.asarray(position, float)
        ahead = np.asarray(target, float) - centre
        right = np.cross(ahead, np.asarray(up, float))
        if not np.linalg.norm(right) > 1e-9 * np.linalg.norm(ahead) * np.linalg.norm(up):
            raise CameraError(
                f"a camera at {centre.tolist()} that looks at {np.asarray(target).tolist()} has no "
                f"upright images where {list(up)} is up"
            )
        right /= np.linalg.norm(right)
        ahead /= np.linalg.norm(ahead)
        rotation = np.stack([right, np.cross(ahead, right), ahead])
        return cls(rotation=rotation, translation=-rotation @ centre, **values)

    @property
    def centre(self) -> Float[np.ndarray, " 3"]:
        """Where the camera is, in world units."""
        return -self.rotation.T @ self.translation

    @property
    def rotation_vector(self) -> Float[np.ndarray, " 3"]:
        """The rotation as a Rodrigues vector."""
        return rotation_vector(self.rotation)

    def resized(self, size: tuple[int, int]) -> Camera:
        """The same camera for images that were resized to ``size``, (width, height) in pixels."""
        factors = np.array(size) / np.array(self.size)
        matrix = self.matrix.copy()
        matrix[:2] *= factors[:, None]
        matrix[:2, 2] += 0.5 * factors - 0.5  # pixel centres, as `affine.scaling`
        return replace(self, size=size, matrix=matrix)

    def to_dict(self) -> dict[str, Any]:
        """Plain values, as a JSON file or a table of TOML takes them; the rotation as a vector."""
        return {
            "name": self.name,
            "size": list(self.size),
            "matrix": self.matrix.tolist(),
            "distortion": self.distortion.tolist(),
            "rotation": self.rotation_vector.tolist(),
            "translation": self.translation.tolist(),
            "model": self.model,
        }

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Camera:
        """The camera of `to_dict`."""
        width, height = values["size"]
        return cls.from_vector(
            values["rotation"],
            name=values["name"],
            size=(int(width), int(height)),
            matrix=np.array(values["matrix"], float),
            distortion=np.array(values["distortion"], float),
            translation=np.array(values["translation"], float),
            model=values["model"],
        )
