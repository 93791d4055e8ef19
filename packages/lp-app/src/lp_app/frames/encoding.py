"""Frames and images as JPEG."""

from __future__ import annotations

import cv2
import numpy as np
from jaxtyping import UInt8
from numpy import ndarray

from lp_app.errors import AppError
from lp_data.images import interpolation

Picture = UInt8[ndarray, "_height _width 3"]

QUALITY = 90
LABELLING_QUALITY = 95


def jpeg(picture: Picture, width: int | None = None, quality: int = QUALITY) -> bytes:
    """An RGB picture (H, W, 3) as JPEG.

    Args:
        picture: The picture, in frame px.
        width: Shrink it to this width, keeping its shape; a narrower one, or None, changes nothing.
        quality: From 0 to 100.

    Raises:
        AppError: It cannot be encoded.
    """
    height, own = picture.shape[:2]
    if width is not None and width < own:
        size = (max(1, round(height * width / own)), width)
        how = interpolation((height, own), size)
        picture = cv2.resize(picture, size[::-1], interpolation=how)
    swapped = np.ascontiguousarray(picture[..., ::-1])
    done, encoded = cv2.imencode(".jpg", swapped, (cv2.IMWRITE_JPEG_QUALITY, quality))
    if not done:
        raise AppError("the frame cannot be encoded as JPEG")
    return encoded.tobytes()
