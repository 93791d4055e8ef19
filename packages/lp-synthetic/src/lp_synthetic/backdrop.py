"""What stays or slides behind and before the animals: walls, floor, clutter, posts and lamp."""

from __future__ import annotations

import cv2
import numpy as np
from jaxtyping import Float, UInt8
from numpy import ndarray

from lp_synthetic.camera import Camera, MirrorCamera
from lp_synthetic.canvas import sampled
from lp_synthetic.drawing import blob, discs, fractal_noise, strip
from lp_synthetic.look import Look, with_brightness
from lp_synthetic.rigs import RigCamera, bars, floor_picture

_FLOOR_ROWS = 5.0
_POST_RADIUS = 4.0
_POST_FRONT = -52.0


class Backdrop:
    """The arena of one session.

    An open field is a bare floor with look-alike blobs; the other arena has a back wall, posts, and
    a glass floor above its mirror.

    Attributes:
        still: What is behind the animals and does not move, (H, W, 3).
        cover: Coverage of posts, struts and bars before the animals, 0 to 255, (H, W).
        cover_colour: Their colour, (H, W, 3).
        lamps: Brightness of the scene for the lamp's two extreme places, (H, W) each.
    """

    def __init__(self, camera: Camera, look: Look, rng: np.random.Generator) -> None:
        self.camera = camera
        self._look = look
        if isinstance(camera, RigCamera):
            walls = floor_picture(camera, look, rng)
        else:
            walls = self._walls(rng)
        self.still = walls.astype(np.float32)
        self.cover = np.zeros((camera.height, camera.width), np.uint8)
        self.cover_colour = np.zeros(self.still.shape, np.float32)
        self._sliding = np.zeros((0, camera.width), np.float32)
        if isinstance(camera, MirrorCamera):
            self.cover, self.cover_colour = self._posts(camera, rng)
            self._sliding = self._glass(camera, rng)
        elif isinstance(camera, RigCamera):
            self.cover, self.cover_colour = bars(camera, look, rng)
        self.lamps = self._lamp(-0.4), self._lamp(0.4)
        solid = (self.cover > 127).astype(np.uint8)
        self._depth_inside = cv2.distanceTransform(solid, cv2.DIST_L2, 5)

    def behind(self, slid: Float[ndarray, " 2"]) -> Float[ndarray, "h w 3"]:
        """What is behind the animals, where the floor has moved by ``slid`` in the world (x, y)."""
        picture = self.still.copy()
        if rows := len(self._sliding):
            right, up = (round(float(value) * self.camera.scale) for value in slid)
            glass = np.roll(self._sliding, (-up, right), axis=(0, 1))
            picture[len(picture) - rows :] += glass[..., None]
        return picture

    def depth_at(self, points: Float[ndarray, "*batch 2"]) -> Float[ndarray, "*batch"]:
        """How far inside a post or strut each point (frame px) lies, in px; 0 where none is."""
        return sampled(self._depth_inside, points)

    def _walls(self, rng: np.random.Generator) -> UInt8[ndarray, "h w 3"]:
        """Back wall and, in the mirror, ceiling; or the floor. Each with look-alike blobs."""
        camera, look = self.camera, self._look
        coarse = 44.0 * camera.scale
        image = np.empty((camera.height, camera.width, 3), np.float32)
        kinds = ((look.wall, coarse, 2.5), (look.ceiling, 0.7 * coarse, 1.0))
        for panel, (colour, coarsest, stretch) in zip(camera.panels, kinds, strict=False):
            texture = fractal_noise(rng, *panel.shape, coarsest, stretch=stretch)
            image[panel.slices()] = np.array(colour) * (1 + look.texture * texture)[..., None]
        picture = np.clip(image, 0, 255).astype(np.uint8)
        for panel in camera.panels:
            self._scatter(picture[panel.slices()], rng)
        if isinstance(camera, MirrorCamera):
            self._edges(picture, camera)
        return picture

    def _scatter(self, panel: UInt8[ndarray, "h w 3"], rng: np.random.Generator) -> None:
        height, width = panel.shape[:2]
        for number in range(self._look.clutter):
            place = np.array([rng.uniform(0, width), rng.uniform(0.05, 0.95) * height])
            shape = blob(rng, self.camera.scale * rng.uniform(0.8, 1.3), number, place)
            shape.fill(panel, with_brightness(self._look.skin, rng.uniform(0.6, 0.95)))

    def _edges(self, picture: UInt8[ndarray, "h w 3"], camera: MirrorCamera) -> None:
        """Edge of the glass floor, and the frame of the mirror."""
        split = camera.split_row
        near = camera.project(np.array([0.0, -40.0, 0.0]))[0][0, 1]
        slab = max(1, round(_FLOOR_ROWS * camera.scale))
        top = min(round(float(near)), split - slab)
        picture[top : top + slab] = with_brightness(self._look.wall, 1.35)
        picture[top + slab : split] = with_brightness(self._look.wall, 0.4)
        rim = max(1, round(2 * camera.scale))
        picture[split : split + rim] = with_brightness(self._look.ceiling, 1.7)

    def _posts(
        self, camera: MirrorCamera, rng: np.random.Generator
    ) -> tuple[UInt8[ndarray, "h w"], Float[ndarray, "h w 3"]]:
        """Uprights before the animal above, struts below the glass floor in the mirror."""
        look = self._look
        cover = np.zeros((camera.height, camera.width), np.uint8)
        gleam = np.zeros((camera.height, camera.width), np.float32)
        split = camera.split_row
        for _ in range(look.posts):
            for view, height in ((0, 0.0), (1, -6.0)):
                place = np.array([rng.uniform(-80.0, 80.0), _POST_FRONT, height])
                pixels, depth = camera.project(place)
                radius = _POST_RADIUS * float(camera.pixels_per_unit(depth)[view])
                x, rows = float(pixels[view, 0]), (slice(0, split), slice(split, None))[view]
                ends = np.array([[x, -radius - 2], [x, camera.height + radius + 2]])
                strip(ends, np.array([radius, radius])).fill(cover[rows], 255)
                across = (np.arange(camera.width) - x) / radius
                shine = np.exp(-((across + 0.35) ** 2) * 4.0) - 0.35 * across**2
                near = np.abs(across) < 1.5
                gleam[rows, near] = shine[near]
                if view == 0:
                    foot = discs(pixels[1:] - np.array([0, split]), np.array([radius]))
                    foot.fill(cover[split:], 255)
        colour = np.array(look.wall, np.float32) * 0.5 + 40.0
        return cover, (colour * (1.0 + 0.4 * gleam)[..., None]).astype(np.float32)

    def _lamp(self, side: float) -> Float[ndarray, "h w"]:
        """Brightness of the scene where the lamp is a little to one side."""
        camera, (x, y) = self.camera, self._look.lamp
        dim = np.ones((camera.height, 1), np.float32)
        for mirror in camera.panels[1:]:
            dim[mirror.slices()[0]] = self._look.mirror
        rows = np.linspace(-1.0, 1.0, camera.height, dtype=np.float32)[:, None]
        columns = np.linspace(-1.0, 1.0, camera.width, dtype=np.float32)
        far = (rows - np.float32(y)) ** 2 + (columns - np.float32(x + side)) ** 2
        bright = np.float32(0.78) + np.float32(0.34) * np.exp(-far / np.float32(1.4))
        return dim * bright * np.float32(self._look.light)

    def _glass(self, camera: MirrorCamera, rng: np.random.Generator) -> Float[ndarray, "h2 w"]:
        """Scratches and faint prints on the floor, as a tile."""
        shape = (camera.height - camera.split_row, camera.width)
        prints = np.zeros(shape, np.uint8)
        for number in range(10):
            place = np.array([rng.uniform(0.1, 0.9) * shape[1], rng.uniform(0.1, 0.9) * shape[0]])
            mark = blob(rng, 0.8 * camera.scale, number, place)
            mark.fill(prints, int(rng.integers(60, 160)))
        smear = 9.0 * np.abs(fractal_noise(rng, *shape, 22.0 * camera.scale, stretch=4.0))
        return (prints * np.float32(0.14) + smear).astype(np.float32)
