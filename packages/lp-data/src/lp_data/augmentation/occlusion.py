"""Effects that hide parts of the image: squares of black, of bright and of dark noise."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from typing import Annotated, ClassVar

import cv2
import numpy as np
from jaxtyping import UInt8
from numpy import ndarray

from lp_data.augmentation.effect import Frames, PhotometricEffect, as_rgb, each_frame
from lp_data.augmentation.values import Share, Value, draw, within


def _coarse_size(size: tuple[int, int], resolution: float) -> tuple[int, int]:
    """(height, width) of a grid with ``resolution`` cells per px, at least 1 × 1."""
    return max(1, round(size[0] * resolution)), max(1, round(size[1] * resolution))


@dataclass(frozen=True, kw_only=True)
class _Coarse(PhotometricEffect):
    """An effect on a coarse grid of cells.

    Args:
        fraction: Share of the cells that are hit.
        resolution: Cells per px: 0.05 gives squares of 20 px.
    """

    fraction: Annotated[Value, within(0, 1)] = 0.01
    resolution: Annotated[Value, within(0.001, 1)] = (0.05, 0.1)


@dataclass(frozen=True, kw_only=True)
class CoarseDropout(_Coarse):
    """Cells of a coarse grid turn black.

    Args:
        per_channel: How often, from 0 to 1, each colour channel loses cells of its own.
    """

    fraction: Annotated[Value, within(0, 1)] = 0.02
    resolution: Annotated[Value, within(0.001, 1)] = 0.3
    per_channel: Share = 0.5

    def apply(self, images: Frames, rng: np.random.Generator) -> Frames:
        """Black out the same cells in all frames."""
        size = images.shape[1:3]
        coarse = _coarse_size(size, draw(self.resolution, rng))
        own = rng.random() < self.per_channel
        drawn = rng.random((*coarse, 3 if own else 1), dtype=np.float32)
        kept = (drawn >= draw(self.fraction, rng)) * np.uint8(255)
        if own:
            images = as_rgb(images)
        elif images.shape[-1] == 3:
            kept = cv2.cvtColor(kept, cv2.COLOR_GRAY2RGB)
        mask = cv2.resize(kept, size[::-1], interpolation=cv2.INTER_NEAREST)
        return each_frame(images, lambda frame: cv2.bitwise_and(frame, mask))


@dataclass(frozen=True, kw_only=True)
class _CoarseNoise(_Coarse):
    """Cells of a coarse grid fill with noise, far from middle gray."""

    bright: ClassVar[bool]

    def apply(self, images: Frames, rng: np.random.Generator) -> Frames:
        """Fill the same cells of all frames with the same noise."""
        changed = images.copy()
        for rows, columns in self._cells(images.shape[1:3], rng):
            block = changed[:, rows, columns]
            size = block.shape[1:3]
            drawn = np.frombuffer(rng.bytes(math.prod(size)), np.uint8)
            distances = _distances_from_gray()[drawn].reshape(*size, 1)
            block[...] = 128 + distances if self.bright else 127 - distances
        return changed

    def _cells(
        self, size: tuple[int, ...], rng: np.random.Generator
    ) -> Iterator[tuple[slice, slice]]:
        """Rows and columns of the cells that are hit."""
        height, width = size
        rows, columns = _coarse_size((height, width), draw(self.resolution, rng))
        hit = rng.random((rows, columns), dtype=np.float32) < draw(self.fraction, rng)
        for row, column in np.argwhere(hit).tolist():
            yield (
                slice(row * height // rows, (row + 1) * height // rows),
                slice(column * width // columns, (column + 1) * width // columns),
            )


@cache
def _distances_from_gray() -> UInt8[ndarray, " 256"]:
    """Distances from middle gray, 0 to 127, of a Beta(1/2, 1/2) variable at 256 even quantiles."""
    quantiles = (np.arange(256) + 0.5) / 256
    return np.asarray(np.rint(127 * np.abs(np.cos(np.pi * quantiles))), dtype=np.uint8)


@dataclass(frozen=True, kw_only=True)
class CoarseSalt(_CoarseNoise):
    """Cells of a coarse grid fill with bright noise, like reflections, mostly near white."""

    bright = True


@dataclass(frozen=True, kw_only=True)
class CoarsePepper(_CoarseNoise):
    """Cells of a coarse grid fill with dark noise, like dirt, mostly near black."""

    bright = False
