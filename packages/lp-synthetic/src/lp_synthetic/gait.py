"""Where the paws are: stance on the floor and swing through the air, coupled by a phase."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from lp_synthetic.behaviour import Motion
from lp_synthetic.skeleton import LIMB_BUILD, LIMBS

_DART_SPEED = 300.0
_LIFT = 7.0
_LONGEST_REACH = 19.0


def walk(
    motion: Motion, roots: Float[ndarray, "frames 4 3"], fps: float, splay: float = 0.0
) -> Float[ndarray, "frames 4 3"]:
    """Place the four paws.

    A paw in stance is carried by the floor; a paw in swing travels from where it left the floor to
    where the limb will next be comfortable for the longest time. From a walk (lateral sequence)
    to a dart (trot) phases and duty shift continuously.

    Args:
        motion: Motion of the body.
        roots: World positions of shoulders and hips, in the order of ``LIMBS``.
        fps: Frames per second.
        splay: How much farther than usual the paws stand to the side.

    Returns:
        World positions of the paws.
    """
    haste = np.clip(motion.speed / _DART_SPEED, 0.0, 1.0)
    stride = 44.0 + 0.09 * motion.speed
    turning = np.abs(np.gradient(motion.heading)) * fps * 16.0
    rate = (motion.speed + turning) / stride
    duty = 0.68 - 0.2 * haste
    phase = _limb_phases(np.cumsum(rate) / fps, haste)
    rest = _rest_positions(motion, roots, splay)
    ahead = motion.direction * (0.5 * stride * duty * np.clip(motion.speed / 40.0, 0, 1))[:, None]

    paws = np.empty_like(roots)
    here = rest[0].copy()
    lift_off = here.copy()
    for frame in range(len(roots)):
        swing = (phase[frame] - duty[frame]) / (1.0 - duty[frame])
        flying = swing > 0.0
        target = rest[frame] + ahead[frame]
        progress = _ease(np.clip(swing, 0.0, 1.0))[:, None]
        carried = here - motion.floor_velocity[frame] / fps
        lift_off = np.where(flying[:, None], lift_off, carried)
        here = np.where(flying[:, None], lift_off + progress * (target - lift_off), carried)
        here = _within_reach(here, rest[frame])
        paws[frame, :, :2] = here
        height = _LIFT * (0.7 + 0.6 * haste[frame])
        paws[frame, :, 2] = 1.8 + height * np.sin(np.pi * np.clip(swing, 0.0, 1.0))
    return paws


def _limb_phases(
    phase: Float[ndarray, " frames"], haste: Float[ndarray, " frames"]
) -> Float[ndarray, "frames 4"]:
    """Phase of each limb within its stride, 0 to 1."""
    walking = np.array([LIMB_BUILD[limb].phase[0] for limb in LIMBS])
    darting = np.array([LIMB_BUILD[limb].phase[1] for limb in LIMBS])
    lag = walking + haste[:, None] * (darting - walking)
    return (phase[:, None] + lag) % 1.0


def _rest_positions(
    motion: Motion, roots: Float[ndarray, "frames 4 3"], splay: float
) -> Float[ndarray, "frames 4 2"]:
    """Where the paws stand when the animal does."""
    forward = motion.direction[:, None]
    left = np.stack([-forward[..., 1], forward[..., 0]], axis=-1)
    stance = np.array([LIMB_BUILD[limb].stance for limb in LIMBS])
    aside = stance[:, 1:] + splay * np.sign(stance[:, 1:])
    return roots[..., :2] + stance[:, :1] * forward + aside * left


def _ease(progress: Float[ndarray, " limbs"]) -> Float[ndarray, " limbs"]:
    return progress * progress * (3.0 - 2.0 * progress)


def _within_reach(
    paws: Float[ndarray, "limbs 2"], rest: Float[ndarray, "limbs 2"]
) -> Float[ndarray, "limbs 2"]:
    offset = paws - rest
    length = np.linalg.norm(offset, axis=-1, keepdims=True)
    return rest + offset * np.minimum(1.0, _LONGEST_REACH / np.maximum(length, 1e-9))
