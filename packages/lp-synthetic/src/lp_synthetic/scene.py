"""Render frames: the animals in the arena, with shadow, motion blur, lamp and noise."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import cv2
import numpy as np
from jaxtyping import Bool, Float, Int, Int8, UInt8
from numpy import ndarray

from lp_core.poses import Visibility
from lp_synthetic.backdrop import Backdrop
from lp_synthetic.body import see_body
from lp_synthetic.camera import Camera, box_around
from lp_synthetic.canvas import blurred, sampled
from lp_synthetic.look import Look, marked_looks
from lp_synthetic.painter import Painter, Painting
from lp_synthetic.skeleton import keypoint_joints

_MARGIN = 24.0
_SHARP_WITHIN = 6.0
_BLUR_STEP = 4.0
_MOST_EXPOSURES = 5
_SHADOW = 0.4
_SOLID = 0.5
_NOBODY = -1


@dataclass(frozen=True)
class Notes:
    """What is true of a rendered frame besides where the keypoints are.

    Attributes:
        codes: 0 outside the view, 1 hidden, 2 visible; keypoints as in ``keypoint_names``.
        unguessable: Whether a human could not place the keypoint.
        boxes: x, y, h, w (frame px) and area of each animal's visible mask, and the area that it
            would have if no other animal lay on it.
    """

    codes: Int[ndarray, "animals keypoints"]
    unguessable: Bool[ndarray, "animals keypoints"]
    boxes: Int[ndarray, "animals 6"]


class Frame(NamedTuple):
    """A rendered frame.

    Attributes:
        image: RGB.
        owner: The animal that each pixel shows, -1 where it shows none: the instance masks.
        notes: What is true of it.
    """

    image: UInt8[ndarray, "h w 3"]
    owner: Int8[ndarray, "h w"]
    notes: Notes


class Scene:
    """The arena and the animals of one session, alike or marked, ready to be photographed."""

    def __init__(
        self, camera: Camera, look: Look, rng: np.random.Generator, animals: int, *, marked: bool
    ) -> None:
        self._camera = camera
        self._look = look
        self._backdrop = Backdrop(camera, look, rng)
        looks = marked_looks(look, animals) if marked else [look]
        self._painters = [Painter(camera, own, rng) for own in looks] * (1 if marked else animals)
        noise_shape = (2 * camera.height, 2 * camera.width, 1)
        noise = look.noise * rng.standard_normal(noise_shape, np.float32)
        self._noise = np.repeat(noise, 3, axis=-1)
        cover = self._backdrop.cover.ravel()
        self._post_pixels = np.flatnonzero(cover)
        share = cover[self._post_pixels, None].astype(np.float32) * np.float32(1 / 255)
        self._post_keep = 1 - share
        self._post_colour = share * self._backdrop.cover_colour.reshape(-1, 3)[self._post_pixels]
        warmth = np.array([1.0 + look.warmth, 1.0, 1.0 - look.warmth], np.float32)
        self._lamps = [lamp[..., None] * warmth for lamp in self._backdrop.lamps]

    def photograph(
        self,
        poses: Float[ndarray, "animals 3 joints 3"],
        order: Sequence[int],
        slid: Float[ndarray, " 2"],
        lamp: Sequence[float],
        rng: np.random.Generator,
    ) -> Frame:
        """Render one frame.

        Args:
            poses: World joints in the frame before, in this one and in the one after.
            order: The animals from the lowest to the uppermost.
            slid: How far the floor has moved in the world (x, y).
            lamp: Place of the lamp, 0 to 1, and its brightness.
            rng: Source of the camera's noise.
        """
        image = self._backdrop.behind(slid)
        keypoints = self._camera.project(poses[:, 1, keypoint_joints()])[0]
        hidden = np.zeros(keypoints.shape[:3], bool)
        owner = np.full(image.shape[:2], _NOBODY, np.int8)
        areas = np.zeros(len(poses), int)
        for animal in order:
            exposures = self._exposures(poses[animal])
            body = see_body(self._camera, exposures, self._look.size)
            joints = self._camera.project(exposures)[0]
            for view, panel in enumerate(self._camera.panels):
                around = box_around(joints[:, :, view].reshape(-1, 2), _MARGIN * self._camera.scale)
                box = around.clipped(panel)
                if box.empty:
                    continue
                paint, count = self._painters[animal].paint, len(exposures)
                shots = [paint(body, exposure, view, box) for exposure in range(count)]
                middle = shots[count // 2]
                hidden[animal, :, view] = middle.hides(keypoints[animal, :, view])
                solid = middle.alpha > _SOLID
                owner[box.slices()][solid] = animal
                areas[animal] += np.count_nonzero(solid)
                self._compose(image, shots, view)
        pixels = image.reshape(-1, 3)
        pixels[self._post_pixels] *= self._post_keep
        pixels[self._post_pixels] += self._post_colour
        owner[self._backdrop.cover > 127] = _NOBODY
        covered, unguessable = self._covered(keypoints, owner, order)
        codes = np.where(hidden | covered, Visibility.OCCLUDED, Visibility.VISIBLE)
        for view, panel in enumerate(self._camera.panels):
            codes[:, :, view][~panel.holds(keypoints[:, :, view])] = Visibility.UNLABELED
        codes, unguessable = (
            array.swapaxes(1, 2).reshape(len(poses), -1) for array in (codes, unguessable)
        )
        notes = Notes(codes, unguessable, _boxes(owner, areas))
        return Frame(self._expose(image, lamp, rng), owner, notes)

    def _covered(
        self,
        keypoints: Float[ndarray, "animals keypoints views 2"],
        owner: Int8[ndarray, "h w"],
        order: Sequence[int],
    ) -> tuple[ndarray, ndarray]:
        """Whether something else hides each keypoint, and does so too deeply to be guessed."""
        depth = self._backdrop.depth_at(keypoints)
        height = np.full(len(order) + 1, -1)  # the last one is that of nobody
        height[list(order)] = range(len(order))
        heights = height[owner]
        for animal in order[:-1]:
            above = (heights > height[animal]).view(np.uint8)
            if sampled(above, keypoints[animal]).any():
                below = sampled(cv2.distanceTransform(above, cv2.DIST_L2, 3), keypoints[animal])
                depth[animal] = np.maximum(depth[animal], below)
        return depth > 0, depth > max(1.0, self._camera.guessed * self._camera.scale)

    def _exposures(
        self, poses: Float[ndarray, "3 joints 3"]
    ) -> Float[ndarray, "exposures joints 3"]:
        """Poses while the shutter is open, on a parabola through the three frames."""
        before, now, after = poses
        travel = self._look.shutter * self._camera.scale * np.abs(after - before).max() / 2.0
        if travel < _SHARP_WITHIN:
            return poses[1:2]
        count = min(_MOST_EXPOSURES, 2 * round(travel / (2 * _BLUR_STEP)) + 1)
        t = np.linspace(-0.5, 0.5, count)[:, None, None] * self._look.shutter
        return now + 0.5 * t * (after - before) + 0.5 * t * t * (after - 2.0 * now + before)

    def _compose(self, image: Float[ndarray, "h w 3"], shots: list[Painting], view: int) -> None:
        """Lay the mean of all exposures, and its shadow, on the picture."""
        area = image[shots[0].box.slices()]
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
        x, y = (-10.0 * scale * direction for direction in self._look.lamp)
        shift = np.array([[1.0, 0.0, x], [0.0, 1.0, y]])
        moved = cv2.warpAffine(alpha, shift, alpha.shape[::-1], flags=cv2.INTER_NEAREST)
        return blurred(moved, 9 * scale)

    def _expose(
        self, image: Float[ndarray, "h w 3"], lamp: Sequence[float], rng: np.random.Generator
    ) -> UInt8[ndarray, "h w 3"]:
        """Light the scene, add the camera's noise, and round to 8 bits."""
        place, brightness = lamp
        left, right = self._lamps
        image *= cv2.addWeighted(left, (1 - place) * brightness, right, place * brightness, 0.0)
        height, width = image.shape[:2]
        top, edge = int(rng.integers(0, height)), int(rng.integers(0, width))
        noise = self._noise[top : top + height, edge : edge + width]
        return cv2.add(image, noise, dtype=cv2.CV_8U)


def _boxes(owner: Int8[ndarray, "h w"], areas: Int[ndarray, " animals"]) -> Int[ndarray, "a 6"]:
    """See `Notes`."""
    boxes = []
    for animal, whole in enumerate(areas.tolist()):
        mask = (owner == animal).view(np.uint8)
        x, y, width, height = cv2.boundingRect(mask)
        boxes.append([x, y, height, width, cv2.countNonZero(mask), whole])
    return np.array(boxes)
