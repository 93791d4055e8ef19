"""From decoded pictures of any pixel format to upright, resized RGB."""

from __future__ import annotations

from typing import TYPE_CHECKING

import cv2
import numpy as np
from jaxtyping import UInt8
from numpy import ndarray

from lp_data.errors import VideoError
from lp_data.images import interpolation
from lp_data.video.gray import GrayConversion
from lp_data.video.orientation import Orientation
from lp_data.video.rgb import Picture, PixelLayout, RgbConversion, layout_of

if TYPE_CHECKING:
    from av.video.frame import VideoFrame


class Converter:
    """Turns the decoded frames of one video into RGB pixels.

    Sizes are changed as those of training images are, by the way that ``lp_data.images`` chooses.

    Args:
        first: A frame of the video; its size and orientation are those of all.
        resize_to: (height, width) of the output, or None for the frame's own.
        size: (height, width) of the video's frames as displayed, where it is known.

    Raises:
        VideoError: The video's metadata asks for an odd angle, or ``first`` has another size than
            ``size``.
    """

    def __init__(
        self,
        first: VideoFrame,
        resize_to: tuple[int, int] | None,
        size: tuple[int, int] | None = None,
    ) -> None:
        self._orientation = Orientation.of(first)
        self.size = self._orientation.size(first.height, first.width)
        if size is not None and size != self.size:
            raise _another_size(size, self.size)
        self._target = resize_to or self.size
        self._method = interpolation(self.size, self._target)
        self._coded = (first.height, first.width)
        self._layout: PixelLayout | None = None

    def write(self, frame: VideoFrame, out: Picture) -> None:
        """Write ``frame``, upright and resized, to ``out``.

        Raises:
            VideoError: The picture's size is not that of the video's first frame.
        """
        if (frame.height, frame.width) != self._coded:
            raise _another_size(self._coded, (frame.height, frame.width))
        self._prepare(frame)
        gray = None if self._to_gray is None else self._to_gray(frame)
        picture = self._orientation.apply(self._to_rgb(frame) if gray is None else gray)
        if self._target == self.size:
            resized = picture
        else:
            height, width = self._target
            buffer = out if gray is None else self._small
            resized = cv2.resize(picture, (width, height), dst=buffer, interpolation=self._method)
        if gray is not None:
            cv2.cvtColor(resized, cv2.COLOR_GRAY2RGB, dst=out)
        elif resized is not out:
            np.copyto(out, resized)

    def _prepare(self, frame: VideoFrame) -> None:
        """Set the conversions up for this frame's pixel format and colours, unless they are."""
        layout = layout_of(frame)
        if layout == self._layout:
            return
        self._layout = layout
        self._to_rgb = RgbConversion(layout)
        self._to_gray = GrayConversion.of_layout(layout)
        self._small: UInt8[ndarray, "model_height model_width"] = np.empty(self._target, np.uint8)


def _another_size(before: tuple[int, int], after: tuple[int, int]) -> VideoError:
    return VideoError(
        f"the size changes from {before[1]}×{before[0]} to {after[1]}×{after[0]} px",
        remedy="split the video where its size changes",
    )
