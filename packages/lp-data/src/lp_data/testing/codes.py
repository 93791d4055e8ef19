"""Pictures that carry their own number."""

from __future__ import annotations

import numpy as np
from jaxtyping import UInt8
from numpy import ndarray

from lp_core.video import Frames

Picture = UInt8[ndarray, "height width 3"]

_ROWS, _COLUMNS = 3, 4
CODES = 2 ** (_ROWS * _COLUMNS)
"""How many different numbers a picture can carry."""
_ON, _OFF = np.array([255, 220, 120], np.uint8), np.array([30, 20, 60], np.uint8)


def draw_code(number: int, height: int, width: int) -> Picture:
    """A picture of light and dark blocks that spell ``number`` in binary, as RGB.

    Args:
        number: 0 to ``CODES - 1``.
        height: In pixels; blocks should be no smaller than a codec's transform, say 8 px.
        width: In pixels.
    """
    bits = (number >> np.arange(_ROWS * _COLUMNS)) & 1
    rows = np.arange(height) * _ROWS // height
    columns = np.arange(width) * _COLUMNS // width
    blocks = bits.reshape(_ROWS, _COLUMNS)[rows][:, columns]
    return np.where(blocks[..., None] == 1, _ON, _OFF)


def read_codes(frames: Frames) -> list[int]:
    """The numbers that ``frames`` carry, whatever their size, colour or compression."""
    count, height, width, _ = frames.shape
    gray = frames.astype(np.float32).mean(axis=3)
    rows = ((np.arange(_ROWS) + 0.5) * height / _ROWS).astype(int)
    columns = ((np.arange(_COLUMNS) + 0.5) * width / _COLUMNS).astype(int)
    bits = gray[:, rows][:, :, columns].reshape(count, _ROWS * _COLUMNS) > 128
    return [int(n) for n in bits @ (1 << np.arange(_ROWS * _COLUMNS))]
