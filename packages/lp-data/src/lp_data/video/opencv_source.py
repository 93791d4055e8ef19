"""The OpenCV reader: frames in order, each checked by its time; never OpenCV's own seeking."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import closing
from fractions import Fraction
from pathlib import Path

import cv2

from lp_core.video import Frames
from lp_data.errors import VideoError
from lp_data.images import Image, resize
from lp_data.video.base import Source
from lp_data.video.convert import Orientation
from lp_data.video.decoder import Decoder, Key
from lp_data.video.index import FrameIndex, build_index

_SAME_MS = 0.01
_OTHER_READER = "choose reader 'pyav'"


class OpenCVSource(Source):
    """Frames of a video file, decoded by OpenCV in order from the beginning.

    OpenCV's seeking is not exact, so going back means starting anew: random access is slow. Its
    time of each frame is compared with the one in the file, so that a frame that OpenCV skips or
    repeats is an error, not a shift.

    Args:
        path: The video file.
        resize_to: (height, width) of the frames returned, or None for their own size.
        index: What ``build_index`` found in this very file, if that is known.

    Raises:
        VideoError: The file is not a video, OpenCV cannot open it, or its frames have no times by
            which OpenCV's could be checked.
    """

    priority = 40

    @classmethod
    def refusal(cls, path: Path) -> str | None:
        """Why ``path`` cannot be read with this reader, or None."""
        return "a folder is no video file" if path.is_dir() else None

    def __init__(
        self,
        path: Path,
        *,
        resize_to: tuple[int, int] | None = None,
        index: FrameIndex | None = None,
    ) -> None:
        super().__init__(path, resize_to)
        self.index = build_index(path) if index is None else index
        self.damage = self.index.damage
        self._refuse_inexact()
        self._capture = cv2.VideoCapture()
        self._next = len(self.index)
        first = self._frame(0)
        self._size = (first.shape[0], first.shape[1])

    @property
    def fps(self) -> Fraction:
        """Average frames per second."""
        return self.index.fps

    @property
    def size(self) -> tuple[int, int]:
        """(height, width) in frame px of the frames as displayed, before any ``resize_to``."""
        return self._size

    def __len__(self) -> int:
        return len(self.index)

    def _release(self) -> None:
        self._capture.release()

    def _decode(self, indices: Sequence[int], out: Frames) -> None:
        for row, index in enumerate(indices):
            out[row] = resize(self._frame(index), self.output_size)

    def _frame(self, index: int) -> Image:
        if index < self._next:
            self._restart()
        while self._next <= index:
            self._grab_next()
        found, picture = self._capture.retrieve()
        if not found:
            raise self._error_at(index, f"OpenCV cannot decode frame {index}")
        return cv2.cvtColor(picture, cv2.COLOR_BGR2RGB)

    def _restart(self) -> None:
        self._capture.release()
        if not self._capture.open(str(self.path), cv2.CAP_FFMPEG):
            raise VideoError("OpenCV cannot open the video", where=self.path, remedy=_OTHER_READER)
        self._next = 0
        self._first_ms = 0.0

    def _grab_next(self) -> None:
        """Decode one frame further, and see that it is the one that comes next in the file."""
        index = self._next
        if not self._capture.grab():
            raise self._error_at(index, f"OpenCV finds no frame {index}")
        found_ms = float(self._capture.get(cv2.CAP_PROP_POS_MSEC))
        if index == 0:
            self._first_ms = found_ms
        if abs(found_ms - self._first_ms - 1000 * self.index.seconds(index)) > _SAME_MS:
            raise self._error_at(index, f"OpenCV yields another frame in the place of {index}")
        self._next = index + 1

    def _error_at(self, index: int, problem: str) -> VideoError:
        self._next = len(self.index)
        return VideoError(problem, where=f"{self.path}, frame {index}", remedy=_OTHER_READER)

    def _refuse_inexact(self) -> None:
        """Refuse what OpenCV would show otherwise than it is.

        Raises:
            VideoError: As in the class.
        """
        reason = None
        if self.index.key is not Key.PTS:
            reason = "the file does not say when its frames are shown, so OpenCV cannot be checked"
        elif self._is_mirrored():
            reason = "the video is to be mirrored for display, which OpenCV does not do"
        if reason:
            raise VideoError(reason, where=self.path, remedy=_OTHER_READER)

    def _is_mirrored(self) -> bool:
        with closing(Decoder(self.path, self.index.key, threaded=False)) as decoder:
            first = (Orientation.of(frame).mirrors for _, frame in decoder.frames())
            return next(first, False)
