"""Animals that move, for the tests of tracks."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pytest


@dataclass(frozen=True)
class Herd:
    """Rows of moving animals, in the order of their frames.

    Attributes:
        points: (R, K, 2) frame px.
        frame: (R,) frame numbers.
        animal: (R,) which animal; -1 for a false positive.
    """

    points: np.ndarray
    frame: np.ndarray
    animal: np.ndarray

    def of_frame(self, number: int) -> np.ndarray:
        return np.flatnonzero(self.frame == number)


def body(keypoints: int, size: float) -> np.ndarray:
    """(K, 2) a curved body whose box has a diagonal of about ``size`` px."""
    along = np.linspace(-1, 1, keypoints) if keypoints > 1 else np.zeros(1)
    return np.stack([0.45 * along, 0.2 * np.sin(along * 7)], axis=1) * size


def turned(points: np.ndarray, angle: float) -> np.ndarray:
    c, s = np.cos(angle), np.sin(angle)
    return points @ np.array([[c, s], [-s, c]])


def wander(
    animals: int = 4,
    frames: int = 500,
    keypoints: int = 8,
    *,
    seed: int = 0,
    arena: float = 500.0,
    speed: float = 5.0,
    sizes: float | tuple[float, ...] = 50.0,
    missed: float = 0.0,
    hidden: float = 0.0,
    false: float = 0.0,
) -> Herd:
    """Animals that wander in a box, turn at its walls and cross each other's ways."""
    draw = np.random.default_rng(seed)
    size = np.broadcast_to(sizes, animals)
    place = draw.uniform(0.2 * arena, 0.8 * arena, (animals, 2))
    heading, turning = draw.uniform(0, 2 * np.pi, animals), np.zeros(animals)
    rows = []
    for frame in range(frames):
        to_middle = np.arctan2(*(arena / 2 - place).T[::-1])
        outside = (np.abs(place - arena / 2) > 0.4 * arena).any(axis=1)
        wish = np.angle(np.exp(1j * (to_middle - heading)))
        turning = 0.9 * turning + draw.normal(0, 0.03, animals)
        heading = heading + turning + 0.2 * outside * np.clip(wish, -1, 1)
        place = place + speed * np.stack([np.cos(heading), np.sin(heading)], axis=1)
        for number in draw.permutation(animals):
            shape = turned(body(keypoints, size[number]), heading[number])
            points = place[number] + shape + draw.normal(0, 0.5, (keypoints, 2))
            points[draw.random(keypoints) < hidden] = np.nan
            if draw.random() >= missed:
                rows.append((points, frame, number))
        if draw.random() < false:
            junk = draw.uniform(0, arena, 2) + draw.normal(0, size[0] / 3, (keypoints, 2))
            rows.append((junk, frame, -1))
    points, frame, animal = zip(*rows, strict=True)
    return Herd(np.array(points), np.array(frame), np.array(animal))


@pytest.fixture
def herd() -> Callable[..., Herd]:
    """Makes wandering animals; see `wander`."""
    return wander


@pytest.fixture
def worm() -> Callable[[int, float], np.ndarray]:
    """Makes (K, 2) a curved body at the origin, of a size in px."""
    return body
