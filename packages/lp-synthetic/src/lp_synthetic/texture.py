"""Random textures."""

from __future__ import annotations

import cv2
import numpy as np
from jaxtyping import Float
from numpy import ndarray

_FINEST = 1.5


def fractal_noise(
    rng: np.random.Generator, height: int, width: int, coarsest: float, stretch: float = 1.0
) -> Float[ndarray, "height width"]:
    """Noise with detail at every scale, of mean 0 and mostly within −1 and 1.

    Args:
        rng: Source of the noise.
        height: Height in px.
        width: Width in px.
        coarsest: Size of its largest features in px.
        stretch: How many times as long as high its features are.

    Returns:
        The texture.
    """
    total = np.zeros((height, width), np.float32)
    size, weight = max(coarsest, _FINEST), 1.0
    while size >= _FINEST:
        rows, columns = int(height / size) + 3, int(width / (size * stretch)) + 3
        grid = rng.standard_normal((rows, columns)).astype(np.float32)
        layer = cv2.resize(grid, None, fx=size * stretch, fy=size, interpolation=cv2.INTER_CUBIC)
        total += weight * layer[:height, :width]
        size, weight = size / 2.0, weight * 0.62
    return total / max(2.5 * float(total.std()), 1e-6)


def vignette(height: int, width: int, x: float, y: float) -> Float[ndarray, "height width"]:
    """Brightness of a lamp that shines on (x, y), given from −1 to 1 across the frame."""
    rows = np.linspace(-1.0, 1.0, height, dtype=np.float32)[:, None]
    columns = np.linspace(-1.0, 1.0, width, dtype=np.float32)
    far = (rows - np.float32(y)) ** 2 + (columns - np.float32(x)) ** 2
    return np.float32(0.78) + np.float32(0.34) * np.exp(-far / np.float32(1.4))
