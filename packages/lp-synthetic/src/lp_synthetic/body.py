"""The flesh on the bones: balls and tapered strips in 3-D, for many poses at once."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float
from numpy import ndarray

from lp_synthetic.camera import Camera
from lp_synthetic.skeleton import LIMBS, TAIL_SEGMENTS, joint_index

TRUNK, BELLY, TAIL = "trunk", "belly", "tail"
EARS = ("ear_left", "ear_right")

_TRUNK_JOINTS = ("tail_base", "pelvis", "chest", "neck", "nose")
_TRUNK_KNOTS = np.array([0.0, 0.18, 0.4, 0.6, 0.73, 0.85, 1.0])
_TRUNK_RADII = np.array([4.5, 16.5, 19.0, 15.5, 12.5, 11.0, 3.2])
_TRUNK_BALLS = 30
_BELLY_STEP = 2
_THICK_LIMB = np.array([10.5, 10.5, 9.5, 7.5, 5.5, 4.2, 3.4, 2.9, 2.6])
_THIN_LIMB = np.array([7.0, 7.0, 6.0, 5.0, 4.2, 3.5, 3.0, 2.7, 2.5])
_PAW = np.array([3.3, 2.7, 1.5, 1.6, 1.5])
_EYE = (21.0, 6.5, 5.5)
_TAIL_NAMES = ("tail_base", *(f"tail_{number}" for number in range(1, TAIL_SEGMENTS + 1)))

Poses = Float[ndarray, "poses joints 3"]
Balls = Float[ndarray, "poses n 3"]


@dataclass(frozen=True)
class SeenPart:
    """One part of the body as one view sees it.

    Attributes:
        centres: Frame px (x, y) of its balls, or of its centre line.
        radii: Radius of each in frame px.
    """

    centres: Float[ndarray, "n 2"]
    radii: Float[ndarray, " n"]


@dataclass(frozen=True)
class SeenBody:
    """The body in several poses, as all views see it.

    Attributes:
        pixels: Frame px (x, y) of all balls and centre lines, per pose and view.
        radii: Their radii in frame px.
        behind: Per part how far it is behind (above 0) or before the trunk, per pose and view.
        eyes: Whether the left and the right eye face each view.
        slices: Which of the points are which part's.
    """

    pixels: Float[ndarray, "poses points views 2"]
    radii: Float[ndarray, "poses points views"]
    behind: dict[str, Float[ndarray, "poses views"]]
    eyes: Bool[ndarray, "poses 2 views"]
    slices: dict[str, slice]

    def part(self, name: str, pose: int, view: int) -> SeenPart:
        """A part in one pose and view."""
        points = self.slices[name]
        return SeenPart(self.pixels[pose, points, view], self.radii[pose, points, view])

    def painting_order(self, pose: int, view: int) -> list[str]:
        """Names of the trunk, limbs, ears and tail, the farthest first."""
        depth = {TRUNK: 0.0} | {name: float(d[pose, view]) for name, d in self.behind.items()}
        return sorted(depth, key=lambda name: -depth[name])


def see_body(camera: Camera, poses: Poses, size: float) -> SeenBody:
    """Put flesh on poses of an animal of a size (1: the skeleton's units) and project it."""
    parts = _flesh(poses, size)
    slices, start = {}, 0
    for name, (points, _) in parts.items():
        slices[name] = slice(start, start + points.shape[1])
        start += points.shape[1]
    pixels, depth = camera.project(np.concatenate([points for points, _ in parts.values()], axis=1))
    radii = np.concatenate([radii for _, radii in parts.values()]) * size
    axis = camera.project(_eye(poses, size, 0.0)[:, 0])[1]
    eyes = depth[:, slices["eyes"]] < (axis - 2.0 * size)[:, None]
    radii = np.maximum(radii[:, None] * camera.pixels_per_unit(depth), camera.thinnest)
    return SeenBody(pixels, radii, _behind(camera.project(poses)[1]), eyes, slices)


def _flesh(poses: Poses, size: float) -> dict[str, tuple[Balls, Float[ndarray, " n"]]]:
    """Points and radii of every part."""
    line, radii = _trunk_line(poses)
    below = np.array([0.0, 0.0, 0.55]) * radii[:, None] * size
    tail = _at(poses, *_TAIL_NAMES)
    parts = {
        TRUNK: (line, radii),
        BELLY: ((line - below)[:, ::_BELLY_STEP], 0.62 * radii[::_BELLY_STEP]),
        TAIL: (tail, np.linspace(3.4, 1.1, len(_TAIL_NAMES))),
        "eyes": (_eye(poses, size, 1.0), np.full(2, 2.6)),
    }
    for ear in EARS:
        parts[ear] = (_at(poses, ear), np.array([7.2]))
    for limb in LIMBS:
        thickness = _THICK_LIMB if limb.startswith("hind") else _THIN_LIMB
        parts[limb] = (_limb_line(poses, limb), thickness)
        parts[f"paw_{limb}"] = (_paw(poses, limb, size), _PAW)
    return parts


def _trunk_line(poses: Poses) -> tuple[Balls, Float[ndarray, " n"]]:
    """Centres and radii of the balls that make up trunk and head, from tail base to nose."""
    tail, pelvis, chest, neck, nose = np.moveaxis(_at(poses, *_TRUNK_JOINTS), 1, 0)
    middle = 0.5 * (pelvis + chest) + np.array([0.0, 0.0, 3.0])
    brow = 0.5 * (neck + nose) + np.array([0.0, 0.0, 1.5])
    knots = np.stack([tail, pelvis, middle, chest, neck, brow, nose], axis=1)
    weights = _spline_weights(_TRUNK_KNOTS, np.linspace(0.0, 1.0, _TRUNK_BALLS))
    return weights @ knots, weights @ _TRUNK_RADII


def _spline_weights(
    knots: Float[ndarray, " knots"], along: Float[ndarray, " samples"]
) -> Float[ndarray, "samples knots"]:
    """The matrix of cubic Hermite interpolation with Catmull-Rom slopes."""
    values = np.eye(len(knots))
    slopes = np.gradient(values, knots, axis=0)
    left = np.clip(np.searchsorted(knots, along, side="right") - 1, 0, len(knots) - 2)
    width = (knots[left + 1] - knots[left])[:, None]
    t = (along - knots[left])[:, None] / width
    return (
        (2 * t**3 - 3 * t**2 + 1) * values[left]
        + (t**3 - 2 * t**2 + t) * width * slopes[left]
        + (3 * t**2 - 2 * t**3) * values[left + 1]
        + (t**3 - t**2) * width * slopes[left + 1]
    )


def _limb_line(poses: Poses, limb: str) -> Balls:
    """Centre line of a limb: a quadratic Bézier curve bent towards the middle joint."""
    joints = _at(poses, *(f"{joint}_{limb}" for joint in ("root", "knee", "paw")))
    root, knee, paw = np.moveaxis(joints, 1, 0)
    control = 1.6 * knee - 0.3 * (root + paw)
    t = np.linspace(0.0, 1.0, len(_THICK_LIMB))
    weights = np.stack([(1 - t) ** 2, 2 * t * (1 - t), t**2], axis=-1)
    return weights @ np.stack([root, control, paw], axis=1)


def _paw(poses: Poses, limb: str, size: float) -> Float[ndarray, "poses 5 3"]:
    """Ball, heel and three toes of a paw."""
    paw = _at(poses, f"paw_{limb}")
    spine = (_at(poses, "chest") - _at(poses, "pelvis")) * np.array([1.0, 1.0, 0.0])
    forward = spine / np.linalg.norm(spine, axis=-1, keepdims=True)
    side = np.stack([-forward[..., 1], forward[..., 0], forward[..., 2]], axis=-1)
    ahead = np.array([0.0, -2.0, 4.4, 4.4, 4.4])[:, None] * size
    aside = np.array([0.0, 0.0, -2.4, 0.0, 2.4])[:, None] * size
    return paw + ahead * forward + aside * side


def _eye(poses: Poses, size: float, out: float) -> Float[ndarray, "poses 2 3"]:
    """The left and the right eye (``out`` = 1), or the middle of the head between them (0)."""
    neck, nose, ears = _at(poses, "neck"), _at(poses, "nose"), _at(poses, *EARS)
    left = ears[:, :1] - ears[:, 1:]
    left = left / np.linalg.norm(left, axis=-1, keepdims=True)
    forward = (nose - neck) / np.linalg.norm(nose - neck, axis=-1, keepdims=True)
    ahead, aside, above = (size * length for length in _EYE)
    side = np.array([1.0, -1.0])[:, None] * aside * left
    return neck + ahead * forward + out * (side + above * np.cross(forward, left))


def _behind(
    depth: Float[ndarray, "poses joints views"],
) -> dict[str, Float[ndarray, "poses views"]]:
    """How far each part is behind the piece of the spine that it grows from."""

    def of(*names: str) -> Float[ndarray, "poses views"]:
        return depth[:, [joint_index(name) for name in names]].mean(axis=1)

    behind = {ear: of(ear) - of("neck") for ear in EARS}
    for limb in LIMBS:
        spine = "chest" if limb.startswith("front") else "pelvis"
        behind[limb] = of(*(f"{joint}_{limb}" for joint in ("root", "knee", "paw"))) - of(spine)
    behind[TAIL] = of(*_TAIL_NAMES[1:5]) - of(_TAIL_NAMES[0])
    return behind


def _at(poses: Poses, *names: str) -> Balls:
    return poses[:, [joint_index(name) for name in names]]
