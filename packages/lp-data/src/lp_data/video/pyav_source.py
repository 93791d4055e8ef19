"""The default reader: FFmpeg through PyAV."""

from __future__ import annotations

import ctypes
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import av

from lp_core.video import Frames
from lp_data.errors import VideoError
from lp_data.video.convert import Converter, Picture
from lp_data.video.decoder import Decoder
from lp_data.video.index import FrameIndex
from lp_data.video.indexed import IndexedSource

if TYPE_CHECKING:
    from av.video.frame import VideoFrame

_WORTH_A_SEEK = 16  # frames that are decoded in vain rather than searching for a keyframe
_MANY_FRAMES = 10_000  # whose table in FFmpeg takes memory that is worth to be given back
_NOWHERE = sys.maxsize  # the decoder's place is not known: start again


class PyAVSource(IndexedSource):
    """Frames of a video file, decoded by FFmpeg on the CPU.

    FFmpeg's threads decode ahead while frames are converted and resized on the caller's.

    Args:
        path: The video file.
        resize_to: As for `IndexedSource`.
        index: As for `IndexedSource`.
        size: (height, width) in frame px of its frames as displayed, if that is known; else the
            first frame is decoded for it.

    Raises:
        VideoError: The file is not a video, or no frame of it can be decoded.
    """

    priority = 20

    def __init__(
        self,
        path: Path,
        *,
        resize_to: tuple[int, int] | None = None,
        index: FrameIndex | None = None,
        size: tuple[int, int] | None = None,
    ) -> None:
        super().__init__(path, resize_to=resize_to, index=index)
        self._decoder: Decoder | None = None
        self._ahead: Iterator[tuple[int | None, VideoFrame]] = iter(())
        self._next = self._damaged = _NOWHERE
        self._first: VideoFrame | None = None
        self._converter: Converter | None = None
        self.size = size or self._look_at_first()
        if index is None and len(self.index) > _MANY_FRAMES:
            _trim_heap()

    def _more_options(self) -> Mapping[str, Any]:
        return {"size": self.size}  # so that nothing is decoded before it is asked for

    def __reduce__(self) -> tuple[object, ...]:
        return self.reopening(), ()

    def _release(self) -> None:
        self._ahead, self._first = iter(()), None
        if self._decoder is not None:
            self._decoder.close()
        self._decoder = None  # its threads end with it

    def _decode(self, indices: Sequence[int], out: Frames) -> None:
        for row, index in enumerate(indices):
            self._convert(index, self._frame(index), out[row])

    def _convert(self, index: int, frame: VideoFrame, out: Picture) -> None:
        try:
            if self._converter is None:
                self._converter = Converter(frame, self.resize_to, self.size)
            self._converter.write(frame, out)
        except VideoError as error:
            raise self._error(error.problem, index, error.remedy) from error

    def _look_at_first(self) -> tuple[int, int]:
        """Decode the first frame, which is kept, and return its size as displayed."""
        self._first = self._frame(0)
        try:
            self._converter = Converter(self._first, self.resize_to)
        except VideoError as error:
            raise self._error(error.problem, 0, error.remedy) from error
        return self._converter.size

    def _frame(self, index: int) -> VideoFrame:
        """The decoded frame ``index``, from where the decoder stands or from a keyframe."""
        if index == 0 and self._next == 1 and self._first is not None:
            return self._first
        if index == self._next and (frame := self._advance(index)) is not None:
            return frame
        start = self.index.start_for(index)
        ahead = int(self.index.keyframes[start]) - self._next
        if self._next > index or ahead > _WORTH_A_SEEK:
            self._restart(start, threaded=True)
        frame = self._advance(index)
        return self._look_again(index) if frame is None else frame

    def _advance(self, index: int) -> VideoFrame | None:
        """Decode forward to frame ``index``; None where it, or one that it rests on, is damaged."""
        for number, frame in self._ahead:
            if number is None or number < self._next:
                continue
            if number > self._next or frame.is_corrupt:
                break
            self._next += 1
            if number == index:
                return frame
        self._damaged, self._next = self._next, _NOWHERE
        return None

    def _look_again(self, index: int) -> VideoFrame:
        """Look for frame ``index`` without threads, and from earlier starts.

        Raises:
            VideoError: It cannot be decoded from the beginning of the file either.
        """
        nearest = self.index.start_for(index)
        for start in sorted({nearest, max(nearest - 1, 0), 0}, reverse=True):
            self._restart(start, threaded=False)
            frame = self._advance(index)
            if frame is not None:
                return frame
        raise self._error(
            f"frame {index} of the video cannot be decoded: frame {self._damaged} is damaged",
            index,
            "re-encode the video, for example with: ffmpeg -i damaged.mp4 repaired.mp4",
        )

    def _restart(self, start: int, *, threaded: bool) -> None:
        """Stand at the keyframe in that place; for the beginning, open the file again."""
        decoder = self._decoder
        if decoder is None or start == 0 or decoder.threaded != threaded:
            if decoder is not None:
                decoder.close()
            decoder = self._decoder = Decoder(self.path, self.index.key, threaded=threaded)
        self._next = int(self.index.keyframes[start])
        if start:
            try:
                decoder.seek(int(self.index.seek_at[start]))
            except av.FFmpegError:
                self._ahead = iter(())
                return
        number = self.index.number
        self._ahead = ((number(key), frame) for key, frame in decoder.frames())


def _trim_heap() -> None:
    """Return to the system what has been freed within the heap, where the C library can (glibc).

    FFmpeg lengthens its table of an MP4 file's frames step by step, which leaves behind holes of
    more than twice its size: about 90 bytes for each frame of the video.
    """
    with suppress(OSError, AttributeError, TypeError):
        ctypes.CDLL(None).malloc_trim(0)
