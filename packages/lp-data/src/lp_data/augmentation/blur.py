"""Blur, and the relief that Emboss adds."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Annotated

import cv2
import numpy as np
from jaxtyping import Float32
from numpy import ndarray

from lp_data.augmentation.effect import Frames, PhotometricEffect, each_frame
from lp_data.augmentation.values import Number, Odd, Value, draw, within


@dataclass(frozen=True, kw_only=True)
class MotionBlur(PhotometricEffect):
    """The blur of a camera or an animal that moves evenly along a line.

    The kernel is symmetric, so that what is at a keypoint stays at the keypoint.

    Args:
        size: Length of the line and side of the kernel in px, odd.
        angle: Direction of the line in degrees, 0 along x.
    """

    size: Odd = 5
    angle: Value = (-90.0, 90.0)

    def apply(self, images: Frames, rng: np.random.Generator) -> Frames:
        """Blur all frames along one line."""
        kernel = line_kernel(self.size, draw(self.angle, rng))
        return each_frame(images, lambda frame: cv2.filter2D(frame, -1, kernel))


def line_kernel(size: int, degrees: Number) -> Float32[ndarray, "size size"]:
    """A line through the middle of a kernel, smooth at its edges; symmetric, with sum 1."""
    half = size // 2
    cos, sin = math.cos(math.radians(degrees)), math.sin(math.radians(degrees))
    offsets = np.arange(-half, half + 1)
    along = np.abs(offsets * cos + offsets[:, None] * sin)
    across = np.abs(offsets[:, None] * cos - offsets * sin)
    weights = np.maximum(1 - across, 0) * np.clip(half + 1 - along, 0, 1)
    return np.asarray(weights / weights.sum(), dtype=np.float32)


@dataclass(frozen=True, kw_only=True)
class Emboss(PhotometricEffect):
    """A relief lit from the top left, mixed into the image.

    Args:
        alpha: Share of the relief in the mixture, from 0 to 1.
        strength: How deep the relief is.
    """

    alpha: Annotated[Value, within(0, 1)] = (0.0, 0.5)
    strength: Annotated[Value, within(0)] = (0.5, 1.5)

    def apply(self, images: Frames, rng: np.random.Generator) -> Frames:
        """Mix all frames with their reliefs."""
        kernel = relief_kernel(draw(self.alpha, rng), draw(self.strength, rng))
        return each_frame(images, lambda frame: cv2.filter2D(frame, -1, kernel))


def relief_kernel(alpha: Number, strength: Number) -> Float32[ndarray, "3 3"]:
    """The mixture of the identity and a relief, with sum 1."""
    near, far = strength, 1 + strength
    relief = np.array([[-far, -near, 0], [-near, 1, near], [0, near, far]])
    untouched = np.array([[0, 0, 0], [0, 1, 0], [0, 0, 0]])
    return np.asarray((1 - alpha) * untouched + alpha * relief, dtype=np.float32)
