"""Rigs of calibrated cameras around the open field, and what such a camera sees.

World space is that of `lp_synthetic.camera`; a rig measures it in mm, of which `UNIT` are one unit
of ``skeleton``. The first of three or more cameras looks down, the others stand around the arena,
higher and lower in turn; every third has a fisheye lens. Each looks past the bars of a cage, which
stand close before it. Above a glass floor, the first camera looks up through it and the others
stand low, so that two cameras or more see most paws.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace

import cv2
import numpy as np
from jaxtyping import Float, UInt8
from numpy import ndarray

from lp_core.geometry import cameras as calibrated
from lp_core.geometry.cameras import Rig
from lp_synthetic.camera import Box, Camera
from lp_synthetic.drawing import blob, fractal_noise, strip
from lp_synthetic.look import Look, with_brightness
from lp_synthetic.settings import SyntheticSettings
from lp_synthetic.skeleton import BODY_LENGTH

UNIT = 0.75
"""Mm in a unit of the skeleton: a mouse of 88 mm."""

_AIM = np.array([0.0, 0.0, 15.0])
_HEIGHTS = (76.0, 52.0, 34.0)  # of the first camera and the others, degrees above the floor
_GLASS_HEIGHTS = (-76.0, 38.0, 20.0)
_PAIR = 100.0  # degrees between two cameras
_FOCAL, _FISHEYE_FOCAL = 1.25, 0.8  # in shorter sides of the frame
_MOVED = 0.02
_TURNED = math.radians(1.0)
_BROWN = np.array([-0.16, 0.04, 0.001, -0.001, 0.0])
_FISHEYE = np.array([0.03, -0.012, 0.004, -0.001])
_FLOOR = 420.0
_BARS = 0.3
_BAR_RADIUS = 8.0


def build_rig(settings: SyntheticSettings, session: int) -> Rig:
    """The rig of a session, whose cameras were moved and turned a little since the one before."""
    fixed = np.random.default_rng([settings.seed, 0])
    moved = np.random.default_rng([settings.seed, session, 1])
    start = fixed.uniform(0.0, 360.0)
    count = settings.cameras
    around = count - 1 if count > 2 else count
    step = _PAIR if around == 2 else 360.0 / around
    heights = _GLASS_HEIGHTS if settings.glass_floor else _HEIGHTS
    cameras = []
    for number, name in enumerate(settings.view_names):
        place = number - (count - around)
        height = heights[0] if place < 0 else heights[1 + place % 2]
        azimuth = start + step * place
        fisheye = settings.fisheye and number % 3 == 1
        lens = (_FISHEYE if fisheye else _BROWN) * fixed.uniform(0.7, 1.3)
        focal = (_FISHEYE_FOCAL if fisheye else _FOCAL) * min(settings.height, settings.width)
        distance = focal * BODY_LENGTH / settings.animal_px
        position = _AIM + distance * (1 + _MOVED * moved.uniform(-1, 1)) * _towards(azimuth, height)
        turn = calibrated.rotation_matrix(_TURNED * moved.uniform(-1, 1, 3))
        middle = (settings.width - 1) / 2, (settings.height - 1) / 2
        off = fixed.uniform(-0.01, 0.01, 2) * settings.width
        matrix = np.array(
            [[focal, 0, middle[0] + off[0]], [0, 1.01 * focal, middle[1] + off[1]], [0, 0, 1]]
        )
        straight = calibrated.Camera.looking_at(
            _AIM * UNIT,
            position * UNIT,
            name=name,
            size=(settings.width, settings.height),
            matrix=matrix.round(4),
            distortion=lens.round(5),
            model="fisheye" if fisheye else "pinhole",
        )
        rotation, translation = turn @ straight.rotation, turn @ straight.translation
        cameras.append(replace(straight, rotation=rotation, translation=translation))
    return Rig(tuple(cameras), "mm")


def _towards(azimuth: float, height: float) -> Float[ndarray, " 3"]:
    """Unit vector to a place at an azimuth and a height, both in degrees."""
    yaw, pitch = math.radians(azimuth), math.radians(height)
    flat = math.cos(pitch)
    return np.array([flat * math.cos(yaw), flat * math.sin(yaw), math.sin(pitch)])


@dataclass(frozen=True)
class RigCamera(Camera):
    """One camera of a rig; it has one view.

    Attributes:
        model: The camera, in mm.
        number: Its place in the rig.
    """

    model: calibrated.Camera = field(kw_only=True)
    number: int = field(kw_only=True)

    @classmethod
    def of(cls, rig: Rig, number: int) -> RigCamera:
        """The camera at a place of a rig."""
        model = rig.cameras[number]
        distance = float(np.linalg.norm(model.centre / UNIT - _AIM))
        scale = float(model.matrix[0, 0]) / distance
        width, height = model.size
        return cls(height, width, scale, thinnest=0.8, guessed=6.0, model=model, number=number)

    @property
    def panels(self) -> tuple[Box, ...]:
        """The whole frame."""
        return (Box(0, 0, self.width, self.height),)

    def project(
        self, points: Float[ndarray, "*batch 3"]
    ) -> tuple[Float[ndarray, "*batch views 2"], Float[ndarray, "*batch views"]]:
        """Frame px (x, y) of world points, and how far away they are.

        The distance is that along the optical axis, or from a fisheye lens.
        """
        pixels = calibrated.project(Rig((self.model,)), points * UNIT)[0]
        ahead = points @ self.model.rotation.T + self.model.translation / UNIT
        fisheye = self.model.model == "fisheye"
        depth = np.linalg.norm(ahead, axis=-1) if fisheye else ahead[..., 2]
        return pixels[..., None, :], depth[..., None]

    def pixels_per_unit(self, depth: Float[ndarray, "*any"]) -> Float[ndarray, "*any"]:
        """Frame px per unit of length at a distance that ``project`` returned."""
        return float(self.model.matrix[0, 0]) / depth

    def floor_seen(self) -> Float[ndarray, "h w 2"]:
        """Where on the floor each pixel looks, (x, y) in units; NaN where it looks above it."""
        columns, rows = np.meshgrid(np.arange(self.width), np.arange(self.height))
        pixels = np.stack([columns, rows], axis=-1).astype(float)
        flat = calibrated.undistort(Rig((self.model,)), pixels[None])[0]
        rays = np.concatenate([flat, np.ones((*flat.shape[:2], 1))], axis=-1) @ self.model.rotation
        centre = self.model.centre / UNIT
        down = np.where(rays[..., 2] < 0, rays[..., 2], np.nan)
        return centre[:2] - rays[..., :2] * (centre[2] / down)[..., None]


def floor_picture(
    camera: RigCamera, look: Look, rng: np.random.Generator
) -> UInt8[ndarray, "h w 3"]:
    """The floor of the arena with look-alike blobs, and the dark around it.

    The same ``rng`` gives all cameras the same floor.
    """
    side = 2 * round(_FLOOR)
    texture = fractal_noise(rng, side, side, 44.0, stretch=1.0)
    painted = np.array(look.wall) * (1 + look.texture * texture)[..., None]
    ground = np.clip(painted, 0, 255).astype(np.uint8)
    for number in range(4 * look.clutter):
        place = rng.uniform(0.1, 0.9, 2) * side
        shape = blob(rng, rng.uniform(0.8, 1.3), number, place)
        shape.fill(ground, with_brightness(look.skin, rng.uniform(0.6, 0.95)))
    y, x = np.mgrid[:side, :side] - _FLOOR
    far = np.hypot(x, y)
    ground[far > _FLOOR - 18.0] = np.rint(with_brightness(look.wall, 1.3))
    ground[far > _FLOOR - 6.0] = np.rint(with_brightness(look.ceiling, 0.6))
    places = np.nan_to_num(camera.floor_seen(), nan=1e6).clip(-1e6, 1e6) + _FLOOR
    dark = np.rint(with_brightness(look.ceiling, 0.6)).tolist()
    return cv2.remap(
        ground,
        places.astype(np.float32),
        None,
        cv2.INTER_LINEAR,
        borderMode=cv2.BORDER_CONSTANT,
        borderValue=dark,
    )


def bars(
    camera: RigCamera, look: Look, rng: np.random.Generator
) -> tuple[UInt8[ndarray, "h w"], Float[ndarray, "h w 3"]]:
    """Coverage, 0 to 255, and colour of the bars that stand close before a camera."""
    own = np.random.default_rng([int(rng.integers(2**31)), camera.number])
    cover = np.zeros((camera.height, camera.width), np.uint8)
    model = camera.model
    middle = model.rotation @ _AIM + model.translation / UNIT
    half = 0.5 * camera.width / camera.scale
    along = np.linspace(-3.0, 3.0, 25) * half * _BARS
    for side in own.permutation(np.linspace(-0.55, 0.55, 2 * look.posts)):
        x = (side + own.uniform(-0.15, 0.15)) * half * _BARS
        line = np.stack([np.full_like(along, x), along, np.full_like(along, _BARS * middle[2])], -1)
        world = (line - model.translation / UNIT) @ model.rotation
        pixels, depth = camera.project(world)
        seen = np.isfinite(pixels).all(axis=(1, 2))
        radii = _BARS * _BAR_RADIUS * camera.pixels_per_unit(depth[seen, 0])
        strip(pixels[seen, 0], radii).fill(cover, 255)
    colour = np.array(look.wall, np.float32) * 0.5 + 40.0
    gleam = 1.0 + 0.3 * np.sin(np.arange(camera.width) / 3.0)
    return cover, np.broadcast_to(
        (colour * gleam[:, None]).astype(np.float32), (*cover.shape, 3)
    ).copy()
