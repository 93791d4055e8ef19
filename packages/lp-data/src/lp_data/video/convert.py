"""From decoded pictures of any pixel format to upright, resized RGB."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

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

Picture = UInt8[ndarray, "height width 3"]


class Orientation:
    """How a picture is turned for display: one of the eight right-angled ways.

    Args:
        transpose: Swap rows and columns, first.
        flip_x: Mirror left and right, second.
        flip_y: Mirror top and bottom, last.
    """

    def __init__(self, transpose: bool, flip_x: bool, flip_y: bool) -> None:
        self.transpose = transpose
        self.flip_x = flip_x
        self.flip_y = flip_y

    @classmethod
    def of(cls, frame: VideoFrame) -> Orientation:
        """Read the display matrix of ``frame`` (ISO/IEC 14496-12 §8.5): x' = ax + cy, y' = bx + dy.

        Raises:
            VideoError: The video is to be shown at an angle that is not a multiple of 90°.
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

    def apply(self, picture: Picture) -> UInt8[ndarray, "upright_height upright_width 3"]:
        """The picture as displayed; a view."""
        if self.transpose:
            picture = picture.transpose(1, 0, 2)
        return picture[:: -1 if self.flip_y else 1, :: -1 if self.flip_x else 1]


class Converter:
    """Turns the decoded frames of one video into RGB pixels.

    Colours are converted by FFmpeg's own scaler, with the flags that OpenCV uses, so that a frame
    has the same pixels as the one that a user extracted and labelled; sizes are changed as those of
    training images are, by the way that ``lp_data.images`` chooses.

    Args:
        first: A frame of the video; its size and orientation are those of all.
        resize_to: (height, width) of the output, or None for the frame's own.
    """

    def __init__(self, first: VideoFrame, resize_to: tuple[int, int] | None) -> None:
        self._orientation = Orientation.of(first)
        self._turned = Orientation(False, False, False)
        self.size = self._orientation.size(first.height, first.width)
        self._resize_to = resize_to
        self._coded = (first.height, first.width)
        self._layout: tuple[object, ...] = ()

    def write(self, frame: VideoFrame, out: Picture) -> None:
        """Write ``frame``, upright and resized, to ``out``.

        Raises:
            VideoError: The picture's size is not that of the video's first frame.
        """
        if (frame.height, frame.width) != self._coded:
            raise VideoError(
                f"the size changes from {self._coded[1]}×{self._coded[0]} to "
                f"{frame.width}×{frame.height} px",
                remedy="split the video where its size changes",
            )
        self._prepare(frame)
        self._source.push(frame)
        rgb = self._sink.pull()
        picture = self._orientation.apply(_pixels(rgb))
        if self._resize_to is None or self._resize_to == self.size:
            np.copyto(out, picture)
        else:
            height, width = self._resize_to
            picture = np.ascontiguousarray(picture) if picture.strides[1] != 3 else picture
            method = interpolation(self.size, self._resize_to)
            cv2.resize(picture, (width, height), dst=out, interpolation=method)

    def _prepare(self, frame: VideoFrame) -> None:
        """Build the conversion for this frame's pixel format and colours, unless it is there.

        A filter graph keeps its pictures in a pool; a picture allocated anew for each frame would
        cost more in page faults than its conversion.
        """
        layout = (frame.format.name, int(frame.colorspace), int(frame.color_range))
        if layout == self._layout:
            return
        graph = av.filter.Graph()
        graph.threads = 1
        self._source = graph.add(
            "buffer",
            video_size=f"{frame.width}x{frame.height}",
            pix_fmt=frame.format.name,
            time_base="1/1",
            pixel_aspect="1/1",
            colorspace=str(layout[1]),
            range=str(layout[2]),
        )
        scale = graph.add("scale", flags="bicubic")
        rgb = graph.add("format", "pix_fmts=rgb24")
        self._sink = graph.add("buffersink")
        graph.link_nodes(self._source, scale, rgb, self._sink).configure()
        self._graph = graph  # its contexts hold it only weakly
        self._layout = layout


def _pixels(rgb: VideoFrame) -> Picture:
    """The pixels of an RGB frame, without a copy; valid as long as the frame is."""
    plane = rgb.planes[0]
    shape, strides = (rgb.height, rgb.width, 3), (plane.line_size, 3, 1)
    return np.ndarray(shape, np.uint8, buffer=memoryview(plane), strides=strides)
