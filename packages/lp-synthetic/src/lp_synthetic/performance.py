"""What the animals of a session do: one on a moving floor, or several in an open field."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int
from numpy import ndarray

from lp_synthetic.behaviour import Motion, behave
from lp_synthetic.camera import Camera
from lp_synthetic.contacts import BODY, Kind, contacts_of
from lp_synthetic.errors import SyntheticProjectError
from lp_synthetic.pose import animate, warm_up
from lp_synthetic.roaming import Plan, roam
from lp_synthetic.settings import SyntheticSettings
from lp_synthetic.skeleton import joint_index, keypoint_joints

_SPLAY = 11.0
_SURPLUS = 1.15
_TRIES = 12
_SWAP = 0.2


@dataclass(frozen=True)
class Performance:
    """The poses of all animals in all frames, in world units.

    Attributes:
        poses: Positions of the joints.
        slid: How far the floor has moved in the world (x, y).
        order: The animals from the lowest to the one that lies on top of all others.
    """

    poses: Float[ndarray, "animals frames joints 3"]
    slid: Float[ndarray, "frames 2"]
    order: Int[ndarray, "frames animals"]


def on_moving_floor(
    rng: np.random.Generator, settings: SyntheticSettings, frames: int, size: float
) -> Performance:
    """One animal on a floor that slides back below it.

    Args:
        rng: Source of all choices.
        settings: Frame rate and range of behaviour.
        frames: Number of frames.
        size: Size of the animal relative to the skeleton's units.
    """
    fps = float(settings.fps)
    skipped = warm_up(fps)
    motion = behave(rng, frames + skipped, fps, float(settings.max_turn))
    poses = animate(rng, motion, fps)[skipped:]
    # The animal is resized about the point of the floor below it, which moves too.
    centre = motion.position[skipped:]
    anchor = np.concatenate([centre, np.zeros((frames, 1))], axis=-1)[:, None]
    poses = anchor + size * (poses - anchor)
    slid = (1.0 - size) * centre - size * (np.cumsum(motion.floor_velocity[skipped:], axis=0) / fps)
    return Performance(poses[None], slid, np.zeros((frames, 1), int))


def in_open_field(
    rng: np.random.Generator,
    settings: SyntheticSettings,
    frames: int,
    size: float,
    camera: Camera,
) -> Performance:
    """Animals that wander, meet as often as the settings ask, leave the picture and come back.

    Args:
        rng: Source of all choices.
        settings: Number of animals, frame rate, and how often they meet.
        frames: Number of frames.
        size: Size of the animals relative to the skeleton's units.
        camera: Tells how large the field is.

    Raises:
        SyntheticProjectError: So many meetings do not fit into the time.
    """
    wanted = settings.plan(frames)
    plan = {kind: round(count * _SURPLUS + 0.49) for kind, count in wanted.items()}
    half = tuple(0.5 * side / camera.scale / size for side in (camera.width, camera.height))
    best: Plan = {}
    for _ in range(_TRIES):
        poses = size * _herd(rng, settings, frames, half, plan)
        pixels = camera.project(poses)[0][..., 0, :]
        found = _counted(pixels, camera)
        if all(found[kind] >= count for kind, count in wanted.items()):
            return Performance(poses, np.zeros((frames, 2)), _stacking(rng, pixels))
        best = {kind: max(count, best.get(kind, 0)) for kind, count in found.items()}
    kind = min(wanted, key=lambda kind: best[kind] - wanted[kind])
    raise SyntheticProjectError(
        f"{wanted[kind]} times '{kind}' do not fit into {frames} frames of {settings.animals} "
        f"animals, at most {best[kind]} did",
        remedy="ask for fewer crossings, touches or absences per minute, or for smaller animals",
    )


def _herd(
    rng: np.random.Generator,
    settings: SyntheticSettings,
    frames: int,
    half: Sequence[float],
    plan: Plan,
) -> Float[ndarray, "animals frames joints 3"]:
    """Poses of all animals, in units of the skeleton."""
    fps = float(settings.fps)
    skipped = warm_up(fps)
    motions: list[Motion] = roam(
        rng, settings.animals, frames + skipped, fps, (half[0], half[1]), plan
    )
    return np.stack([animate(rng, motion, fps, _SPLAY)[skipped:] for motion in motions])


def _counted(pixels: Float[ndarray, "animals frames joints 2"], camera: Camera) -> Plan:
    """What happens, as the truth will show it."""
    inside = camera.panels[0].holds(pixels)
    body = [joint_index(name) for name in BODY]
    points = pixels[:, :, body].swapaxes(0, 1).copy()
    points[~inside[:, :, body].all(axis=2).T] = np.nan
    kinds = [contact.kind for contact in contacts_of(points, tuple(map(str, range(len(pixels)))))]
    away = ~inside[:, :, keypoint_joints()].any(axis=2)
    left = int((np.diff(away.astype(int), axis=1) < 0).sum())
    return {
        "crossing": kinds.count(Kind.CROSSING),
        "touch": kinds.count(Kind.TOUCH),
        "absence": left,
    }


def _stacking(
    rng: np.random.Generator, pixels: Float[ndarray, "animals frames joints 2"]
) -> Int[ndarray, "frames animals"]:
    """Which animals lie on which; two change places only while they are apart."""
    low, high = pixels.min(axis=2) - 8.0, pixels.max(axis=2) + 8.0
    animals, frames = pixels.shape[:2]
    order, stacked = list(rng.permutation(animals)), np.empty((frames, animals), int)
    for frame in range(frames):
        for place in range(animals - 1):
            a, b = order[place : place + 2]
            gap = np.maximum(low[a, frame] - high[b, frame], low[b, frame] - high[a, frame])
            if gap.max() > 0 and rng.random() < _SWAP:
                order[place : place + 2] = b, a
        stacked[frame] = order
    return stacked
