"""What the animals of a session do: one on a moving floor, or several in an open field."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int
from numpy import ndarray

from lp_synthetic.behaviour import behave
from lp_synthetic.camera import Camera
from lp_synthetic.contacts import BODY, Kind, contacts_of
from lp_synthetic.errors import SyntheticProjectError
from lp_synthetic.pose import animate, warm_up
from lp_synthetic.roaming import Plan, roam
from lp_synthetic.settings import SyntheticSettings
from lp_synthetic.skeleton import joint_index, keypoint_joints

_SPLAY = 11.0
_LITTLE_SPLAY = 3.0  # where cameras beside the animals see their paws
_WITHIN_RIG = 0.62
_SURPLUS = 1.15
_TRIES = 20
_SWAP = 0.2


class Performance(NamedTuple):
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
    """One animal of a size (1: the skeleton's units) on a floor that slides back below it."""
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
    rng: np.random.Generator, settings: SyntheticSettings, frames: int, size: float, camera: Camera
) -> Performance:
    """Animals of a size that wander, meet as often as is asked, leave the picture and come back.

    Raises:
        SyntheticProjectError: So many meetings do not fit into the time.
    """
    wanted, fps = settings.plan(frames), float(settings.fps)
    plan = {kind: round(count * _SURPLUS + 0.49) for kind, count in wanted.items()}
    share, splay = (_WITHIN_RIG, _LITTLE_SPLAY) if settings.cameras > 1 else (1.0, _SPLAY)
    sides = camera.width, camera.height
    right, top = (0.5 * side / camera.scale / size * share for side in sides)
    skipped, best = warm_up(fps), dict.fromkeys(wanted, 0)
    for _ in range(_TRIES):
        motions = roam(rng, settings.animals, frames + skipped, fps, (right, top), plan)
        herd = [animate(rng, motion, fps, splay)[skipped:] for motion in motions]
        poses = size * np.stack(herd)
        pixels = camera.project(poses)[0][..., 0, :]
        found = _counted(pixels, camera)
        if all(found[kind] >= count for kind, count in wanted.items()):
            return Performance(poses, np.zeros((frames, 2)), _stacking(rng, pixels))
        best = {kind: max(count, best[kind]) for kind, count in found.items()}
    kind = min(wanted, key=lambda kind: best[kind] - wanted[kind])
    raise SyntheticProjectError(
        f"{wanted[kind]} times '{kind}' do not fit into {frames} frames of {settings.animals} "
        f"animals, at most {best[kind]} did",
        remedy="ask for fewer crossings, touches or absences per minute, or for smaller animals",
    )


def _counted(pixels: Float[ndarray, "animals frames joints 2"], camera: Camera) -> Plan:
    """What happens, as the truth will show it."""
    inside = camera.panels[0].holds(pixels)
    body = [joint_index(name) for name in BODY]
    points = pixels[:, :, body].swapaxes(0, 1).copy()
    points[~inside[:, :, body].all(axis=2).T] = np.nan
    kinds = [contact.kind for contact in contacts_of(points, tuple(map(str, range(len(pixels)))))]
    away = ~inside[:, :, keypoint_joints()].any(axis=2)
    back = int((np.diff(away.astype(int), axis=1) < 0).sum())
    met = {kind.value: kinds.count(kind) for kind in (Kind.TOUCH, Kind.CROSSING)}
    return {"absence": back, **met}


def _stacking(
    rng: np.random.Generator, pixels: Float[ndarray, "animals frames joints 2"]
) -> Int[ndarray, "frames animals"]:
    """Which animals lie on which; two change places only while they are apart."""
    low, high = pixels.min(axis=2) - 8.0, pixels.max(axis=2) + 8.0
    order = list(rng.permutation(len(pixels)))
    stacked = np.empty(pixels.shape[1::-1], int)
    for frame, row in enumerate(stacked):
        for place in range(len(order) - 1):
            a, b = order[place : place + 2]
            gap = np.maximum(low[a, frame] - high[b, frame], low[b, frame] - high[a, frame])
            if gap.max() > 0 and rng.random() < _SWAP:
                order[place : place + 2] = b, a
        row[:] = order
    return stacked
