"""Give memory back to the system."""

from __future__ import annotations

import ctypes
from contextlib import suppress


def trim_heap() -> None:
    """Return to the system what has been freed within the heap, where the C library can (glibc).

    FFmpeg lengthens its table of an MP4 file's frames step by step, which leaves behind holes of
    more than twice its size: about 90 bytes for each frame of the video.
    """
    with suppress(OSError, AttributeError, TypeError):
        ctypes.CDLL(None).malloc_trim(0)
