"""The frames of one video, encoded, by their exact index."""

from __future__ import annotations

import threading
from pathlib import Path

from lp_app.errors import MissingError
from lp_app.frames.cache import FrameCache
from lp_app.frames.encoding import jpeg
from lp_data.video.open import open_video

AHEAD = 24
"""Frames that are read ahead of the playhead."""
BLOCK = 12
"""Frames that are read at once where the playhead goes backwards."""


class FrameReader:
    """Reads frames of one video for any number of threads; the index is built when it is opened.

    Args:
        name: What tells the video from others in the cache.
        path: The video.
        cache: Where encoded frames are kept.

    Raises:
        VideoError: The video cannot be read frame by frame.
    """

    def __init__(self, name: str, path: Path, cache: FrameCache) -> None:
        self.name, self.path = name, path
        self._cache = cache
        self._source = open_video(path)
        self._decoding = threading.Lock()
        self.frames = len(self._source)
        self.fps = float(self._source.fps)
        self.size = self._source.size
        notes = (getattr(self._source, kind, None) for kind in ("damage", "rate_note"))
        self.notes = tuple(note for note in notes if note)

    def frame(self, index: int, width: int | None = None) -> bytes:
        """Frame ``index`` as JPEG, at most ``width`` px wide.

        Raises:
            MissingError: The video has no such frame.
            VideoError: The frame cannot be decoded.
        """
        if not 0 <= index < self.frames:
            raise MissingError(
                f"the video has no frame {index}, only {self.frames} from 0", where=self.path
            )
        found = self._cache.get((self.name, index, width))
        return self._read(index, index + 1, index, width) if found is None else found

    def _read(self, start: int, stop: int, wanted: int, width: int | None) -> bytes:
        """Read frames into the cache; gives the one that is wanted."""
        with self._decoding:
            key = (self.name, wanted, width)
            found = self._cache.get(key)
            if found is not None:  # another thread was faster
                return found
            pictures = self._source.read(start, stop)
        order = sorted(range(start, stop), key=lambda index: index != wanted)
        for index in order:
            self._cache.put((self.name, index, width), jpeg(pictures[index - start], width))
        return self._cache.get(key) or jpeg(pictures[wanted - start], width)

    def prefetch_one(self, index: int, direction: int, width: int | None) -> bool:
        """Read what the playhead needs next; tells whether there may be more to read.

        Args:
            index: Where the playhead is.
            direction: Where it goes: 1 or -1.
            width: The width that is shown.
        """
        for step in range(1, AHEAD + 1):
            place = index + direction * step
            if not 0 <= place < self.frames:
                return False
            if (self.name, place, width) in self._cache:
                continue
            start = place if direction > 0 else max(0, place - BLOCK + 1)
            self._read(start, place + 1, place, width)
            return True
        return False

    def close(self) -> None:
        """Give back the file."""
        with self._decoding:
            self._source.close()
