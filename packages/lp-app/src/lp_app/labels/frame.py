"""What is labelled on one image: animals, and where their keypoints are."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from lp_app.errors import AppError
from lp_core.poses import Visibility


class Keypoint(NamedTuple):
    """Where a keypoint is, and what could be seen of it.

    Attributes:
        x, y: In frame px; None where it has no position.
        code: `Visibility`. An occluded keypoint without a position is one that is not there, such
            as one outside the image.
    """

    x: float | None = None
    y: float | None = None
    code: int = Visibility.UNLABELED

    def to_json(self) -> list[float | int | None]:
        """The coordinates and the code."""
        x, y = (None if value is None else float(value) for value in (self.x, self.y))
        return [x, y, int(self.code)]


@dataclass(frozen=True)
class Animal:
    """An animal of an image.

    Attributes:
        name: Its name; None where the project has one animal without a name, or where this one
            belongs to no track.
        keypoints: K keypoints.
    """

    name: str | None
    keypoints: tuple[Keypoint, ...]

    @property
    def is_labelled(self) -> bool:
        """Whether it has any labelled keypoint."""
        return any(each.code for each in self.keypoints)


@dataclass(frozen=True)
class FrameLabels:
    """The labels of one image.

    Attributes:
        animals: Its animals.
        empty: Whether somebody has said that there is no animal; where it is not said, an image
            without labels is one that is not labelled yet.
    """

    animals: tuple[Animal, ...] = ()
    empty: bool = False

    @property
    def is_labelled(self) -> bool:
        """Whether it has any labelled keypoint."""
        return any(animal.is_labelled for animal in self.animals)

    @property
    def has_row(self) -> bool:
        """Whether the label file has a row for it."""
        return self.empty or self.is_labelled

    @property
    def version(self) -> str:
        """A text that changes with the labels, and only with them."""
        text = json.dumps(self.to_json(), separators=(",", ":"), sort_keys=True)
        return hashlib.blake2b(text.encode(), digest_size=9).hexdigest()

    def to_json(self) -> dict[str, Any]:
        """The labels as JSON holds them; animals without a labelled keypoint are left out."""
        animals = [
            {"name": animal.name, "keypoints": [k.to_json() for k in animal.keypoints]}
            for animal in self.animals
            if animal.is_labelled
        ]
        return {"animals": animals, "empty": self.empty and not animals}

    @classmethod
    def from_json(cls, value: Any, keypoints: int) -> FrameLabels:
        """The labels that JSON holds.

        Args:
            value: What JSON holds.
            keypoints: K.

        Raises:
            AppError: It is something else, or contradicts itself.
        """
        try:
            animals = tuple(_animal(each, keypoints) for each in value["animals"])
            empty = bool(value["empty"])
        except (TypeError, KeyError, ValueError) as error:
            raise AppError(f"these are not the labels of a frame: {error}") from error
        names = [animal.name for animal in animals if animal.name is not None]
        if len(set(names)) < len(names):
            raise AppError("two animals of a frame have the same name", remedy="rename one of them")
        found = cls(tuple(animal for animal in animals if animal.is_labelled))
        return cls(found.animals, empty and not found.animals)


def _animal(value: Any, keypoints: int) -> Animal:
    name, points = value["name"], value["keypoints"]
    if not (name is None or (isinstance(name, str) and name.strip())):
        raise ValueError("the name of an animal is a text")
    if len(points) != keypoints:
        raise ValueError(f"an animal has {keypoints} keypoints, got {len(points)}")
    return Animal(name, tuple(_keypoint(each) for each in points))


def _keypoint(value: Sequence[Any]) -> Keypoint:
    x, y, code = value
    if code not in tuple(Visibility) or isinstance(code, bool):
        raise ValueError(f"the visibility is 0, 1 or 2, got {code}")
    if code == Visibility.UNLABELED:
        return Keypoint()
    if (x is None) != (y is None):
        raise ValueError("a keypoint has both coordinates or none")
    if x is None:
        if code == Visibility.VISIBLE:
            raise ValueError("a visible keypoint has a position")
        return Keypoint(None, None, int(code))
    x, y = float(x), float(y)
    if not (math.isfinite(x) and math.isfinite(y)):
        raise ValueError("coordinates are finite numbers")
    return Keypoint(x, y, int(code))
