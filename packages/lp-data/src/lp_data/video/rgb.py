"""From decoded pictures of any pixel format to RGB, by FFmpeg's own scaler."""

from __future__ import annotations

from typing import TYPE_CHECKING

import av
import av.filter
import numpy as np
from jaxtyping import UInt8
from numpy import ndarray

if TYPE_CHECKING:
    from av.video.frame import VideoFrame
    from av.video.plane import VideoPlane

Picture = UInt8[ndarray, "height width 3"]
Gray = UInt8[ndarray, "height width"]
PixelLayout = tuple[int, int, str, int, int]


def layout_of(frame: VideoFrame) -> PixelLayout:
    """What a conversion depends on: (height, width, pixel format, colour space, colour range)."""
    colours = int(frame.colorspace), int(frame.color_range)
    return (frame.height, frame.width, frame.format.name, *colours)


class RgbConversion:
    """Converts pictures of one layout to RGB.

    The scaler has the flags that OpenCV gives it, so that a frame has the same pixels as the one
    that a user extracted and labelled. A filter graph keeps its pictures in a pool; a picture
    allocated for each frame would cost more in page faults than its conversion.

    Args:
        layout: See `layout_of`.
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


def pixels_of(plane: VideoPlane) -> Gray:
    """The pixels of a plane of one byte each, without a copy."""
    shape, strides = (plane.height, plane.width), (plane.line_size, 1)
    return np.ndarray(shape, np.uint8, buffer=memoryview(plane), strides=strides)
