"""A small picture of solid parts, painted from the farthest to the nearest."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import cv2
import numpy as np
from jaxtyping import Bool, Float, UInt8
from numpy import ndarray

from lp_synthetic.body import SeenPart
from lp_synthetic.camera import Box, box_around
from lp_synthetic.drawing import Points, Radii, Shape, draw_discs
from lp_synthetic.look import Colour


@dataclass(frozen=True)
class Trace:
    """Where a painted part covers the frame: coverage 0 to 255 of the pixels of a box."""

    name: str
    box: Box
    mask: UInt8[ndarray, "h w"]

    def covers(self, points: Float[ndarray, "n 2"]) -> Bool[ndarray, " n"]:
        """Whether the part covers each point (frame px)."""
        height, width = self.box.shape
        x, y = np.rint(points - self.box.origin).astype(int).T
        inside = (x >= 0) & (y >= 0) & (x < width) & (y < height)
        covered = np.zeros(len(points), bool)
        covered[inside] = self.mask[y[inside], x[inside]] > 127
        return covered


@dataclass
class Canvas:
    """What has been painted so far within a box of the frame.

    Attributes:
        box: The box.
        colour: Colour times coverage.
        alpha: Coverage, 0 to 255.
        relief: Height above the picture plane in px, for the light to fall on.
    """

    box: Box
    colour: UInt8[ndarray, "h w 3"] = field(init=False)
    alpha: UInt8[ndarray, "h w"] = field(init=False)
    relief: Float[ndarray, "h w"] = field(init=False)

    def __post_init__(self) -> None:
        self.colour = np.zeros((*self.box.shape, 3), np.uint8)
        self.alpha = np.zeros(self.box.shape, np.uint8)
        self.relief = np.zeros(self.box.shape, np.float32)

    def paint(
        self,
        name: str,
        part: SeenPart,
        colour: Colour,
        *,
        outline: Callable[[Points, Radii], Shape],
        on_top: bool = False,
    ) -> Trace | None:
        """Paint a part over what is there.

        Args:
            name: Name of the part.
            part: Its balls, or its centre line.
            colour: Its colour.
            outline: Whether it is made of ``discs`` or a ``strip``.
            on_top: Whether its roundness adds to that of what it grows from.

        Returns:
            What it covers; None where it lies outside the canvas.
        """
        box = box_around(part.centres, float(part.radii.max()) + 2.0).clipped(self.box)
        if box.empty:
            return None
        mask = np.zeros(box.shape, np.uint8)
        rows, columns = box.inside(self.box)
        shape = outline(part.centres - box.origin, part.radii)
        shape.fill(mask, 255)
        shape.fill(self.colour[rows, columns], colour)
        cv2.max(self.alpha[rows, columns], mask, self.alpha[rows, columns])
        self._raise(box, mask, float(part.radii.max()), on_top=on_top)
        return Trace(name, box, mask)

    def spot(self, part: SeenPart, colour: Colour) -> None:
        """Draw flat discs on what is there, such as eyes."""
        draw_discs(self.colour, part.centres - self.box.origin, part.radii, colour)

    def tint(self, part: SeenPart, colour: Colour, softness: float, within: Trace) -> None:
        """Blend a colour softly into a part, leaving coverage and height alone."""
        mask = np.zeros(within.box.shape, np.uint8)
        draw_discs(mask, part.centres - within.box.origin, part.radii, 255)
        mask = cv2.multiply(_soften(mask, softness), within.mask, scale=1 / 255)
        area = self.colour[within.box.inside(self.box)]
        share = cv2.merge([mask, mask, mask])
        flat = np.empty_like(area)
        flat[:] = np.rint(colour)
        fresh = cv2.multiply(flat, share, scale=1 / 255)
        area[:] = cv2.add(cv2.multiply(area, cv2.bitwise_not(share), scale=1 / 255), fresh)

    def _raise(self, box: Box, mask: UInt8[ndarray, "h w"], radius: float, *, on_top: bool) -> None:
        """Give the part its roundness: on top of what it grows from, or instead of it."""
        relief = self.relief[box.inside(self.box)]
        solid = mask > 127
        swell = roundness(solid, radius)
        if on_top:
            np.maximum(swell, relief + 0.4 * swell, out=swell)
        np.copyto(relief, swell, where=solid)


def roundness(solid: Bool[ndarray, "h w"], radius: float) -> Float[ndarray, "h w"]:
    """Height of a round body above its rim, from each pixel's distance to the rim, in px."""
    distance = cv2.distanceTransform(solid.view(np.uint8), cv2.DIST_L2, 3)
    inward = np.minimum(distance * np.float32(1.0 / max(radius, 1.0)), np.float32(1.0))
    return np.float32(radius) * np.sqrt(inward * (np.float32(2.0) - inward))


def _soften(mask: UInt8[ndarray, "h w"], sigma: float) -> UInt8[ndarray, "h w"]:
    """Two box filters, which are nearly a Gaussian of ``sigma`` px and much quicker."""
    side = max(1, round(sigma * 2.4)) | 1
    return cv2.blur(cv2.blur(mask, (side, side)), (side, side))
