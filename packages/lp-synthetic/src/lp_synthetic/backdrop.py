"""What stays or slides behind and before the animal: walls, floor, clutter, posts and lamp."""

from __future__ import annotations

import cv2
import numpy as np
from jaxtyping import Bool, Float, UInt8
from numpy import ndarray

from lp_synthetic.camera import Camera
from lp_synthetic.drawing import BLOBS, draw_discs, draw_strip
from lp_synthetic.look import Look, with_brightness
from lp_synthetic.texture import fractal_noise, vignette

_FLOOR_ROWS = 5.0
_POST_RADIUS = 4.0
_POST_FRONT = -52.0
_GUESSED_WITHIN = 2.5


class Backdrop:
    """The arena of one session.

    Args:
        camera: The camera.
        look: Colours, light and clutter.
        rng: Source of textures and places.

    Attributes:
        still: What is behind the animal and does not move, (H, W, 3).
        cover: Coverage of posts and struts before the animal, 0 to 255, (H, W).
        cover_colour: Their colour, (H, W, 3).
        lamps: Brightness of the scene for the lamp's two extreme places, (H, W) each.
    """

    def __init__(self, camera: Camera, look: Look, rng: np.random.Generator) -> None:
        self.camera = camera
        self._look = look
        self.still = self._walls(rng).astype(np.float32)
        self.cover, self.cover_colour = self._posts(rng)
        self.lamps = self._lamps()
        self._sliding = self._glass(rng)
        # How far inside a post or strut each pixel lies, in px.
        self._depth_inside = cv2.distanceTransform(
            (self.cover > 127).astype(np.uint8), cv2.DIST_L2, 5
        )

    def glass(self, slid: Float[ndarray, " 2"]) -> Float[ndarray, "rows width"]:
        """Brightness of scratches and prints on the glass floor, in the rows of the mirror.

        Args:
            slid: How far the floor has moved in the world (x, y).
        """
        scale = self.camera.scale
        right, up = (round(float(value) * scale) for value in slid)
        return np.roll(self._sliding, (-up, right), axis=(0, 1))

    def covers(self, points: Float[ndarray, "n 2"]) -> Bool[ndarray, " n"]:
        """Whether a post or strut hides each point of the frame; False outside the frame."""
        return self._inside(points) > 0.0

    def unguessable(self, points: Float[ndarray, "n 2"]) -> Bool[ndarray, " n"]:
        """Whether each point is so far behind a post that a human could not place it."""
        return self._inside(points) > max(1.0, _GUESSED_WITHIN * self.camera.scale)

    def _inside(self, points: Float[ndarray, "n 2"]) -> Float[ndarray, " n"]:
        x, y = np.rint(points).astype(int).T
        within = (x >= 0) & (y >= 0) & (x < self.camera.width) & (y < self.camera.height)
        depth = np.zeros(len(points))
        depth[within] = self._depth_inside[y[within], x[within]]
        return depth

    def _walls(self, rng: np.random.Generator) -> UInt8[ndarray, "h w 3"]:
        """Back wall above, ceiling in the mirror below, each with look-alike blobs."""
        camera, look = self.camera, self._look
        split, coarse = camera.split_row, 44.0 * camera.scale
        image = np.empty((camera.height, camera.width, 3), np.float32)
        wall = fractal_noise(rng, split, camera.width, coarse, stretch=2.5)
        ceiling = fractal_noise(rng, camera.height - split, camera.width, 0.7 * coarse)
        image[:split] = np.array(look.wall) * (1 + look.texture * wall)[..., None]
        image[split:] = np.array(look.ceiling) * (1 + look.texture * ceiling)[..., None]
        picture = np.clip(image, 0, 255).astype(np.uint8)
        self._scatter(picture[:split], rng)
        self._scatter(picture[split:], rng)
        self._edges(picture)
        return picture

    def _scatter(self, panel: UInt8[ndarray, "h w 3"], rng: np.random.Generator) -> None:
        height, width = panel.shape[:2]
        for number in range(self._look.clutter):
            shape, draw = BLOBS[number % len(BLOBS)]
            place = np.array([rng.uniform(0, width), rng.uniform(0.05, 0.95) * height])
            centres, radii = shape(rng, self.camera.scale * rng.uniform(0.8, 1.3))
            draw(
                panel,
                centres + place,
                radii,
                with_brightness(self._look.skin, rng.uniform(0.6, 0.95)),
            )

    def _edges(self, picture: UInt8[ndarray, "h w 3"]) -> None:
        """Edge of the glass floor, and the frame of the mirror."""
        camera = self.camera
        split = camera.split_row
        near = camera.project(np.array([0.0, -40.0, 0.0]))[0][0, 1]
        slab = max(1, round(_FLOOR_ROWS * camera.scale))
        top = min(round(float(near)), split - slab)
        picture[top : top + slab] = with_brightness(self._look.wall, 1.35)
        picture[top + slab : split] = with_brightness(self._look.wall, 0.4)
        rim = max(1, round(2 * camera.scale))
        picture[split : split + rim] = with_brightness(self._look.ceiling, 1.7)

    def _posts(
        self, rng: np.random.Generator
    ) -> tuple[UInt8[ndarray, "h w"], Float[ndarray, "h w 3"]]:
        """Uprights before the animal above, struts below the glass floor in the mirror."""
        camera, look = self.camera, self._look
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
                draw_strip(cover[rows], ends, np.array([radius, radius]), 255)
                across = (np.arange(camera.width) - x) / radius
                shine = np.exp(-((across + 0.35) ** 2) * 4.0) - 0.35 * across**2
                near = np.abs(across) < 1.5
                gleam[rows, near] = shine[near]
                if view == 0:
                    foot = pixels[1:] - np.array([0, split])
                    draw_discs(cover[split:], foot, np.array([radius]), 255)
        colour = np.array(look.wall, np.float32) * 0.5 + 40.0
        return cover, (colour * (1.0 + 0.4 * gleam)[..., None]).astype(np.float32)

    def _lamps(self) -> tuple[Float[ndarray, "h w"], Float[ndarray, "h w"]]:
        camera, look = self.camera, self._look
        dim = np.ones((camera.height, 1), np.float32)
        dim[camera.split_row :] = look.mirror
        left, right = (
            (dim * vignette(camera.height, camera.width, look.lamp[0] + side, look.lamp[1]))
            for side in (-0.4, 0.4)
        )
        return left * np.float32(look.light), right * np.float32(look.light)

    def _glass(self, rng: np.random.Generator) -> Float[ndarray, "rows width"]:
        """Scratches and faint prints on the floor, as a tile."""
        camera = self.camera
        shape = (camera.height - camera.split_row, camera.width)
        prints = np.zeros(shape, np.uint8)
        for number in range(10):
            blob, draw = BLOBS[number % len(BLOBS)]
            place = np.array([rng.uniform(0.1, 0.9) * shape[1], rng.uniform(0.1, 0.9) * shape[0]])
            centres, radii = blob(rng, 0.8 * camera.scale)
            draw(prints, centres + place, radii, int(rng.integers(60, 160)))
        smear = 9.0 * np.abs(fractal_noise(rng, *shape, 22.0 * camera.scale, stretch=4.0))
        return (prints * np.float32(0.14) + smear).astype(np.float32)
