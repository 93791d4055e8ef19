"""Effects on brightness and contrast, and noise that depends on brightness."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cache
from statistics import NormalDist
from typing import Annotated

import cv2
import numpy as np
from jaxtyping import Float32
from numpy import ndarray

from lp_data.augmentation.effect import Frames, PhotometricEffect, each_channel, each_frame
from lp_data.augmentation.values import Value, bounds, draw, within

MIDDLE_GRAY = 127.5


@dataclass(frozen=True, kw_only=True)
class HistogramEqualization(PhotometricEffect):
    """Spread the gray values of each channel evenly over 0 to 255."""

    def apply(self, images: Frames, rng: np.random.Generator) -> Frames:
        """Equalise each channel of each frame; nothing is drawn."""
        return each_channel(images, cv2.equalizeHist)


@dataclass(frozen=True, kw_only=True)
class CLAHE(PhotometricEffect):
    """Contrast-limited adaptive histogram equalisation of each channel (Zuiderveld, 1994).

    Args:
        clip_limit: How far contrast may be raised.
        tiles: Number of tiles along each axis.
    """

    clip_limit: Annotated[Value, within(0)] = (0.1, 8.0)
    tiles: Annotated[Value, within(1, 64)] = (3, 12)

    def apply(self, images: Frames, rng: np.random.Generator) -> Frames:
        """Equalise each channel of each frame with the same limit and tiles."""
        low, high = bounds(self.tiles)
        tiles = int(rng.integers(int(low), int(high) + 1))
        equalizer = cv2.createCLAHE(draw(self.clip_limit, rng), (tiles, tiles))
        return each_channel(images, equalizer.apply)


@dataclass(frozen=True, kw_only=True)
class BrightnessContrast(PhotometricEffect):
    """Stretch gray values about middle gray by the contrast, then multiply by the brightness.

    Args:
        brightness: Factor.
        contrast: Factor.
    """

    brightness: Annotated[Value, within(0)] = (0.75, 1.25)
    contrast: Annotated[Value, within(0)] = (0.75, 1.25)

    def apply(self, images: Frames, rng: np.random.Generator) -> Frames:
        """Change all frames by the same two factors."""
        brightness, contrast = draw(self.brightness, rng), draw(self.contrast, rng)
        levels = brightness * (MIDDLE_GRAY + contrast * (np.arange(256) - MIDDLE_GRAY))
        table = np.rint(levels.clip(0, 255)).astype(np.uint8)
        return each_frame(images, lambda frame: cv2.LUT(frame, table))


@dataclass(frozen=True, kw_only=True)
class ShotNoise(PhotometricEffect):
    """The noise of few photons: a value v becomes f · Poisson(v / f), alike in all channels.

    A Poisson variable is drawn through its square root, which is nearly normal with standard
    deviation 1/2 whatever its mean (Anscombe, 1948).

    Args:
        factor: f, gray levels per photon.
    """

    factor: Annotated[Value, within(0, 255)] = (0.0, 10.0)

    def apply(self, images: Frames, rng: np.random.Generator) -> Frames:
        """Add noise of its own to each frame, with the same factor."""
        factor = draw(self.factor, rng)
        roots = np.sqrt(np.arange(256, dtype=np.float32))
        errors = _normal_quantiles() * np.float32(math.sqrt(factor) / 2)

        def noisy(frame: ndarray) -> ndarray:
            height, width, channels = frame.shape
            drawn = np.frombuffer(rng.bytes(height * width), np.uint8).reshape(height, width)
            error = cv2.LUT(drawn, errors)
            if channels == 3:
                error = cv2.cvtColor(error, cv2.COLOR_GRAY2RGB)
            root = cv2.add(cv2.LUT(frame, roots), error)
            # the square of a noisy root is a quarter of f too large on average
            photons = cv2.multiply(root, root)
            return np.asarray(cv2.add(photons, (-factor / 4,) * 4, dtype=cv2.CV_8U))

        return each_frame(images, noisy)


@cache
def _normal_quantiles() -> Float32[ndarray, " 256"]:
    """256 values, each as likely, that stand for a normal variable of variance 1."""
    normal = NormalDist()
    quantiles = np.array([normal.inv_cdf((index + 0.5) / 256) for index in range(256)])
    return np.asarray(quantiles / quantiles.std(), dtype=np.float32)
