"""Make a long video out of a short one, quickly."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import av


def lengthen(video: Path, frames: int, path: Path) -> Path:
    """Write ``frames`` frames, made of the packets of a video again and again; none is encoded.

    Args:
        video: A video of at least two frames, of a constant rate.
        frames: How many frames to write.
        path: The file to write; its suffix decides the container.

    Returns:
        ``path``.
    """
    with av.open(str(video)) as source, av.open(str(path), "w") as target:
        stream = source.streams.video[0]
        copy = target.add_stream_from_template(stream)
        packets = [packet for packet in source.demux(stream) if packet.dts is not None]
        times = [(packet.pts or 0, packet.dts or 0) for packet in packets]
        turn = len(times) * min(later - earlier for (_, earlier), (_, later) in pairwise(times))
        for number in range(frames):
            turns, place = divmod(number, len(packets))
            packet, (pts, dts) = packets[place], times[place]
            packet.stream, packet.time_base = copy, stream.time_base or packet.time_base
            packet.pts, packet.dts = pts + turns * turn, dts + turns * turn
            target.mux(packet)
    return path
