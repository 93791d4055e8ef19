"""Videos that are looked through once, and opened again and again."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import NamedTuple

from lp_core.video import VideoSource
from lp_data.video.indexed import IndexedSource

VideoOpener = Callable[[Path], VideoSource]

_MOST_OPEN = 8


class KnownVideo(NamedTuple):
    """A video whose frames have been counted.

    Attributes:
        path: The file.
        length: How many frames it has.
        reopen: Opens it without looking through it again. Small and picklable, so that every worker
            process can have it.
    """

    path: Path
    length: int
    reopen: Callable[[], VideoSource]


def look_through(path: Path, open_video: VideoOpener) -> KnownVideo:
    """Open a video, learn what it takes to open it again, and close it.

    Raises:
        VideoError: It cannot be opened.
    """
    with open_video(path) as source:
        reopen: Callable[[], VideoSource] = partial(open_video, path)
        if isinstance(source, IndexedSource):
            reopen = source.reopening()
        return KnownVideo(path, len(source), reopen)


class OpenVideos:
    """The videos of one process that are open: a few at a time, those used last."""

    def __init__(self, videos: Sequence[KnownVideo]) -> None:
        self.videos = tuple(videos)
        self._sources: OrderedDict[int, VideoSource] = OrderedDict()

    def source(self, number: int) -> VideoSource:
        """The open video of that number; it stays open until others are asked for.

        Raises:
            VideoError: It cannot be opened.
        """
        if number not in self._sources:
            while len(self._sources) >= _MOST_OPEN:
                self._sources.popitem(last=False)[1].close()
            self._sources[number] = self.videos[number].reopen()
        self._sources.move_to_end(number)
        return self._sources[number]

    def close(self) -> None:
        """Close all; they are opened again when they are asked for."""
        while self._sources:
            self._sources.popitem()[1].close()
