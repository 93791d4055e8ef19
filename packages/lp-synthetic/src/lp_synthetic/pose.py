"""From behaviour to the 3-D positions of all joints, with bones of constant length."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float
from numpy import ndarray

import lp_synthetic.skeleton as bones
from lp_synthetic.behaviour import Motion, smooth, wander

_WARM_UP_SECONDS = 2.0
_PELVIS_HEIGHT = 29.0
_STRETCH_LIMIT = 0.985
_DART_SPEED = 300.0
_LIFT = 7.0
_LONGEST_REACH = 19.0

Joints = dict[str, Float[ndarray, "frames 3"]]


def warm_up(fps: float) -> int:
    """Frames after which nothing in a pose depends on how the animal began."""
    return max(2 * bones.TAIL_SEGMENTS + 4, round(_WARM_UP_SECONDS * fps))


def animate(
    rng: np.random.Generator, motion: Motion, fps: float, splay: float = 0.0
) -> Float[ndarray, "frames joints 3"]:
    """World positions of an animal's joints, whose paws stand farther aside by ``splay``."""
    joints = _trunk(rng, motion, fps)
    joints |= _tail(rng, joints["tail_base"], motion, fps)
    joints |= _limbs(joints, motion, fps, splay)
    return np.stack([joints[name] for name in bones.JOINTS], axis=1)


def _trunk(rng: np.random.Generator, motion: Motion, fps: float) -> Joints:
    """Spine, head and ears."""
    frames = len(motion.speed)
    turn = smooth(np.gradient(motion.heading) * fps, 0.1 * fps)
    calm = np.clip(1.0 - motion.speed / 150.0, 0.0, 1.0)
    bend = np.clip(0.13 * turn, -0.5, 0.5) + 0.08 * wander(rng, frames, 0.8 * fps)
    nod, look = wander(rng, frames, 0.35 * fps), wander(rng, frames, 0.4 * fps)
    hip_yaw = motion.heading - 0.5 * bend
    chest_yaw = motion.heading + 0.5 * bend
    head_yaw = chest_yaw + 0.6 * bend + (0.12 + 0.3 * calm) * look
    spine_pitch = 0.02 + 0.06 * wander(rng, frames, 0.6 * fps)
    head_pitch = -0.2 + (0.12 + 0.16 * calm) * nod

    spine = _direction(chest_yaw, spine_pitch)
    middle = np.concatenate([motion.position, np.full((frames, 1), _PELVIS_HEIGHT)], axis=-1)
    stride = np.cumsum(motion.speed / (44.0 + 0.09 * motion.speed)) / fps
    haste = np.clip(motion.speed / 200.0, 0.0, 1.0)
    middle[:, 2] += haste * (1.4 * np.sin(4 * np.pi * stride))  # up and down twice a stride
    pelvis = middle - 0.5 * bones.PELVIS_TO_CHEST * spine
    chest = middle + 0.5 * bones.PELVIS_TO_CHEST * spine
    neck = chest + bones.CHEST_TO_NECK * _direction(chest_yaw + 0.4 * bend, spine_pitch + 0.1)
    head = _direction(head_yaw, head_pitch)
    left, up = _sideways(head_yaw), _direction(head_yaw, head_pitch + np.pi / 2)
    forward_ear, side_ear, up_ear = bones.NECK_TO_EAR
    ear = neck + forward_ear * head + up_ear * up
    return {
        "pelvis": pelvis,
        "chest": chest,
        "neck": neck,
        "nose": neck + bones.NECK_TO_NOSE * head,
        "ear_left": ear + side_ear * left,
        "ear_right": ear - side_ear * left,
        "tail_base": pelvis - bones.PELVIS_TO_TAIL * _direction(hip_yaw, spine_pitch + 0.2),
    }


def _tail(
    rng: np.random.Generator, base: Float[ndarray, "frames 3"], motion: Motion, fps: float
) -> Joints:
    """A chain that trails behind, swings with the stride and lifts now and then."""
    frames = len(motion.speed)
    sway = 0.75 * wander(rng, frames, 0.5 * fps)
    lift = 0.22 * wander(rng, frames, 0.7 * fps)
    swing = 0.22 * np.sin(2 * np.pi * np.cumsum(motion.speed / 60.0 + 0.3) / fps)
    joints: Joints = {}
    joint = base
    for number in range(1, bones.TAIL_SEGMENTS + 1):
        along = number / bones.TAIL_SEGMENTS
        trailing = smooth(np.roll(motion.heading, 2 * number), 2.0)
        yaw = trailing + np.pi + along * (sway + np.roll(swing, number))
        pitch = -0.28 + 0.3 * along**2 + along * lift
        joint = joint + bones.TAIL_SEGMENT * _direction(yaw, pitch)
        joints[f"tail_{number}"] = joint
    return joints


def _limbs(joints: Joints, motion: Motion, fps: float, splay: float) -> Joints:
    """Hips and shoulders, paws by the gait, and the joints between by two-bone geometry."""
    spine = joints["chest"] - joints["pelvis"]
    yaw = np.arctan2(spine[:, 1], spine[:, 0])
    roots = []
    for limb in bones.LIMBS:
        forward, left, up = bones.LIMB_BUILD[limb].root
        offset = forward * _direction(yaw, np.zeros_like(yaw)) + left * _sideways(yaw)
        base = joints["chest"] if limb.startswith("front") else joints["pelvis"]
        roots.append(base + offset + np.array([0.0, 0.0, up]))
    paws = _walk(motion, np.stack(roots, axis=1), fps, splay)
    ahead = np.concatenate([motion.direction, np.zeros((len(paws), 1))], axis=-1)
    limbs: Joints = {}
    for number, (limb, root) in enumerate(zip(bones.LIMBS, roots, strict=True)):
        knee, paw = _two_bones(bones.LIMB_BUILD[limb], root, paws[:, number], ahead)
        limbs |= {f"root_{limb}": root, f"knee_{limb}": knee, f"paw_{limb}": paw}
    return limbs


def _walk(
    motion: Motion, roots: Float[ndarray, "frames 4 3"], fps: float, splay: float
) -> Float[ndarray, "frames 4 3"]:
    """World positions of the four paws.

    A paw in stance is carried by the floor; a paw in swing travels from where it left the floor to
    where the limb will next be comfortable for the longest time. From a walk (lateral sequence)
    to a dart (trot) phases and duty shift continuously.
    """
    builds = [bones.LIMB_BUILD[limb] for limb in bones.LIMBS]
    haste = np.clip(motion.speed / _DART_SPEED, 0.0, 1.0)
    stride = 44.0 + 0.09 * motion.speed
    turning = np.abs(np.gradient(motion.heading)) * fps * 16.0
    rate = (motion.speed + turning) / stride
    duty = 0.68 - 0.2 * haste
    walking, darting = np.array([build.phase for build in builds]).T
    lag = walking + haste[:, None] * (darting - walking)
    phase = ((np.cumsum(rate) / fps)[:, None] + lag) % 1.0
    swing = (phase - duty[:, None]) / (1.0 - duty[:, None])
    progress = np.clip(swing, 0.0, 1.0)[..., None]
    eased = progress * progress * (3.0 - 2.0 * progress)
    rest = _rest_positions(motion, roots, splay)
    ahead = motion.direction * (0.5 * stride * duty * np.clip(motion.speed / 40.0, 0, 1))[:, None]

    paws = np.empty_like(roots)
    paws[..., 2] = 1.8 + _LIFT * (0.7 + 0.6 * haste[:, None]) * np.sin(np.pi * progress[..., 0])
    here = rest[0].copy()
    lift_off = here.copy()
    for frame in range(len(roots)):
        flying = swing[frame, :, None] > 0.0
        target = rest[frame] + ahead[frame]
        carried = here - motion.floor_velocity[frame] / fps
        lift_off = np.where(flying, lift_off, carried)
        here = np.where(flying, lift_off + eased[frame] * (target - lift_off), carried)
        offset = here - rest[frame]
        length = np.linalg.norm(offset, axis=-1, keepdims=True)
        here = rest[frame] + offset * np.minimum(1.0, _LONGEST_REACH / np.maximum(length, 1e-9))
        paws[frame, :, :2] = here
    return paws


def _rest_positions(
    motion: Motion, roots: Float[ndarray, "frames 4 3"], splay: float
) -> Float[ndarray, "frames 4 2"]:
    """Where the paws stand when the animal does."""
    forward = motion.direction[:, None]
    left = np.stack([-forward[..., 1], forward[..., 0]], axis=-1)
    stance = np.array([bones.LIMB_BUILD[limb].stance for limb in bones.LIMBS])
    aside = stance[:, 1:] + splay * np.sign(stance[:, 1:])
    return roots[..., :2] + stance[:, :1] * forward + aside * left


def _two_bones(
    build: bones.Limb,
    root: Float[ndarray, "frames 3"],
    paw: Float[ndarray, "frames 3"],
    ahead: Float[ndarray, "frames 3"],
) -> tuple[Float[ndarray, "frames 3"], Float[ndarray, "frames 3"]]:
    """Middle joint and paw of a limb of two bones (law of cosines), bent forward or backward."""
    upper, lower, bend = build.upper, build.lower, build.bend * ahead
    reach = paw - root
    wanted = np.linalg.norm(reach, axis=-1, keepdims=True)
    axis = reach / wanted
    length = np.clip(wanted, abs(upper - lower) + 1.0, _STRETCH_LIMIT * (upper + lower))
    along = (upper**2 - lower**2 + length**2) / (2.0 * length)
    side = bend - np.sum(bend * axis, axis=-1, keepdims=True) * axis
    side = side / np.linalg.norm(side, axis=-1, keepdims=True)
    return root + along * axis + np.sqrt(upper**2 - along**2) * side, root + length * axis


def _direction(yaw: Float[ndarray, " frames"], pitch: Float[ndarray, " frames"] | float) -> ndarray:
    """Unit vector (x, y, z) of a yaw about z and a pitch above the floor, in radians."""
    flat = np.cos(pitch)
    up = np.broadcast_to(np.sin(pitch), yaw.shape)
    return np.stack([flat * np.cos(yaw), flat * np.sin(yaw), up], axis=-1)


def _sideways(yaw: Float[ndarray, " frames"]) -> Float[ndarray, "frames 3"]:
    """Unit vector to the animal's left."""
    return np.stack([-np.sin(yaw), np.cos(yaw), np.zeros_like(yaw)], axis=-1)
