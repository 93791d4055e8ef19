"""Decode forward from a point of a video file, each frame with the key that names it."""

from __future__ import annotations

from collections.abc import Iterator
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, cast

import av
from av.packet import Packet
from av.video.stream import VideoStream

from lp_data.video.container import open_container

if TYPE_CHECKING:
    from av.video.frame import VideoFrame

_COPY_OPAQUE = 1 << 7  # AV_CODEC_FLAG_COPY_OPAQUE: a frame carries what was tied to its packet


class Key(Enum):
    """What names a frame: a number that its packet has, wherever decoding started.

    ``PTS`` is the presentation time. ``DTS`` is the decoding time, tied to the packet and carried
    through the decoder, for files that do not say when frames are presented (AVI). ``ORDER`` counts
    packets, for raw streams without any time: these can only be decoded from their beginning.
    """

    PTS = "pts"
    DTS = "dts"
    ORDER = "order"


class Decoder:
    """One open file and its decoder.

    Args:
        path: The video file.
        key: What names the frames.
        threaded: Decode on several threads. Quicker; on damaged data one error may swallow the
            frames that other threads had in hand, so errors are looked into without threads.
        strict: Refuse packets with any error, where the decoder would otherwise make up what they
            lack.

    Attributes:
        refused: How many packets the decoder has refused.
        refused_first: Whether the first that it was given is one of them.
        refused_last: Whether the last one so far is.

    Raises:
        VideoError: The file cannot be opened.
    """

    def __init__(
        self, path: Path, key: Key, *, threaded: bool = True, strict: bool = False
    ) -> None:
        self._key = key
        self.threaded = threaded
        self.refused = 0
        self.refused_first = self.refused_last = False
        self._container, self._stream = open_container(path)
        context = self._stream.codec_context
        context.thread_type = "AUTO" if threaded else "NONE"
        if strict:
            context.options = {"err_detect": "explode"}
        if key is not Key.PTS:
            context.flags |= _COPY_OPAQUE

    def seek(self, timestamp: int) -> None:
        """Go to the last keyframe that is not after ``timestamp``, one of ``FrameIndex.seek_at``.

        Raises:
            av.FFmpegError: The file cannot be searched.
        """
        self._container.seek(timestamp, stream=self._stream)

    def frames(self) -> Iterator[tuple[int, VideoFrame]]:
        """The frames from here on, in order of presentation, each after its key.

        Packets that the decoder refuses yield nothing: who needs their frames will miss them.
        """
        for ordinal, packet in enumerate(self._packets()):
            if self._key is Key.DTS:
                packet.opaque = packet.dts
            elif self._key is Key.ORDER:
                packet.opaque = ordinal
            try:
                decoded = packet.decode()
            except av.FFmpegError:
                self.refused += 1
                self.refused_first |= ordinal == 0
                self.refused_last = True
                continue
            if packet.size:
                self.refused_last = False
            for frame in decoded:
                name = frame.pts if self._key is Key.PTS else frame.opaque
                if isinstance(name, int):
                    yield name, frame

    def _packets(self) -> Iterator[Packet[VideoStream]]:
        """The packets from here on, and at the end one that empties the decoder."""
        try:
            yield from self._container.demux(self._stream)
        except av.FFmpegError:
            end = cast("Packet[VideoStream]", Packet())
            end.stream = self._stream
            yield end

    def close(self) -> None:
        """Close the file."""
        self._container.close()
