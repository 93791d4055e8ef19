"""Render frames: the animal in the arena, with shadow, motion blur, lamp and noise."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from jaxtyping import Float, Int, UInt8
from numpy import ndarray

from lp_synthetic.backdrop import Backdrop
from lp_synthetic.body import see_body
from lp_synthetic.camera import Camera
from lp_synthetic.canvas import Box, box_around
from lp_synthetic.look import Look
from lp_synthetic.painter import Painter, Painting
from lp_synthetic.skeleton import keypoint_joints

OUT_OF_VIEW, OCCLUDED, VISIBLE = 0, 1, 2

_MARGIN = 24.0
_SHARP_WITHIN = 6.0
_BLUR_STEP = 4.0
_MOST_EXPOSURES = 5
_SHADOW = 0.4


@dataclass(frozen=True)
class Frame:
    """A rendered frame and what is true of it.

    Attributes:
        image: RGB.
        visibility: 0 out of view, 1 occluded, 2 visible; per keypoint and view.
        unguessable: Whether a human could not place the keypoint, per keypoint and view.
    """

    image: UInt8[ndarray, "h w 3"]
    visibility: Int[ndarray, "keypoints 2"]
    unguessable: ndarray


class Scene:
    """The arena and the animal of one session, ready to be photographed.

    Args:
        camera: The camera.
        look: Colours, light, clutter and the animal's size.
        rng: Source of textures and places.
    """

    def __init__(self, camera: Camera, look: Look, rng: np.random.Generator) -> None:
        self._camera = camera
        self._look = look
        self._backdrop = Backdrop(camera, look, rng)
        self._painter = Painter(camera, look, rng)
        self._noise = self._camera_noise(rng)
        cover = self._backdrop.cover.ravel()
        self._post_pixels = np.flatnonzero(cover)
        share = cover[self._post_pixels, None].astype(np.float32) * np.float32(1 / 255)
        self._post_keep = 1 - share
        self._post_colour = share * self._backdrop.cover_colour.reshape(-1, 3)[self._post_pixels]
        warmth = np.array([1.0 + look.warmth, 1.0, 1.0 - look.warmth], np.float32)
        self._lamps = [lamp[..., None] * warmth for lamp in self._backdrop.lamps]

    def photograph(
        self,
        poses: Float[ndarray, "3 joints 3"],
        slid: Float[ndarray, " 2"],
        lamp: tuple[float, float],
        rng: np.random.Generator,
    ) -> Frame:
        """Render one frame.

        Args:
            poses: World joints in the frame before, in this one and in the one after.
            slid: How far the floor has moved in the world (x, y).
            lamp: Place of the lamp, 0 to 1, and its brightness.
            rng: Source of the camera's noise.

        Returns:
            The frame; keypoints are where ``poses[1]`` has them.
        """
        exposures = self._exposures(poses)
        body = see_body(self._camera, exposures, self._look.size)
        image = self._backdrop.still.copy()
        image[self._camera.split_row :] += self._backdrop.glass(slid)[..., None]
        keypoints = self._camera.project(poses[1, keypoint_joints()])[0]
        hidden = np.zeros(keypoints.shape[:2], bool)
        joints = self._camera.project(exposures)[0]
        for view in range(2):
            box = self._box(joints[:, :, view], view)
            if box.empty:
                continue
            shots = [self._painter.paint(body, i, view, box) for i in range(len(exposures))]
            hidden[:, view] = shots[len(shots) // 2].hides(keypoints[:, view])
            self._compose(image, shots, view)
        self._add_posts(image)
        picture = self._expose(image, lamp, rng)
        flat = keypoints.reshape(-1, 2)
        hidden |= self._backdrop.covers(flat).reshape(hidden.shape)
        visibility = np.where(hidden, OCCLUDED, VISIBLE)
        visibility[~self._in_view(keypoints)] = OUT_OF_VIEW
        return Frame(picture, visibility, self._backdrop.unguessable(flat).reshape(hidden.shape))

    def _exposures(
        self, poses: Float[ndarray, "3 joints 3"]
    ) -> Float[ndarray, "exposures joints 3"]:
        """Poses while the shutter is open, the frame's own in the middle.

        They lie on a parabola through the three frames.
        """
        before, now, after = poses
        travel = self._look.shutter * self._camera.scale * np.abs(after - before).max() / 2.0
        if travel < _SHARP_WITHIN:
            return poses[1:2]
        count = min(_MOST_EXPOSURES, 2 * round(travel / (2 * _BLUR_STEP)) + 1)
        t = np.linspace(-0.5, 0.5, count)[:, None, None] * self._look.shutter
        return now + 0.5 * t * (after - before) + 0.5 * t * t * (after - 2.0 * now + before)

    def _panel(self, view: int) -> Box:
        split = self._camera.split_row
        top, bottom = ((0, split), (split, self._camera.height))[view]
        return Box(0, top, self._camera.width, bottom)

    def _box(self, joints: Float[ndarray, "exposures joints 2"], view: int) -> Box:
        around = box_around(joints.reshape(-1, 2), _MARGIN * self._camera.scale)
        return around.clipped(self._panel(view))

    def _in_view(self, keypoints: Float[ndarray, "keypoints 2 2"]) -> ndarray:
        """Whether each keypoint lies in the panel of its view."""
        x, y = keypoints[..., 0], keypoints[..., 1]
        inside = (x > -0.5) & (x < self._camera.width - 0.5)
        split = self._camera.split_row
        inside[:, 0] &= (y[:, 0] > -0.5) & (y[:, 0] < split - 0.5)
        inside[:, 1] &= (y[:, 1] >= split - 0.5) & (y[:, 1] < self._camera.height - 0.5)
        return inside

    def _compose(self, image: Float[ndarray, "h w 3"], shots: list[Painting], view: int) -> None:
        """Lay the mean of all exposures, and its shadow, on the picture."""
        rows, columns = shots[0].box.slices
        area = image[rows, columns]
        share = np.float32(1.0 / len(shots))
        alpha = sum((shot.alpha for shot in shots[1:]), start=shots[0].alpha) * share
        colour = sum((shot.colour for shot in shots[1:]), start=shots[0].colour) * share
        if view == 0:
            area *= (1.0 - _SHADOW * self._shadow(alpha))[..., None]
        area *= (1.0 - alpha)[..., None]
        area += colour

    def _shadow(self, alpha: Float[ndarray, "h w"]) -> Float[ndarray, "h w"]:
        """The animal's soft shadow on the wall, on the side away from the lamp."""
        scale = self._camera.scale
        side = max(1, round(9 * scale)) | 1
        x, y = (-10.0 * scale * direction for direction in self._look.lamp)
        shift = np.array([[1.0, 0.0, x], [0.0, 1.0, y]])
        moved = cv2.warpAffine(alpha, shift, alpha.shape[::-1], flags=cv2.INTER_NEAREST)
        return cv2.blur(cv2.blur(moved, (side, side)), (side, side))

    def _add_posts(self, image: Float[ndarray, "h w 3"]) -> None:
        pixels = image.reshape(-1, 3)
        pixels[self._post_pixels] *= self._post_keep
        pixels[self._post_pixels] += self._post_colour

    def _expose(
        self, image: Float[ndarray, "h w 3"], lamp: tuple[float, float], rng: np.random.Generator
    ) -> UInt8[ndarray, "h w 3"]:
        """Light the scene, add the camera's noise, and round to 8 bits."""
        place, brightness = lamp
        left, right = self._lamps
        image *= cv2.addWeighted(left, (1 - place) * brightness, right, place * brightness, 0.0)
        height, width = image.shape[:2]
        top, edge = int(rng.integers(0, height)), int(rng.integers(0, width))
        noise = self._noise[top : top + height, edge : edge + width]
        return cv2.add(image, noise, dtype=cv2.CV_8U)

    def _camera_noise(self, rng: np.random.Generator) -> Float[ndarray, "h2 w2 3"]:
        shape = (2 * self._camera.height, 2 * self._camera.width, 1)
        noise = self._look.noise * rng.standard_normal(shape, np.float32)
        return np.repeat(noise, 3, axis=-1)
