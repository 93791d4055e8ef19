"""The OpenCV reader: frames in order, each checked by its time; never OpenCV's own seeking."""

from __future__ import annotations

from collections.abc import Sequence

import cv2

from lp_core.video import Frames
from lp_data.errors import VideoError
from lp_data.images import Image, resize
from lp_data.video.indexed import TimedSource

_SAME_MS = 0.01


class OpenCVSource(TimedSource):
    """Frames of a video file, decoded by OpenCV in order from the beginning.

    OpenCV's seeking is not exact, so going back means starting again: random access is slow. Its
    time of each frame is compared with the one in the file, so that a frame that OpenCV skips or
    repeats is an error, not a shift.

    Raises:
        VideoError: As `TimedSource`, or OpenCV cannot open the file.
    """

    priority = 40
    program = "OpenCV"

    def _open(self) -> None:
        super()._open()
        self._capture = cv2.VideoCapture()
        self._next = len(self.index)
        first = self._frame(0)
        self.size = (first.shape[0], first.shape[1])

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
            raise self._lost(index, f"OpenCV cannot decode frame {index}")
        return cv2.cvtColor(picture, cv2.COLOR_BGR2RGB)

    def _restart(self) -> None:
        self._capture.release()
        if not self._capture.open(str(self.path), cv2.CAP_FFMPEG):
            raise self._refused("OpenCV cannot open the video")
        self._next = 0
        self._first_ms = 0.0

    def _grab_next(self) -> None:
        """Decode one frame further, and check that it is the next one of the file."""
        index = self._next
        if not self._capture.grab():
            raise self._lost(index, f"OpenCV finds no frame {index}")
        found_ms = float(self._capture.get(cv2.CAP_PROP_POS_MSEC))
        if index == 0:
            self._first_ms = found_ms
        if abs(found_ms - self._first_ms - 1000 * self.index.seconds(index)) > _SAME_MS:
            raise self._lost(index, f"OpenCV yields another frame in the place of {index}")
        self._next = index + 1

    def _lost(self, index: int, problem: str) -> VideoError:
        """The error; OpenCV's place is not known any more."""
        self._next = len(self.index)
        return self._refused(problem, index)
