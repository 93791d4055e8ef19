"""Discs, strips and look-alike blobs, placed to a sixteenth of a pixel, and random textures."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from jaxtyping import Float, UInt8
from numpy import ndarray

from lp_synthetic.look import Colour

_SHIFT = 4
_FINEST = 1.5

Image = UInt8[ndarray, "h w"] | UInt8[ndarray, "h w 3"]
Points = Float[ndarray, "n 2"]
Radii = Float[ndarray, " n"]


@dataclass(frozen=True)
class Shape:
    """Discs and polygons in fixed-point coordinates, to be filled in several pictures.

    Attributes:
        polygons: Corners (x, y).
        discs: Centres (x, y) and radii.
    """

    polygons: list[ndarray]
    discs: list[tuple[list[int], int]]

    def fill(self, image: Image, colour: Colour | int) -> None:
        """Fill the shape, anti-aliased, with a colour or a grey level."""
        if self.polygons:
            cv2.fillPoly(image, self.polygons, colour, cv2.LINE_AA, _SHIFT)
        for centre, radius in self.discs:
            cv2.circle(image, centre, radius, colour, -1, cv2.LINE_AA, _SHIFT)


def discs(centres: Points, radii: Radii) -> Shape:
    """Discs around pixels (x, y), of radii in px."""
    sizes = np.rint(radii * (1 << _SHIFT)).astype(int).tolist()
    return Shape([], list(zip(_fixed_point(centres).tolist(), sizes, strict=True)))


def strip(centres: Points, radii: Radii, every: int = 0) -> Shape:
    """A tapered strip with round ends along a centre line of pixels (x, y).

    Where it may be seen end-on, it also has a disc at ``every`` so many points.
    """
    along = np.empty_like(centres)
    along[1:-1] = centres[2:] - centres[:-2]
    along[0], along[-1] = centres[1] - centres[0], centres[-1] - centres[-2]
    length = np.sqrt((along * along).sum(axis=-1))
    across = along[:, ::-1] * np.array([-1.0, 1.0]) * (radii / np.maximum(length, 1e-6))[:, None]
    outline = np.concatenate([centres + across, (centres - across)[::-1]])
    chosen = [0, *(range(every, len(centres) - 1, every) if every else ()), -1]
    return Shape([_fixed_point(outline)], discs(centres[chosen], radii[chosen]).discs)


def blob(rng: np.random.Generator, scale: float, number: int, place: Float[ndarray, " 2"]) -> Shape:
    """What may be taken for a paw (even numbers) or a tail (odd ones), around a pixel (x, y)."""
    if number % 2:
        along = np.linspace(0.0, 1.0, 12)
        bend = rng.uniform(0, 2 * np.pi) + rng.uniform(-1.2, 1.2) * along
        centres = np.cumsum(np.stack([np.cos(bend), np.sin(bend)], axis=-1) * 4.0, axis=0)
        centres = (centres - centres.mean(axis=0)) * scale
        return strip(centres + place, np.linspace(2.4, 1.0, 12) * scale)
    spread = rng.uniform(0, 2 * np.pi) + np.array([-0.6, 0.0, 0.6])
    toes = np.stack([np.cos(spread), np.sin(spread)], axis=-1) * 5.0
    centres = np.concatenate([np.zeros((1, 2)), toes])
    return discs(centres * scale + place, np.array([3.6, 1.7, 1.9, 1.7]) * scale)


def fractal_noise(
    rng: np.random.Generator, height: int, width: int, coarsest: float, stretch: float = 1.0
) -> Float[ndarray, "height width"]:
    """Noise with detail at every scale up to ``coarsest`` px, mostly within −1 and 1.

    Its features are ``stretch`` times as long as high.
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


def _fixed_point(points: Points) -> ndarray:
    return np.rint(points * (1 << _SHIFT)).astype(np.int32)
