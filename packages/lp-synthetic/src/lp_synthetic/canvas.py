"""A small picture of solid parts, painted from the farthest to the nearest."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import cv2
import numpy as np
from jaxtyping import Bool, Float, UInt8
from numpy import ndarray

from lp_synthetic.body import SeenPart
from lp_synthetic.camera import Box, box_around
from lp_synthetic.drawing import Points, Radii, Shape, discs
from lp_synthetic.look import Colour


@dataclass(frozen=True)
class Trace:
    """Where a painted part covers the frame: coverage 0 to 255 of the pixels of a box."""

    name: str
    box: Box
    mask: UInt8[ndarray, "h w"]

    def covers(self, points: Float[ndarray, "n 2"]) -> Bool[ndarray, " n"]:
        """Whether the part covers each point (frame px)."""
        return sampled(self.mask, points - self.box.origin) > 127


class Canvas:
    """What has been painted so far within a box of the frame.

    Attributes:
        box: The box.
        colour: Colour times coverage.
        alpha: Coverage, 0 to 255.
        relief: Height above the picture plane in px, for the light to fall on.
    """

    def __init__(self, box: Box) -> None:
        self.box = box
        self.colour = np.zeros((*box.shape, 3), np.uint8)
        self.alpha = np.zeros(box.shape, np.uint8)
        self.relief = np.zeros(box.shape, np.float32)

    def paint(
        self,
        name: str,
        part: SeenPart,
        colour: Colour,
        *,
        outline: Callable[[Points, Radii], Shape],
        on_top: bool = False,
    ) -> Trace | None:
        """Paint a part, made of ``discs`` or a ``strip``, over what is there.

        Its roundness adds to that of what it grows from where it is ``on_top``. Returns what it
        covers; None where it lies outside the canvas.
        """
        radius = float(part.radii.max())
        box = box_around(part.centres, radius + 2.0).clipped(self.box)
        if box.empty:
            return None
        mask, area = np.zeros(box.shape, np.uint8), box.slices(*self.box[:2])
        shape = outline(part.centres - box.origin, part.radii)
        shape.fill(mask, 255)
        shape.fill(self.colour[area], colour)
        cv2.max(self.alpha[area], mask, self.alpha[area])
        solid, relief = mask > 127, self.relief[area]
        swell = roundness(solid, radius)
        if on_top:
            np.maximum(swell, relief + 0.4 * swell, out=swell)
        np.copyto(relief, swell, where=solid)
        return Trace(name, box, mask)

    def spot(self, part: SeenPart, colour: Colour) -> None:
        """Draw flat discs on what is there, such as eyes."""
        discs(part.centres - self.box.origin, part.radii).fill(self.colour, colour)

    def tint(self, part: SeenPart, colour: Colour, softness: float, within: Trace) -> None:
        """Blend a colour softly into a part, leaving coverage and height alone."""
        mask = np.zeros(within.box.shape, np.uint8)
        discs(part.centres - within.box.origin, part.radii).fill(mask, 255)
        mask = cv2.multiply(blurred(mask, softness * 2.4), within.mask, scale=1 / 255)
        area = self.colour[within.box.slices(*self.box[:2])]
        share = cv2.merge([mask, mask, mask])
        flat = np.empty_like(area)
        flat[:] = np.rint(colour)
        fresh = cv2.multiply(flat, share, scale=1 / 255)
        area[:] = cv2.add(cv2.multiply(area, cv2.bitwise_not(share), scale=1 / 255), fresh)


def roundness(solid: Bool[ndarray, "h w"], radius: float) -> Float[ndarray, "h w"]:
    """Height of a round body above its rim, from each pixel's distance to the rim, in px."""
    distance = cv2.distanceTransform(solid.view(np.uint8), cv2.DIST_L2, 3)
    inward = np.minimum(distance * np.float32(1.0 / max(radius, 1.0)), np.float32(1.0))
    return np.float32(radius) * np.sqrt(inward * (np.float32(2.0) - inward))


def blurred(image: ndarray, side: float) -> ndarray:
    """Two box filters of ``side`` px, which are nearly a Gaussian and much quicker."""
    side = max(1, round(side)) | 1
    return cv2.blur(cv2.blur(image, (side, side)), (side, side))


def sampled(image: ndarray, points: Float[ndarray, "*batch 2"]) -> Float[ndarray, "*batch"]:
    """The pixels of a picture (h, w) that points (its px) lie in; 0 outside of it."""
    x, y = np.moveaxis(np.rint(points).astype(int), -1, 0)
    within = (x >= 0) & (y >= 0) & (x < image.shape[1]) & (y < image.shape[0])
    values = np.zeros(x.shape)
    values[within] = image[y[within], x[within]]
    return values
