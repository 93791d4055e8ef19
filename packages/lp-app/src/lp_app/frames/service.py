"""The frames of all videos of a project."""

from __future__ import annotations

import logging
import threading
from collections import OrderedDict
from pathlib import Path

from lp_app.frames.cache import FrameCache
from lp_app.frames.reader import FrameReader
from lp_core.errors import LPError

_log = logging.getLogger(__name__)

OPEN_VIDEOS = 6
"""Videos that are kept open with their index."""


class FrameService:
    """Opens videos when they are asked for, and reads ahead on a thread of its own.

    Args:
        cache: Where encoded frames are kept.
    """

    def __init__(self, cache: FrameCache | None = None) -> None:
        self._cache = cache or FrameCache()
        self._readers: OrderedDict[str, FrameReader] = OrderedDict()
        self._opening: dict[str, threading.Lock] = {}
        self._lock = threading.Lock()
        self._last: dict[str, int] = {}
        self._wanted: tuple[FrameReader, int, int, int | None] | None = None
        self._asked = threading.Condition()
        self._closed = False
        self._thread = threading.Thread(target=self._read_ahead, name="lp-app-frames", daemon=True)
        self._thread.start()

    def reader(self, name: str, path: Path) -> FrameReader:
        """The reader of a video, which is opened once.

        Raises:
            VideoError: It cannot be read frame by frame.
        """
        with self._lock:
            opening = self._opening.setdefault(name, threading.Lock())
        with opening:
            with self._lock:
                found = self._readers.get(name)
                if found is not None:
                    self._readers.move_to_end(name)
                    return found
            reader = FrameReader(name, path, self._cache)
            with self._lock:
                self._readers[name] = reader
                dropped = (
                    self._readers.popitem(last=False)[1]
                    if len(self._readers) > OPEN_VIDEOS
                    else None
                )
            if dropped is not None:
                dropped.close()
            return reader

    def frame(self, name: str, path: Path, index: int, width: int | None = None) -> bytes:
        """A frame as JPEG; those that come next are read ahead afterwards.

        Raises:
            MissingError: The video has no such frame.
            VideoError: It cannot be decoded.
        """
        reader = self.reader(name, path)
        content = reader.frame(index, width)
        if width is not None:  # a small picture among others, not the playhead
            return content
        direction = -1 if index < self._last.get(name, -1) else 1
        self._last[name] = index
        with self._asked:
            self._wanted = (reader, index, direction, width)
            self._asked.notify()
        return content

    def _read_ahead(self) -> None:
        while True:
            with self._asked:
                while self._wanted is None and not self._closed:
                    self._asked.wait()
                if self._closed:
                    return
                wanted = self._wanted
            assert wanted is not None
            reader, index, direction, width = wanted
            try:
                more = reader.prefetch_one(index, direction, width)
            except (LPError, ValueError, RuntimeError) as error:  # told when it is asked for
                _log.debug("%s: not read ahead: %s", reader.path, error)
                more = False
            with self._asked:
                if not more and self._wanted is wanted:
                    self._wanted = None

    def close(self) -> None:
        """Stop reading ahead, and close all videos."""
        with self._asked:
            self._closed = True
            self._asked.notify()
        self._thread.join()
        with self._lock:
            for reader in self._readers.values():
                reader.close()
            self._readers.clear()
