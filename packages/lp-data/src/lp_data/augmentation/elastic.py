"""Elastic deformation: a smooth random field of small shifts."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Annotated

import cv2
import numpy as np
from jaxtyping import Float32
from numpy import ndarray

from lp_data.augmentation.effect import ShiftField, WarpEffect
from lp_data.augmentation.values import Value, draw, within

SIGMA_IN_NODES = 1.25
"""A Gaussian of at least this width loses next to nothing by being sampled."""


@dataclass(frozen=True, kw_only=True)
class ElasticDeformation(WarpEffect):
    """Simard, Steinkraus and Platt (2003): uniform noise from -1 to 1, blurred, times a strength.

    The noise is drawn and blurred on coarse nodes, with the variance that the full grid would
    have, and is bilinear in between: the same statistics for a sixteenth of the work at sigma 5.

    Args:
        alpha: Strength; the shifts' standard deviation is alpha / (sigma √(12 π)) px, 0.33 px at
            alpha 10, sigma 5.
        sigma: Standard deviation of the blur in model px.
    """

    alpha: Annotated[Value, within(0)] = (0.0, 10.0)
    sigma: Annotated[Value, within(0.5, 1000)] = 5.0

    def field(self, size: tuple[int, int], rng: np.random.Generator) -> ShiftField:
        """Draw a strength, a width and a field."""
        alpha, sigma = draw(self.alpha, rng), draw(self.sigma, rng)
        step = max(1, int(sigma / SIGMA_IN_NODES))
        nodes = (math.ceil(size[0] / step), math.ceil(size[1] / step))
        shifts = smooth_noise(nodes, sigma / step, rng)
        shifts *= np.float32(alpha / (sigma * math.sqrt(12 * math.pi)))
        return ShiftField(shifts, step)


def smooth_noise(
    size: tuple[int, int], sigma: float, rng: np.random.Generator
) -> Float32[ndarray, "rows columns 2"]:
    """Blurred white noise (rows, columns, 2): two fields with mean 0 and variance 1 everywhere.

    Args:
        size: (rows, columns) of nodes.
        sigma: Standard deviation of the Gaussian blur in nodes.
        rng: The only source of randomness.
    """
    margin = math.ceil(3 * sigma)
    rows, columns = size[0] + 2 * margin, size[1] + 2 * margin
    noise = np.frombuffer(rng.bytes(rows * columns * 2), np.uint8).reshape(rows, columns, 2)
    kernel = cv2.getGaussianKernel(2 * margin + 1, sigma, cv2.CV_32F)
    blurred = cv2.sepFilter2D(noise, cv2.CV_32F, kernel, kernel)
    # the standard deviation of uniform bytes, times what the blur in both directions leaves of it
    deviation = math.sqrt((256**2 - 1) / 12) * float(np.square(kernel).sum())
    inner = blurred[margin : margin + size[0], margin : margin + size[1]]
    return np.asarray((inner - np.float32(127.5)) * np.float32(1 / deviation))
