"""The frames that a video file really has, in the order in which they are presented."""

from __future__ import annotations

from array import array
from contextlib import closing
from dataclasses import dataclass, replace
from datetime import timedelta
from fractions import Fraction
from functools import cached_property
from itertools import islice
from pathlib import Path

import numpy as np
from jaxtyping import Bool, Int64
from numpy import ndarray

from lp_data.errors import VideoError
from lp_data.video.container import is_cut_off
from lp_data.video.decoder import Decoder, Key
from lp_data.video.packets import PacketTable, scan_packets

# So many of the first frames must come in the order that their times say.
_HEAD = 8

_PAUSE = 4  # times the middle interval between frames
_LEAST, _MOST = 1, 1000  # frames a second of usual videos

# Recordings of these may begin anywhere, and end anywhere without a sign of it.
_STREAMED = frozenset({"mpegts", "mpeg"})


@dataclass(frozen=True, eq=False)
class FrameIndex:
    """Which frames a video has, and where decoding may start.

    All later frames can be decoded from each keyframe; the first one is 0, which stands for the
    beginning of the file.
    """

    key: Key  # what names a frame
    keys: Int64[ndarray, " frames"]  # the names of the frames, in order of presentation
    keyframes: Int64[ndarray, " keyframes"]  # ascending indices of frames
    seek_at: Int64[ndarray, " keyframes"]  # the time to ask the file for to get to each
    time_base: Fraction  # seconds per unit of the keys, where these are times
    fps: Fraction = Fraction(25)  # average frames per second, without pauses
    rate_note: str | None = None  # what the user should know about ``fps``, if anything is odd
    damage: str | None = None  # what is wrong with the file, for the user

    def __len__(self) -> int:
        return len(self.keys)

    def number(self, key: int) -> int | None:
        """The index of the frame named ``key``, or None where no frame is."""
        place = int(self._sorted.searchsorted(key))
        if place == len(self.keys) or self._sorted[place] != key:
            return None
        return place if self._order is None else int(self._order[place])

    @property
    def seeks_by_pts(self) -> bool:
        """Whether the file is searched by the times at which frames are shown."""
        times = self.keys[self.keyframes[1:]]
        return self.key is Key.PTS and bool((times == self.seek_at[1:]).all())

    def seconds(self, index: int) -> float:
        """When frame ``index`` is shown, in seconds after frame 0; 0 where that is not known."""
        since = int(self.keys[index]) - int(self.keys[0])
        return float(since * self.time_base) if self.key is Key.PTS else 0.0

    def start_for(self, index: int) -> int:
        """The place in ``keyframes`` of the last one at or before frame ``index``."""
        return int(np.searchsorted(self.keyframes, index, side="right")) - 1

    @cached_property
    def _order(self) -> Int64[ndarray, " frames"] | None:
        ascending = bool((np.diff(self.keys) > 0).all())
        return None if ascending else np.argsort(self.keys)

    @cached_property
    def _sorted(self) -> Int64[ndarray, " frames"]:
        return self.keys if self._order is None else self.keys[self._order]


def build_index(path: Path) -> FrameIndex:
    """Find every frame of the video at ``path``.

    Where each packet has a presentation time of its own, the packets are read but not decoded, save
    the first few frames, which tell whether the times are true; and, where the file may have been
    cut off, those after the last keyframe, which tell how far it can be decoded. Else the
    whole video is decoded once. A frame that turns out to be damaged only when it is read is an
    error then, never a shift of the frames behind it.

    Raises:
        VideoError: The file is not a video, or no frame of it can be decoded.
    """
    table = scan_packets(path)
    cut_off = table.last_is_partial or is_cut_off(path) or table.lacks_last_frames
    # An MP4 counts the frames that its edit list hides, too; a whole one has all its packets.
    promised = table.promised_frames if cut_off or "mp4" not in table.container else 0
    index, lost = _index_of_packets(path, table, cut_off) if table.names_frames else None, 0
    if index is None:
        cut_off = cut_off or _ends_within_a_frame(path, table)
        index, lost = _index_of_decoded(path, table, cut_off)
    elif cut_off or table.last_is_blank or promised > len(table) or _STREAMED & table.container:
        index, lost = _without_undecodable_tail(path, index)
    if len(index) == 0:
        raise VideoError("no frame of the video can be decoded", where=path)
    promised = max(promised - len(table) + int(table.shown.sum()), len(index) + lost)
    times = index.keys[: 0 if index.key is Key.ORDER else None]
    fps, rate_note = _frame_rate(times, table.time_base, table.declared_fps)
    return replace(
        index,
        fps=fps,
        rate_note=rate_note,
        damage=_damage(len(index), promised, cut_off, table.corrupt),
    )


def _index_of_packets(path: Path, table: PacketTable, cut_off: bool) -> FrameIndex | None:
    """The index by presentation times; None where the first frames contradict them."""
    shown = table.shown.copy()
    if table.last_is_partial and len(shown) > 1:
        shown[-1] = False
    if cut_off and table.reorder:
        # What is lost would be decoded, thus shown, later than this; before it there is no gap.
        shown &= table.pts <= table.dts[-1]
    starts = table.pts[shown & table.key]
    seek_at = table.dts[shown & table.key] if table.seeks_by_dts else starts
    order = np.argsort(starts)
    keys = np.sort(table.pts[shown])
    keyframes = np.searchsorted(keys, starts[order])
    index = FrameIndex(Key.PTS, keys, keyframes, seek_at[order], table.time_base)
    return _from_first_decodable(path, index, streamed=bool(_STREAMED & table.container))


def _from_first_decodable(path: Path, index: FrameIndex, *, streamed: bool) -> FrameIndex | None:
    """Drop frames before the first decodable one, as in a recording cut out of a stream.

    A file that is not ``streamed`` begins with a frame that can be decoded. If it cannot, it is
    damaged, and the frames up to the next such one keep their places. None where the first frames
    come in another order, so that the times are false.
    """
    with closing(Decoder(path, index.key, threaded=False)) as decoder:
        named = (index.number(key) for key, frame in decoder.frames() if not frame.is_corrupt)
        head = list(islice((number for number in named if number is not None), _HEAD))
    if not head:
        return replace(index, keys=index.keys[:0])
    if head != sorted(head):
        return None
    first = 0 if decoder.refused_first and not streamed else head[0]
    kept = index.keyframes > first
    return replace(
        index,
        keys=index.keys[first:],
        keyframes=_from_zero(index.keyframes[kept] - first),
        seek_at=_from_zero(index.seek_at[kept]),
    )


def _index_of_decoded(path: Path, table: PacketTable, cut_off: bool) -> tuple[FrameIndex, int]:
    """Decode all of a video whose packets do not name its frames; also count those lost."""
    key = Key.DTS if table.has_exact_dts else Key.ORDER
    last = int(table.dts[-1]) if key is Key.DTS else len(table) - 1
    last_is_partial = table.last_is_partial or (cut_off and key is Key.ORDER)
    with closing(Decoder(path, key)) as decoder:
        names, whole = array("q"), array("b")
        for name, frame in decoder.frames():
            names.append(name)
            whole.append(not (frame.is_corrupt or (last_is_partial and name == last)))
        end = _end_of_whole(np.frombuffer(whole, np.bool_), table.reorder)
        lost = decoder.refused + len(names) - end
    if cut_off:
        end = max(end - table.reorder, 0)  # a lost frame might have been shown between these
    decoded = np.array(names, np.int64)
    keys = decoded[:end]
    if table.one_frame_each and key is Key.DTS:
        # Packets in the middle that yielded no frame keep a place, so that none behind shifts:
        # exact up to the few frames that the codec reorders. Reading that place is an error.
        missing = np.setdiff1d(table.dts[table.shown & (table.dts < keys.max(initial=-1))], decoded)
        keys = np.insert(keys, np.searchsorted(np.sort(keys), missing), missing)
    starts = np.isin(keys, table.dts[table.key]) & (key is Key.DTS)
    starts[:1] = False
    keyframes, seek_at = _from_zero(np.flatnonzero(starts)), _from_zero(keys[starts])
    return FrameIndex(key, keys, keyframes, seek_at, table.time_base), lost


def _ends_within_a_frame(path: Path, table: PacketTable) -> bool:
    """Whether a raw stream, which states no length, ends with a packet that has an error.

    A stream that was cut off between two packets gives no sign of it. Decoded without threads, as a
    frame of several threads may be given out before it is marked as corrupt.
    """
    if table.has_exact_dts:
        return False
    last, last_is_corrupt = -1, False
    with closing(Decoder(path, Key.ORDER, threaded=False, strict=True)) as decoder:
        for ordinal, frame in decoder.frames():
            if ordinal > last:
                last, last_is_corrupt = ordinal, frame.is_corrupt
        return decoder.refused_last or last_is_corrupt


def _end_of_whole(whole: Bool[ndarray, " frames"], reorder: int) -> int:
    """How many frames come before the end, or before a damaged one among the last.

    Where a stream was cut off within a frame, up to ``reorder`` frames that were decoded before are
    shown after it.
    """
    start = max(len(whole) - reorder - 1, 0)
    damaged = np.flatnonzero(~whole[start:])
    return start + int(damaged[0]) if len(damaged) else len(whole)


def _from_zero(later: Int64[ndarray, " later"]) -> Int64[ndarray, " all"]:
    """With the beginning of the file before all keyframes."""
    return np.concatenate([np.zeros(1, np.int64), later])


def _without_undecodable_tail(path: Path, index: FrameIndex) -> tuple[FrameIndex, int]:
    """Drop, and count, the frames from the first after the last keyframe that is not whole."""
    for place in reversed(range(len(index.keyframes) if len(index) else 0)):
        end = _clean_run(path, index, place)
        if end > index.keyframes[place]:
            kept = index.keyframes < end
            left = replace(
                index,
                keys=index.keys[:end],
                keyframes=index.keyframes[kept],
                seek_at=index.seek_at[kept],
            )
            return left, len(index) - end
    return replace(index, keys=index.keys[:0]), len(index)


def _clean_run(path: Path, index: FrameIndex, place: int) -> int:
    """The first frame from a keyframe on that does not decode without fault; ``len`` if all do."""
    expected = int(index.keyframes[place])
    with closing(Decoder(path, index.key, threaded=False)) as decoder:
        if expected:
            decoder.seek(int(index.seek_at[place]))
        for key, frame in decoder.frames():
            number = index.number(key)
            if number is None or number < expected:
                continue
            if number > expected or frame.is_corrupt:
                break
            expected += 1
    return expected


def _damage(frames: int, promised: int, cut_off: bool, corrupt: int) -> str | None:
    of = f" of {promised}" if promised > frames else ""
    if cut_off:
        return f"truncated video: {frames}{of} frames readable"
    if of:
        return f"only {frames} of the {promised} frames that the file promises can be decoded"
    if corrupt:
        return f"{corrupt} packets of the file are damaged; {frames} frames remain of the video"
    return None


def _frame_rate(
    times: Int64[ndarray, " frames"], unit: Fraction, declared: Fraction | None
) -> tuple[Fraction, str | None]:
    """Frames per second of a video, and what a user should know about them.

    It is the average without pauses, which are intervals of more than four times the middle one. A
    container may round times (Matroska: to a millisecond), so the rate that the header declares is
    preferred where, over the whole video, it differs by less than one frame.

    Args:
        times: When the frames are shown, in any order; empty where that is not known.
        unit: Seconds per unit of ``times``.
        declared: The rate that the header declares, if it does; else 25 stands for it.

    Returns:
        The rate; and a note on pauses or on an odd rate, None where there is nothing to note.
    """
    steps = np.diff(np.sort(times))
    if not len(steps) or not steps.any():
        rate = declared or Fraction(25)
        return rate, _rate_note(rate, 0, Fraction(0))
    is_pause = steps > _PAUSE * np.median(steps)
    span, gaps = int(steps[~is_pause].sum()) * unit, int((~is_pause).sum())
    rate = gaps / span
    if declared and abs(declared * span - gaps) < 1:
        rate = declared
    return rate, _rate_note(rate, int(is_pause.sum()), int(steps.max()) * unit)


def _rate_note(rate: Fraction, pauses: int, longest: Fraction) -> str | None:
    shown = f"{float(rate):.6g} frames a second"
    if not _LEAST <= rate <= _MOST:
        return (
            f"by its times, the video has {shown}; if that is wrong, re-encode it with the true "
            "rate, as in: ffmpeg -r 30 -i in.mp4 out.mp4"
        )
    if pauses:
        longest_shown = timedelta(seconds=round(float(longest)))
        count = "a pause" if pauses == 1 else f"{pauses} pauses"
        return (
            f"{count} of up to {longest_shown} (h:mm:ss) between frames: {shown} without; times of "
            "frames are counted as if there was none"
        )
    return None
