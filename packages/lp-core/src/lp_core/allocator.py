"""The one process-wide setting that the ``litpose`` command makes: glibc keeps large buffers.

A network allocates the same large buffers at every step. glibc maps such a buffer on allocation and
unmaps it when it is freed, so that every step pays the page faults again; on a CPU they cost more
than the arithmetic (``tools/bench/video_to_csv.py`` measures it). With this setting, freed buffers
stay in the process and are used again. The price is memory that is returned to the system only when
the process ends. All threads share one arena: one of a thread's own could not hold 64 MB, such as a
chunk of large frames that is read ahead (``tools/bench/several_animals.py``).

Commands that compute make the setting. It is never made on import, nor for users of the Python API,
who can call `keep_large_buffers` themselves. The environment variable ``LITPOSE_KEEP_BUFFERS=0``
disables it.
"""

from __future__ import annotations

import ctypes
import os
import platform

SWITCH = "LITPOSE_KEEP_BUFFERS"
"""The environment variable that disables the setting when it is ``0``."""

_M_TRIM_THRESHOLD, _M_MMAP_MAX, _M_ARENA_MAX = -1, -4, -8  # from glibc's malloc.h
_LARGEST_INT = 2**31 - 1


def keep_large_buffers() -> bool:
    """Make glibc keep freed buffers, unless the user has disabled that by `SWITCH`.

    Returns:
        Whether the setting was made; it is not where the C library is not glibc.
    """
    if os.environ.get(SWITCH) == "0" or platform.libc_ver()[0] != "glibc":
        return False
    libc = ctypes.CDLL(None)
    settings = {_M_MMAP_MAX: 0, _M_TRIM_THRESHOLD: _LARGEST_INT, _M_ARENA_MAX: 1}
    return all(libc.mallopt(name, value) for name, value in settings.items())
