"""How much two pictures look alike, by small grey thumbnails."""

from __future__ import annotations

import cv2
import numpy as np
from jaxtyping import Float, UInt8
from numpy import ndarray

Thumbnail = Float[ndarray, "side side"]

_SIDE = 32


def thumbnail(picture: UInt8[ndarray, "height width 3"]) -> Thumbnail:
    """A small grey picture with mean 0 and standard deviation 1.

    So neither a camera's noise nor another rendering of brightness and contrast counts.

    Args:
        picture: (H, W, 3) RGB.
    """
    grey = cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY)
    small = cv2.resize(grey, (_SIDE, _SIDE), interpolation=cv2.INTER_AREA).astype(np.float64)
    return (small - small.mean()) / max(float(small.std()), 1.0)


def unlikeness(one: Thumbnail, other: Thumbnail) -> float:
    """Mean absolute difference of two thumbnails: 0 for the same picture."""
    return float(np.abs(one - other).mean())
