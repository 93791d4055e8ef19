"""What the readers share: checked ranges, chunks, and the life of a source."""

from __future__ import annotations

import operator
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from fractions import Fraction
from pathlib import Path

import numpy as np

from lp_core.video import Frames
from lp_data.errors import VideoError


class Source(ABC):
    """A ``VideoSource`` whose subclass only knows how to decode ascending indices.

    Attributes:
        path: The file or folder.
        fps: Average frames per second, exact; pauses of the recording are left out.
        size: (height, width) in frame px of the frames as displayed, before any ``resize_to``.
        resize_to: (height, width) that frames are resized to, or None for their own size.
        damage: What is wrong with the file although its readable frames are served, in one sentence
            for the user, such as a tail that is cut off; None where nothing is wrong.
        rate_note: What the user should know about ``fps``, such as pauses of the recording; None
            where nothing is odd.
    """

    fps: Fraction
    size: tuple[int, int]

    def __init__(self, path: Path, resize_to: tuple[int, int] | None) -> None:
        if resize_to is not None and min(resize_to) < 1:
            raise VideoError(f"cannot resize frames to {resize_to[0]}×{resize_to[1]}", where=path)
        self.path = path
        self.resize_to = resize_to
        self.damage: str | None = None
        self.rate_note: str | None = None
        self._closed = False

    @abstractmethod
    def __len__(self) -> int:
        """The exact number of frames that can be decoded."""

    @abstractmethod
    def _decode(self, indices: Sequence[int], out: Frames) -> None:
        """Write the frames at the ascending, distinct ``indices`` to ``out``, resized."""

    @abstractmethod
    def _release(self) -> None:
        """Give back files and decoders; called once."""

    @property
    def output_size(self) -> tuple[int, int]:
        """(height, width) of the frames that are returned: ``resize_to``, or else ``size``."""
        return self.resize_to or self.size

    def read(self, start: int, stop: int) -> Frames:
        """The consecutive frames ``start`` to ``stop - 1``.

        Raises:
            IndexError: The range is not within 0 and ``len(self)``.
            VideoError: A frame of the range cannot be decoded.
        """
        self._check_range(start, stop)
        return self._collect(range(start, stop))

    def read_indices(self, indices: Sequence[int]) -> Frames:
        """The frames at ``indices``, in the order asked for; an index may occur twice.

        Raises:
            IndexError: An index is not within 0 and ``len(self) - 1``.
            VideoError: One of the frames cannot be decoded.
        """
        wanted = [operator.index(i) for i in indices]
        for i in wanted:
            if not 0 <= i < len(self):
                raise IndexError(f"frame {i} of a video with {len(self)} frames")
        distinct = sorted(set(wanted))
        frames = self._collect(distinct)
        return frames if distinct == wanted else frames[np.searchsorted(distinct, wanted)]

    def chunks(self, size: int) -> Iterator[Frames]:
        """All frames in order, ``size`` at a time; the last chunk may be shorter.

        Raises:
            ValueError: ``size`` is not positive.
            VideoError: A frame cannot be decoded.
        """
        if size < 1:
            raise ValueError(f"a chunk of {size} frames")
        for start in range(0, len(self), size):
            yield self.read(start, min(start + size, len(self)))

    def close(self) -> None:
        """Give back the file and the decoder; closing twice does no harm."""
        if not self._closed:
            self._closed = True
            self._release()

    def __enter__(self) -> Source:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def _error(
        self, problem: str, frame: int | None = None, remedy: str | None = None
    ) -> VideoError:
        where = self.path if frame is None else f"{self.path}, frame {frame}"
        return VideoError(problem, where=where, remedy=remedy)

    def _check_range(self, start: int, stop: int) -> None:
        if not 0 <= start <= stop <= len(self):
            raise IndexError(f"frames {start} to {stop} of a video with {len(self)} frames")

    def _collect(self, indices: Sequence[int]) -> Frames:
        if self._closed:
            raise VideoError("the video was closed before it was read", where=self.path)
        out = np.empty((len(indices), *self.output_size, 3), np.uint8)
        if len(indices):
            self._decode(indices, out)
        return out
