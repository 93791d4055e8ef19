"""The contract of every video reader."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from fractions import Fraction
from types import TracebackType
from typing import Protocol, runtime_checkable

from jaxtyping import UInt8
from numpy import ndarray

from lp_core.registry import VIDEO_READERS, load_plugin, registered

Frames = UInt8[ndarray, "frames height width 3"]


@runtime_checkable
class VideoSource(Protocol):
    """Frames of one video, each exactly the one that its index means.

    Index i is the i-th frame in order of presentation, whatever the codec, the frame rate, the
    start offset or the count that a header claims. Frames are RGB, uint8, as displayed (rotation
    applied). A source is closed by ``close`` or at the end of a ``with`` block. Memory does not
    grow with the length of the video.
    """

    @property
    def fps(self) -> Fraction:
        """Average frames per second, exact; pauses of the recording are left out."""
        ...

    @property
    def size(self) -> tuple[int, int]:
        """(height, width) in frame px of the frames as displayed, before any ``resize_to``."""
        ...

    def __len__(self) -> int:
        """The exact number of frames that can be decoded."""
        ...

    def read(self, start: int, stop: int) -> Frames:
        """The consecutive frames ``start`` to ``stop - 1``.

        Raises:
            IndexError: The range is not within 0 and ``len(self)``.
        """
        ...

    def read_indices(self, indices: Sequence[int]) -> Frames:
        """The frames at ``indices``, in the order asked for; an index may occur twice.

        Raises:
            IndexError: An index is not within 0 and ``len(self) - 1``.
        """
        ...

    def chunks(self, size: int) -> Iterator[Frames]:
        """All frames in order, ``size`` at a time; the last chunk may be shorter."""
        ...

    def close(self) -> None:
        """Give back the file and the decoder."""
        ...

    def __enter__(self) -> VideoSource:
        """The source itself."""
        ...

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Close the source."""
        ...


def video_suffixes() -> frozenset[str]:
    """The endings of video files that the installed readers name, in lower case with their dot.

    Raises:
        PluginError: A reader cannot be imported.
    """
    readers = (load_plugin(VIDEO_READERS, name) for name in registered(VIDEO_READERS))
    return frozenset(suffix for reader in readers for suffix in getattr(reader, "suffixes", ()))
