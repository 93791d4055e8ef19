"""A short cut for gray pictures in colour videos, as infrared cameras record them."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

import av
import cv2
import numpy as np
from jaxtyping import UInt8
from numpy import ndarray

from lp_data.video.rgb import Gray, PixelLayout, RgbConversion, pixels_of

if TYPE_CHECKING:
    from av.video.frame import VideoFrame

_FORMATS = frozenset({"gray", "yuv420p", "yuv422p", "yuv444p", "yuvj420p", "yuvj422p", "yuvj444p"})
_NEUTRAL = 128


class GrayConversion:
    """Converts pictures without colour to one channel, exactly as their RGB would be.

    Where the chroma planes are neutral, red, green and blue are equal and depend on the luma alone,
    so a table of 256 entries replaces the conversion, and one channel is resized instead of three.

    Args:
        table: The gray level of each luma.
        shape: (height, width) of the coded pictures.
    """

    def __init__(self, table: UInt8[ndarray, 256], shape: tuple[int, int]) -> None:
        self._table = table
        self._gray = np.empty(shape, np.uint8)

    @classmethod
    def of_layout(cls, layout: PixelLayout) -> GrayConversion | None:
        """The conversion of pictures of one layout.

        Args:
            layout: See `lp_data.video.rgb.layout_of`.

        Returns:
            The conversion; None where the format has no plain luma, or the conversion to RGB is not
            one of each pixel alone.
        """
        table = _gray_levels(layout)
        return None if table is None else cls(table, layout[:2])

    def __call__(self, frame: VideoFrame) -> Gray | None:
        """The gray levels of ``frame``, in memory that is used again; None if it has colour."""
        luma, *chroma = frame.planes
        for plane in chroma:
            if cv2.minMaxLoc(pixels_of(plane))[:2] != (_NEUTRAL, _NEUTRAL):
                return None
        return cv2.LUT(pixels_of(luma), self._table, dst=self._gray)


@lru_cache(maxsize=32)  # measured once per layout, not each time that a video is opened
def _gray_levels(layout: PixelLayout) -> UInt8[ndarray, 256] | None:
    """Read the gray level of each luma off the RGB of a picture with every luma."""
    height, width, pixels, colours, levels = layout
    if pixels not in _FORMATS:
        return None
    luma = (np.arange(height * width) % 256).astype(np.uint8).reshape(height, width)
    ramp = av.VideoFrame(width, height, pixels)
    ramp.colorspace, ramp.color_range = colours, levels
    for number, plane in enumerate(ramp.planes):
        pixels_of(plane)[:] = _NEUTRAL if number else luma
    picture = RgbConversion(layout)(ramp)
    table = np.zeros(256, np.uint8)
    table[luma] = picture[..., 0]
    if not (picture == table[luma][..., None]).all():
        return None
    table.setflags(write=False)
    return table
