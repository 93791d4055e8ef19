"""Write videos: H.264 that plays everywhere, whole or not at all."""

from __future__ import annotations

from contextlib import ExitStack
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
from av.container import OutputContainer
from av.video.stream import VideoStream
from jaxtyping import UInt8
from numpy import ndarray

from lp_core.atomic import atomic_write
from lp_data.errors import VideoError

_BT709, _LIMITED = 1, 1  # AVCOL_SPC_BT709 (and its primaries and transfer), AVCOL_RANGE_MPEG
_DISK = "check that the disk is not full"


class VideoWriter:
    """Writes RGB frames to an MP4 file, H.264 with 4:2:0 colour.

    The n-th frame is shown at n / ``fps`` seconds exactly. The file appears under its name when the
    writer is closed without an error; until then, and after one, ``path`` is as it was. Use it in a
    ``with`` block.

    Args:
        path: The file to write, ending in .mp4; its folder is made if it is missing.
        fps: Frames per second, exact, such as ``Fraction(30000, 1001)``; with a denominator over
            100,000, the nearest fraction below that.
        size: (height, width) of the frames in px. Odd sizes are padded at the bottom and the right
            by repeating the last row or column, since 4:2:0 colour needs even ones.
        quality: Constant rate factor of H.264: 0 is lossless, 18 looks it, 23 is usual.
        threads: Threads that encode. The bytes of the file depend on their number, and on nothing
            else of the machine; 0 takes one for each core.

    Raises:
        VideoError: ``fps`` or ``size`` is not positive, or the name does not end in .mp4.
    """

    def __init__(
        self,
        path: str | Path,
        *,
        fps: Fraction,
        size: tuple[int, int],
        quality: int = 22,
        threads: int = 4,
    ) -> None:
        self.path = Path(path)
        self.fps = fps.limit_denominator(100_000)
        self.size = size
        self._count = 0
        _check(self.path, self.fps, size)
        with ExitStack() as cleanup:
            temporary = cleanup.enter_context(atomic_write(self.path))
            self._container = cleanup.enter_context(_open_output(temporary))
            self._stream = _add_stream(self._container, self.fps, size, quality, threads)
            cleanup.push(self._finish)
            self._cleanup = cleanup.pop_all()

    def __len__(self) -> int:
        """The number of frames written so far."""
        return self._count

    def write(self, frames: UInt8[ndarray, "*frames height width 3"]) -> None:
        """Append one frame (H, W, 3), or several (T, H, W, 3), RGB.

        Raises:
            VideoError: The frames are not of the size given, or cannot be encoded.
        """
        if frames.shape[-3:-1] != self.size:
            given = f"frames of {frames.shape[-2]}×{frames.shape[-3]} px"
            problem = f"{given} in a video of {self.size[1]}×{self.size[0]} px"
            raise VideoError(problem, where=self.path)
        for picture in frames.reshape(-1, *frames.shape[-3:]):
            self._encode(picture)

    def _encode(self, picture: UInt8[ndarray, "height width 3"]) -> None:
        height, width = self.size
        if height % 2 or width % 2:
            picture = np.pad(picture, ((0, height % 2), (0, width % 2), (0, 0)), mode="edge")
        rgb = av.VideoFrame.from_ndarray(np.ascontiguousarray(picture), format="rgb24")
        frame = rgb.reformat(format="yuv420p", dst_colorspace=_BT709, dst_color_range=_LIMITED)
        frame.pts = self._count
        frame.time_base = 1 / self.fps
        self._mux(frame)
        self._count += 1

    def _mux(self, frame: av.VideoFrame | None) -> None:
        try:
            self._container.mux(self._stream.encode(frame))
        except av.FFmpegError as error:
            problem = f"frame {self._count} cannot be written: {error.strerror}"
            raise VideoError(problem, where=self.path, remedy=_DISK) from error

    def close(self) -> None:
        """Finish the video; closing twice does no harm.

        Raises:
            VideoError: No frame was written, or the last ones cannot be encoded.
        """
        try:
            self._cleanup.close()
        except av.FFmpegError as error:
            problem = f"the video cannot be finished: {error.strerror}"
            raise VideoError(problem, where=self.path, remedy=_DISK) from error

    def _finish(self, kind: Any, error: BaseException | None, traceback: Any) -> None:
        if error is None and self._count == 0:
            raise VideoError("no frame was written to the video", where=self.path)
        if error is None:
            self._mux(None)

    def __enter__(self) -> VideoWriter:
        return self

    def __exit__(self, kind: Any, error: BaseException | None, traceback: Any) -> None:
        if error is None:
            self.close()
        else:
            self._cleanup.__exit__(kind, error, traceback)


def _check(path: Path, fps: Fraction, size: tuple[int, int]) -> None:
    if fps <= 0 or min(size) < 1:
        raise VideoError(
            f"cannot write a video of {size[1]}×{size[0]} px at {fps} frames per second", where=path
        )
    if path.suffix.lower() != ".mp4":
        problem = f"videos are written as MP4, not as '{path.suffix}'"
        raise VideoError(problem, where=path, remedy="give a name that ends in .mp4")


def _open_output(path: Path) -> OutputContainer:
    return av.open(f"file:{path.absolute()}", "w", format="mp4", options={"movflags": "faststart"})


def _add_stream(
    container: OutputContainer, fps: Fraction, size: tuple[int, int], quality: int, threads: int
) -> VideoStream:
    stream = container.add_stream("libx264", rate=fps)
    context = stream.codec_context
    context.height, context.width = (side + side % 2 for side in size)
    context.pix_fmt = "yuv420p"
    context.time_base = 1 / fps
    context.colorspace = context.color_primaries = context.color_trc = _BT709
    context.color_range = _LIMITED
    context.thread_count = threads
    # mbtree=0: with it, x264 writes other bytes in every run on processors with AVX-512
    context.options = {"crf": str(quality), "preset": "veryfast", "x264-params": "mbtree=0"}
    return stream
