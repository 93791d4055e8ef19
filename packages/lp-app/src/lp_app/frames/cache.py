"""A cache of encoded frames, bounded by the bytes that it holds."""

from __future__ import annotations

import threading
from collections import OrderedDict

Key = tuple[str, int, int | None]
"""A video, the index of a frame, and the width that it was shrunk to."""


class FrameCache:
    """Keeps what was used last, for any number of threads.

    Args:
        budget: Bytes that it may hold.
    """

    def __init__(self, budget: int = 256 << 20) -> None:
        self._budget = budget
        self._size = 0
        self._kept: OrderedDict[Key, bytes] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, key: Key) -> bytes | None:
        """What is kept under ``key``; None where nothing is."""
        with self._lock:
            found = self._kept.get(key)
            if found is not None:
                self._kept.move_to_end(key)
            return found

    def __contains__(self, key: Key) -> bool:
        """Whether something is kept under ``key``."""
        with self._lock:
            return key in self._kept

    def put(self, key: Key, content: bytes) -> None:
        """Keep ``content``, and forget what was not used for longest where there is no room."""
        with self._lock:
            before = self._kept.pop(key, None)
            self._size += len(content) - (0 if before is None else len(before))
            self._kept[key] = content
            while self._size > self._budget and len(self._kept) > 1:
                _, dropped = self._kept.popitem(last=False)
                self._size -= len(dropped)
