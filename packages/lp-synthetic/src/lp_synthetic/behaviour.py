"""What the animal does: walks, pauses, darts and turns on a floor that moves along below it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from numpy import ndarray

_FLOOR_LAG = 0.13
_CENTRING_RATE = 2.0
_ROAM = np.array([24.0, 9.0])

# Chance, speed in units per second (low, high), duration in seconds (low, high).
_BOUTS = (
    (0.62, (55.0, 130.0), (0.7, 1.8)),
    (0.18, (0.0, 0.0), (0.4, 1.0)),
    (0.20, (260.0, 420.0), (0.3, 0.6)),
)


@dataclass(frozen=True)
class Motion:
    """How the animal moves through the world, frame by frame.

    Attributes:
        speed: Speed over the floor in units per second.
        heading: Direction of the pelvis in radians; 0 is +x.
        position: World (x, y) of the middle of the body.
        floor_velocity: World velocity at which the floor slides back, units per second.
    """

    speed: Float[ndarray, " frames"]
    heading: Float[ndarray, " frames"]
    position: Float[ndarray, "frames 2"]
    floor_velocity: Float[ndarray, "frames 2"]

    @property
    def direction(self) -> Float[ndarray, "frames 2"]:
        """Unit vector of the heading."""
        return np.stack([np.cos(self.heading), np.sin(self.heading)], axis=-1)


def behave(rng: np.random.Generator, frames: int, fps: float, max_turn: float) -> Motion:
    """Draw the motion of an animal that turns at most ``max_turn`` degrees away from +x."""
    speed, heading = _bouts(rng, frames, fps, np.deg2rad(max_turn))
    speed = smooth(speed, 0.05 * fps)
    heading = smooth(heading, 0.16 * fps)
    velocity = speed[:, None] * np.stack([np.cos(heading), np.sin(heading)], axis=-1)
    roam = _ROAM * np.stack([wander(rng, frames, 1.2 * fps) for _ in range(2)], axis=-1)
    position, floor = _follow(velocity, roam, 1.0 / fps)
    return Motion(speed, heading, position, floor)


def smooth(values: Float[ndarray, " frames"], sigma: float) -> Float[ndarray, " frames"]:
    """Blur a signal with a Gaussian of ``sigma`` frames; the ends are held."""
    radius = max(1, int(3 * sigma + 0.5))
    kernel = np.exp(-0.5 * (np.arange(-radius, radius + 1) / max(sigma, 1e-6)) ** 2)
    padded = np.pad(values, radius, mode="edge")
    return np.convolve(padded, kernel / kernel.sum(), mode="valid")


def wander(rng: np.random.Generator, frames: int, sigma: float) -> Float[ndarray, " frames"]:
    """A smooth random signal within about −1 and 1 that changes over ``sigma`` frames."""
    margin = int(4 * sigma) + 1
    noise = smooth(rng.standard_normal(frames + 2 * margin), sigma)[margin : margin + frames]
    deviation = np.sqrt(1.0 / (2.0 * np.sqrt(np.pi) * sigma))
    return np.clip(noise / deviation / 2.0, -1.2, 1.2)


def _bouts(
    rng: np.random.Generator, frames: int, fps: float, max_turn: float
) -> tuple[Float[ndarray, " frames"], Float[ndarray, " frames"]]:
    """Piecewise constant speed and heading."""
    speed, heading, start = np.zeros(frames), np.zeros(frames), 0
    chances = [chance for chance, _, _ in _BOUTS]
    while start < frames:
        _, speeds, durations = _BOUTS[rng.choice(len(_BOUTS), p=chances)]
        stop = start + max(1, round(rng.uniform(*durations) * fps))
        speed[start:stop] = rng.uniform(*speeds)
        heading[start:stop] = rng.uniform(-max_turn, max_turn)
        start = stop
    return speed, heading


def _follow(
    velocity: Float[ndarray, "frames 2"], roam: Float[ndarray, "frames 2"], step: float
) -> tuple[Float[ndarray, "frames 2"], Float[ndarray, "frames 2"]]:
    """Let the floor slide back so that the animal stays near ``roam``.

    The floor answers with a lag, so that a sudden dart carries the animal forward in the frame.
    """
    position, floor = np.empty_like(velocity), np.empty_like(velocity)
    here, lagged = roam[0].copy(), velocity[0].copy()
    for frame, (moving, goal) in enumerate(zip(velocity, roam, strict=True)):
        lagged += (moving - lagged) * (1.0 - np.exp(-step / _FLOOR_LAG))
        floor[frame] = lagged + _CENTRING_RATE * (here - goal)
        position[frame] = here
        here = here + (moving - floor[frame]) * step
    return position, floor
