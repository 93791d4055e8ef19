"""Values of each frame of a video, on disk, so that memory does not grow with its length."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from typing import IO, Any

import numpy as np
from numpy import ndarray

from lp_analysis.errors import SmoothingError
from lp_core.errors import unwritable_as

_AT_ONCE = 2**19
"""Numbers of one array that are worked on at a time."""


class FrameArray:
    """An array (frames, ...), read and written some frames at a time.

    Up to 2**22 bytes are kept in memory, and more in a temporary file without a name.

    Args:
        frames: How many there are.
        shape: Of the values of a frame.
        dtype: Their type.
        missing: What frames outside of the video have.
    """

    def __init__(
        self, frames: int, shape: tuple[int, ...], dtype: Any = np.float64, missing: Any = np.nan
    ) -> None:
        self.frames, self.shape, self.dtype = frames, shape, np.dtype(dtype)
        self._missing = missing
        self._size = int(np.prod(shape)) * self.dtype.itemsize
        self._file: IO[bytes] = tempfile.SpooledTemporaryFile(max_size=2**22)  # noqa: SIM115

    def read(self, start: int, stop: int) -> ndarray:
        """(stop - start, ...) the values of some frames, which may lie outside of the video."""
        values = np.full((stop - start, *self.shape), self._missing, self.dtype)
        first, last = max(start, 0), min(stop, self.frames)
        if first < last:
            self._file.seek(first * self._size)
            raw = self._file.read((last - first) * self._size)
            raw += bytes((last - first) * self._size - len(raw))
            values[first - start : last - start] = np.frombuffer(raw, self.dtype).reshape(
                -1, *self.shape
            )
        return values

    def write(self, start: int, values: ndarray) -> None:
        """Set the values of some frames; those that never are set are 0.

        Raises:
            SmoothingError: The disk is full.
        """
        with unwritable_as(SmoothingError, "what is computed of the frames", tempfile.gettempdir()):
            self._file.seek(start * self._size)
            self._file.write(np.ascontiguousarray(values, self.dtype).tobytes())

    def close(self) -> None:
        """Remove the file."""
        self._file.close()


def parts(frames: int, width: int, multiple: int, size: int | None = None) -> Iterator[range]:
    """All frames, some at a time: as many as a multiple that fit the memory.

    Args:
        frames: How many there are.
        width: Numbers of each frame.
        multiple: What the number of frames of all parts but the last is divisible by.
        size: How many, if it is chosen.
    """
    size = size or multiple * max(1, _AT_ONCE // (width * multiple))
    for start in range(0, frames, size):
        yield range(start, min(start + size, frames))
