"""What the files of all tools say of a camera, checked value by value."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float

from lp_core.errors import CameraError
from lp_core.geometry.cameras import Camera, Rig, rotation_matrix
from lp_io.untrusted.content import ContentError

Sizes = Mapping[str, tuple[int, int]] | tuple[int, int]
"""(width, height) of the images of cameras, by name, or of all of them."""


@dataclass(frozen=True)
class Entry:
    """The values of one camera in a file, of which the keys are looked up by any of their names."""

    name: str
    values: Mapping[str, Any]

    def find(self, keys: Sequence[str]) -> Any:
        """The value of the first key that is there, or None."""
        return next((self.values[key] for key in keys if key in self.values), None)

    def numbers(self, *keys: str) -> Float[np.ndarray, " *shape"]:
        """The value of a key as an array.

        Raises:
            ContentError: It is missing, or does not consist of finite numbers.
        """
        value = self.find(keys)
        if value is None:
            raise self.error(f"there is no '{keys[0]}'")
        try:
            found = np.array(value, dtype=float)
        except (TypeError, ValueError) as error:
            raise self.error(f"'{keys[0]}' should be numbers, got {value!r:.80}") from error
        if not np.isfinite(found).all():
            raise self.error(f"'{keys[0]}' has values that are not finite")
        return found

    def shaped(self, shape: tuple[int, ...], *keys: str) -> Float[np.ndarray, " *shape"]:
        """The numbers of a key in a shape that has as many.

        Raises:
            ContentError: It is missing, or has another number of values.
        """
        found = self.numbers(*keys)
        if found.size != np.prod(shape):
            expected = " × ".join(map(str, shape))
            raise self.error(f"'{keys[0]}' should be {expected} numbers, got shape {found.shape}")
        return found.reshape(shape)

    def size(self, known: Sizes | None, *keys: str) -> tuple[int, int]:
        """(width, height) of the images, from the file, or else from what is known.

        Args:
            known: What is known of the images.
            keys: Either one key of both, or that of the width and that of the height.

        Raises:
            ContentError: Neither says it, or the file does not say it in whole numbers.
        """
        if all(key in self.values for key in keys):
            found = np.concatenate([self.numbers(key).ravel() for key in keys])
            if found.size != 2 or not np.equal(found, np.round(found)).all():
                raise self.error(f"'{keys[0]}' should be a width and a height in whole pixels")
            return int(found[0]), int(found[1])
        if isinstance(known, tuple):
            return known
        if known and self.name in known:
            return known[self.name]
        raise self.error("the file does not say how large its images are", "give their sizes")

    def rotation(self, *keys: str) -> Float[np.ndarray, " *shape"]:
        """A rotation given as a matrix or as a Rodrigues vector.

        Raises:
            ContentError: It is missing, or neither of them.
        """
        found = self.numbers(*keys)
        if found.size == 3:
            return rotation_matrix(found.reshape(3))
        return self.shaped((3, 3), *keys)

    def error(self, problem: str, remedy: str | None = None) -> ContentError:
        """An error that names the camera."""
        return ContentError(f"camera '{self.name}': {problem}", remedy)

    def camera(self, **values: Any) -> Camera:
        """The camera of values that were read.

        Raises:
            ContentError: They are not possible.
        """
        try:
            return Camera(name=self.name, **values)
        except CameraError as error:
            raise ContentError(error.problem, error.remedy) from error


def rig_of(cameras: Sequence[Camera], unit: str = "") -> Rig:
    """The rig of the cameras of a file.

    Raises:
        ContentError: There are none, or several of one name.
    """
    try:
        return Rig(tuple(cameras), unit)
    except CameraError as error:
        raise ContentError(error.problem, error.remedy) from error


def natural(name: str) -> list[tuple[bool, int, str]]:
    """A key to sort by, for which cam_10 comes after cam_2."""
    return [
        (not part.isdecimal(), int(part) if part.isdecimal() else 0, part)
        for part in re.split(r"(\d+)", name)
    ]
