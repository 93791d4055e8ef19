"""Cut the encoded packets of a few frames out of a video file, without decoding them."""

from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import NamedTuple

import av
import numpy as np
from av.packet import Packet
from av.video.stream import VideoStream
from jaxtyping import UInt8
from numpy import ndarray

from lp_data.errors import VideoError
from lp_data.video.container import open_container
from lp_data.video.decoder import Key
from lp_data.video.index import FrameIndex

_TICKS = 40  # time between two frames of an excerpt, in ms: their order is all that counts


class Excerpt(NamedTuple):
    """A small video file in memory.

    Attributes:
        data: The bytes of a Matroska file.
        first: The index, in the whole video, of its first frame: a keyframe.
    """

    data: UInt8[ndarray, " bytes"]
    first: int


def excerpt(path: Path, index: FrameIndex, start: int, last: int) -> Excerpt:
    """The packets from the keyframe before frame ``start`` on that frame ``last`` needs.

    The excerpt's frames are those of the video from ``Excerpt.first`` to at least ``last``; behind
    them, some more may follow.

    Raises:
        VideoError: The file's frames are in another order than its packets' names.
    """
    if (np.diff(index.keys) <= 0).any():
        raise VideoError("the packets of the video do not say which frame they hold", where=path)
    place = index.start_for(start)
    first = int(index.keyframes[place])
    container, stream = open_container(path)
    with closing(container):
        if place:
            container.seek(int(index.seek_at[place]), stream=stream)
        packets = _needed(container.demux(stream), index, first, last)
        return Excerpt(_remuxed(packets, stream, index, first), first)


def _needed(
    packets: Iterator[Packet[VideoStream]], index: FrameIndex, first: int, last: int
) -> Iterator[tuple[int, Packet[VideoStream]]]:
    """The packets of the frames ``first`` to ``last``, with what else lies between them."""
    low, wanted = int(index.keys[first]), last - first + 1
    begun = False
    for packet in packets:
        key = packet.pts if index.key is Key.PTS else packet.dts
        if key is None or key < low:
            continue  # shown before the keyframe, or the marker of the end
        begun = begun or packet.is_keyframe
        if not begun:
            continue
        yield key, packet
        number = index.number(key)
        wanted -= number is not None and number <= last
        if wanted == 0:
            return


def _remuxed(
    packets: Iterator[tuple[int, Packet[VideoStream]]],
    stream: VideoStream,
    index: FrameIndex,
    first: int,
) -> UInt8[ndarray, " bytes"]:
    memory = io.BytesIO()
    with av.open(memory, "w", format="matroska") as output:
        copy = output.add_stream_from_template(stream)
        for ordinal, (key, packet) in enumerate(packets):
            number = index.number(key) if index.key is Key.PTS else first + ordinal
            shown = (first + ordinal if number is None else number) - first
            packet.stream = copy
            packet.time_base = copy.time_base
            packet.pts = _in_units(shown * _TICKS, copy)
            packet.dts = _in_units((ordinal - stream.codec_context.reorder_depth) * _TICKS, copy)
            output.mux(packet)
    return np.frombuffer(memory.getvalue(), np.uint8)


def _in_units(milliseconds: int, stream: VideoStream) -> int:
    base = stream.time_base
    return milliseconds if base is None else round(milliseconds / 1000 / base)
