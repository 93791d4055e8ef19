"""What a file says of its frames without decoding them: one row per packet."""

from __future__ import annotations

from array import array
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
from av.container import InputContainer
from av.packet import Packet
from av.video.stream import VideoStream
from jaxtyping import Bool, Int64
from numpy import ndarray

from lp_data.errors import VideoError
from lp_data.video.container import open_container

_NONE = -(2**63)
_BLANK = 64  # bytes; the coded data of a frame never ends in so many zeros
_PROGRESSIVE = (0, 1)  # AV_FIELD_UNKNOWN, AV_FIELD_PROGRESSIVE
_LONGEST_STEP = 1.5  # times the usual one; containers round times
# Codecs that put frames that are never shown into packets of their own.
_HIDING = frozenset({"vp8", "libvpx"})


@dataclass(frozen=True, eq=False)
class PacketTable:
    """The packets of a video stream in the order of the file, and what the header says of them."""

    pts: Int64[ndarray, " packets"]  # when each is shown, in ``time_base``; _NONE where not said
    dts: Int64[ndarray, " packets"]  # when each is decoded; the same
    key: Bool[ndarray, " packets"]  # whether decoding may start there
    shown: Bool[ndarray, " packets"]  # whether its frame is to be shown; edit lists hide some
    last_is_partial: bool  # the file ended within the last packet
    last_is_blank: bool  # the last packet ends in nothing but zeros, as where a disk was full
    time_base: Fraction  # seconds per unit of ``pts`` and ``dts``
    promised: int  # the number of frames that the header claims; 0 where it claims nothing
    declared_fps: Fraction | None  # frames per second by the header, if it says so
    one_frame_each: bool  # the codec yields one frame for each packet
    reorder: int  # how many frames at most are decoded before one that is shown earlier
    corrupt: int  # how many packets but the last the container marks as damaged
    container: frozenset[str]  # FFmpeg's names of the container's format

    def __len__(self) -> int:
        return len(self.pts)

    @property
    def has_exact_pts(self) -> bool:
        """Whether every shown packet has a presentation time of its own.

        AVI stores none; what FFmpeg makes up for it is right only where nothing is reordered.
        """
        if ("avi" in self.container and self.reorder) or self.goes_back:
            return False
        return _all_distinct(self.pts[self.shown])

    @property
    def names_frames(self) -> bool:
        """Whether the packets tell which frames there are, without decoding."""
        return self.has_exact_pts and self.one_frame_each

    @property
    def seeks_by_dts(self) -> bool:
        """Whether the container is searched by decoding time, with no regard to what is shown."""
        return bool(self.container & {"mpegts", "mpeg"}) and self.has_exact_dts

    @property
    def has_exact_dts(self) -> bool:
        """Whether every packet has a decoding time of its own, later than the one before."""
        return _all_distinct(self.dts) and not self.goes_back

    @property
    def promised_frames(self) -> int:
        """How many frames the header claims.

        An AVI counts the ticks of its clock, of which some may have no frame: every other one, if
        the clock counts fields.
        """
        if "avi" not in self.container or not self.has_exact_dts or len(self) < 2:
            return self.promised
        ticks = float(np.median(np.diff(self.dts)))
        return len(self) + max(int((self.promised - int(self.dts[-1])) / ticks - 1), 0)

    @property
    def goes_back(self) -> bool:
        """Whether decoding time goes back, as between recordings appended to each other."""
        known = self.dts[self.dts != _NONE]
        return bool((known[1:] < known[:-1]).any())

    @property
    def lacks_last_frames(self) -> bool:
        """Whether a video of constant rate has a gap among the frames shown after the last packet.

        A stream that was cut off lacks what would have been decoded next, but has frames that are
        shown later than that. Before the time of its last packet it has no such gap.
        """
        times = np.sort(self.pts[self.shown])
        steps, late = np.diff(times), times[1:] > self.dts[-1]
        if not self.reorder or not self.has_exact_pts or not late.any() or late.all():
            return False
        longest = _LONGEST_STEP * float(np.median(steps))
        return bool(steps[~late].max() <= longest < steps[late].max())


def _all_distinct(times: Int64[ndarray, " packets"]) -> bool:
    """Whether all times are known, and no two are the same."""
    ascending = np.sort(times)
    known = len(times) == 0 or int(ascending[0]) != _NONE
    return known and bool((ascending[1:] > ascending[:-1]).all())


def scan_packets(path: Path) -> PacketTable:
    """Read every packet of the video stream of ``path``; nothing is decoded.

    Raises:
        VideoError: The file cannot be opened, or holds no packet at all.
    """
    container, stream = open_container(path)
    with container:
        table = _scan(container, stream)
    if len(table) == 0:
        raise VideoError("the video has a header but no frames", where=path)
    return table


def _scan(container: InputContainer, stream: VideoStream) -> PacketTable:
    pts, dts = array("q"), array("q")
    key, shown = array("b"), array("b")
    partial, corrupt = False, 0
    last: Packet[Any] = Packet(0)
    try:
        for packet in container.demux(stream):
            if packet.size == 0 and packet.dts is None:
                continue  # the marker that ends the stream
            pts.append(_NONE if packet.pts is None else packet.pts)
            dts.append(_NONE if packet.dts is None else packet.dts)
            key.append(packet.is_keyframe)
            shown.append(not packet.is_discard and packet.size > 0)
            partial = packet.is_corrupt
            corrupt += partial
            last = packet
    except av.FFmpegError:
        partial, corrupt = True, corrupt + 1  # what was read up to here stands
    context = stream.codec_context
    return PacketTable(
        pts=np.frombuffer(pts, np.int64),
        dts=np.frombuffer(dts, np.int64),
        key=np.frombuffer(key, np.bool_),
        shown=np.frombuffer(shown, np.bool_),
        last_is_partial=partial,
        last_is_blank=last.size > 0 and not any(bytes(last)[-_BLANK:]),
        time_base=stream.time_base or Fraction(1, 1),
        promised=stream.frames,
        declared_fps=stream.average_rate or stream.guessed_rate,
        one_frame_each=context.name not in _HIDING and context.field_order in _PROGRESSIVE,
        reorder=context.reorder_depth,
        corrupt=corrupt - partial,
        container=frozenset(container.format.name.split(",")),
    )
