"""The cameras of a scene, by name, in an order."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from lp_core.errors import CameraError, suggestion
from lp_core.geometry.cameras.camera import Camera
from lp_core.geometry.cameras.packing import pack


@dataclass(frozen=True, eq=False)
class Rig:
    """Calibrated cameras, in the order in which arrays of several views have them.

    Args:
        cameras: The cameras, at least one, with different names.
        unit: What a length in world coordinates is measured in, such as ``mm``; empty where the
            calibration does not say.

    Raises:
        CameraError: There is no camera, or two have the same name.
    """

    cameras: tuple[Camera, ...]
    unit: str = ""

    def __post_init__(self) -> None:
        if not self.cameras:
            raise CameraError("a rig must have at least 1 camera, got 0")
        repeated = sorted({name for name in self.names if self.names.count(name) > 1})
        if repeated:
            raise CameraError(f"several cameras of a rig have the name {', '.join(repeated)}")

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the cameras, in order."""
        return tuple(camera.name for camera in self.cameras)

    def __len__(self) -> int:
        return len(self.cameras)

    def __iter__(self) -> Iterator[Camera]:
        return iter(self.cameras)

    def __getitem__(self, name: str) -> Camera:
        """The camera of that name.

        Raises:
            CameraError: No camera has the name.
        """
        for camera in self.cameras:
            if camera.name == name:
                return camera
        raise CameraError(f"the rig has no camera '{name}'", remedy=suggestion(name, self.names))

    def subset(self, names: Sequence[str]) -> Rig:
        """The rig of the named cameras, in the order of ``names``; a rig may have more cameras.

        Raises:
            CameraError: No camera has one of the names.
        """
        return Rig(tuple(self[name] for name in names), self.unit)

    def check_sizes(self, sizes: Mapping[str, tuple[int, int]]) -> None:
        """Check that images are as large as those that the cameras were calibrated with.

        Args:
            sizes: (width, height) in pixels of the images, by the name of the camera.

        Raises:
            CameraError: A size differs, or a name is not one of a camera.
        """
        wrong = [
            f"'{name}': {size[0]} × {size[1]} px, calibrated with {self[name].size[0]} × "
            f"{self[name].size[1]} px"
            for name, size in sizes.items()
            if tuple(size) != tuple(self[name].size)
        ]
        if wrong:
            raise CameraError(
                f"images differ in size from the calibration: {'; '.join(wrong)}",
                remedy="use the calibration of these images; for resized ones, resize its cameras",
            )

    def packed(
        self, *, dtype: torch.dtype = torch.float64, device: torch.device | None = None
    ) -> Float[Tensor, "cameras parameters"]:
        """All parameters as one tensor (V, `WIDTH`), for batches and for the device."""
        rows = np.stack([pack(camera) for camera in self.cameras])
        return torch.from_numpy(rows).to(dtype=dtype, device=device)

    def to_dict(self) -> dict[str, Any]:
        """Plain values, as JSON takes them."""
        return {"unit": self.unit, "cameras": [camera.to_dict() for camera in self.cameras]}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Rig:
        """The rig of `to_dict`."""
        cameras = tuple(Camera.from_dict(camera) for camera in values["cameras"])
        return cls(cameras, values["unit"])
