"""From decoded pictures of any pixel format to upright, resized RGB, by FFmpeg's own scaler."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Any, NamedTuple

import av
import av.filter
import cv2
import numpy as np
from jaxtyping import UInt8
from numpy import ndarray

from lp_data.errors import VideoError
from lp_data.images import interpolation

if TYPE_CHECKING:
    from av.video.frame import VideoFrame
    from av.video.plane import VideoPlane

Picture = UInt8[ndarray, "height width 3"]
Gray = UInt8[ndarray, "height width"]
PixelLayout = tuple[int, int, str, int, int]
"""(height, width, pixel format, colour space, colour range): what a conversion depends on."""

_GRAYABLE = frozenset({"gray", "yuv420p", "yuv422p", "yuv444p", "yuvj420p", "yuvj422p", "yuvj444p"})
_NEUTRAL = 128


class Orientation(NamedTuple):
    """How a picture is turned for display, by one of the eight right-angled ways.

    Rows and columns are swapped first; then it is mirrored left to right (x) and top to bottom (y).
    """

    transpose: bool
    flip_x: bool
    flip_y: bool

    @classmethod
    def of(cls, frame: VideoFrame) -> Orientation:
        """Read the display matrix of ``frame`` (ISO/IEC 14496-12 §8.5): x' = ax + cy, y' = bx + dy.

        Raises:
            VideoError: The video's metadata asks for an angle that is not a multiple of 90°.
        """
        matrix: Any = frame.side_data.get("DISPLAYMATRIX")
        if matrix is None:
            return cls(False, False, False)
        a, b, _, c, d = np.frombuffer(bytes(matrix), np.int32)[:5].tolist()
        if a and d and not b and not c:
            return cls(False, a < 0, d < 0)
        if b and c and not a and not d:
            return cls(True, c < 0, b < 0)
        raise VideoError(
            "the video is marked to be shown at an angle that is not a multiple of 90°",
            remedy="re-encode it upright",
        )

    @property
    def mirrors(self) -> bool:
        """Whether it is more than a rotation."""
        return (self.transpose + self.flip_x + self.flip_y) % 2 == 1

    def size(self, height: int, width: int) -> tuple[int, int]:
        """(height, width) after turning."""
        return (width, height) if self.transpose else (height, width)

    def apply(self, picture: UInt8[ndarray, ...]) -> UInt8[ndarray, ...]:
        """The picture (H, W) or (H, W, 3) as displayed; a view where it is not turned at all."""
        if not any(self):
            return picture
        if self.transpose:
            picture = picture.swapaxes(0, 1)
        turned = picture[:: -1 if self.flip_y else 1, :: -1 if self.flip_x else 1]
        return np.ascontiguousarray(turned)


class Converter:
    """Turns the decoded frames of one video into RGB pixels, resized as training images are.

    Args:
        first: A frame of the video; its size and orientation are those of all.
        resize_to: (height, width) of the output, or None for the frame's own.
        size: (height, width) of the video's frames as displayed, where it is known.

    Raises:
        VideoError: The video is to be shown at an odd angle, or ``first`` is not of ``size``.
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
        colours = int(frame.colorspace), int(frame.color_range)
        layout = (frame.height, frame.width, frame.format.name, *colours)
        if layout == self._layout:
            return
        self._layout = layout
        self._to_rgb = RgbConversion(layout)
        table = _gray_levels(layout)
        self._to_gray = None if table is None else GrayConversion(table, layout[:2])
        self._small: UInt8[ndarray, "model_height model_width"] = np.empty(self._target, np.uint8)


def _another_size(before: tuple[int, int], after: tuple[int, int]) -> VideoError:
    return VideoError(
        f"the size changes from {before[1]}×{before[0]} to {after[1]}×{after[0]} px",
        remedy="split the video where its size changes",
    )


class RgbConversion:
    """Converts pictures of one layout to RGB.

    The scaler has the flags that OpenCV gives it, so that a frame has the same pixels as the one
    that a user extracted and labelled. A filter graph keeps its pictures in a pool; a picture
    allocated for each frame would cost more in page faults than its conversion.
    """

    def __init__(self, layout: PixelLayout) -> None:
        height, width, pixels, colours, levels = layout
        graph = av.filter.Graph()
        graph.threads = 1
        self._source = graph.add(
            "buffer",
            video_size=f"{width}x{height}",
            pix_fmt=pixels,
            time_base="1/1",
            pixel_aspect="1/1",
            colorspace=str(colours),
            range=str(levels),
        )
        scale = graph.add("scale", flags="bicubic")
        rgb = graph.add("format", "pix_fmts=rgb24")
        self._sink = graph.add("buffersink")
        graph.link_nodes(self._source, scale, rgb, self._sink).configure()
        self._graph = graph  # its contexts hold it only weakly

    def __call__(self, frame: VideoFrame) -> Picture:
        """The frame in RGB; a view of FFmpeg's memory, which it keeps alive."""
        self._source.push(frame)
        rgb = self._sink.pull()
        plane = rgb.planes[0]
        shape, strides = (rgb.height, rgb.width, 3), (plane.line_size, 3, 1)
        return np.ndarray(shape, np.uint8, buffer=memoryview(plane), strides=strides)


def _pixels_of(plane: VideoPlane) -> Gray:
    """The pixels of a plane of one byte each, without a copy."""
    shape, strides = (plane.height, plane.width), (plane.line_size, 1)
    return np.ndarray(shape, np.uint8, buffer=memoryview(plane), strides=strides)


class GrayConversion:
    """Converts pictures without colour to one channel, exactly as their RGB would be.

    Where the chroma planes are neutral, red, green and blue are equal and depend on the luma alone,
    so a table of 256 gray levels replaces the conversion, and one channel is resized instead of
    three. ``shape`` is (height, width) of the coded pictures.
    """

    def __init__(self, table: UInt8[ndarray, 256], shape: tuple[int, int]) -> None:
        self._table, self._gray = table, np.empty(shape, np.uint8)

    def __call__(self, frame: VideoFrame) -> Gray | None:
        """The gray levels of ``frame``, in memory that is used again; None if it has colour."""
        luma, *chroma = frame.planes
        for plane in chroma:
            if cv2.minMaxLoc(_pixels_of(plane))[:2] != (_NEUTRAL, _NEUTRAL):
                return None
        return cv2.LUT(_pixels_of(luma), self._table, dst=self._gray)


@lru_cache(maxsize=32)  # measured once per layout, not each time that a video is opened
def _gray_levels(layout: PixelLayout) -> UInt8[ndarray, 256] | None:
    """Read the gray level of each luma off the RGB of a picture with every luma.

    None where the format has no plain luma, or the conversion to RGB is not one of each pixel
    alone.
    """
    height, width, pixels, colours, levels = layout
    if pixels not in _GRAYABLE:
        return None
    luma = (np.arange(height * width) % 256).astype(np.uint8).reshape(height, width)
    ramp = av.VideoFrame(width, height, pixels)
    ramp.colorspace, ramp.color_range = colours, levels
    for number, plane in enumerate(ramp.planes):
        _pixels_of(plane)[:] = _NEUTRAL if number else luma
    picture = RgbConversion(layout)(ramp)
    table = np.zeros(256, np.uint8)
    table[luma] = picture[..., 0]
    if not (picture == table[luma][..., None]).all():
        return None
    table.setflags(write=False)
    return table
