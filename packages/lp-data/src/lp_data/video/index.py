"""The frames that a video file really has, in the order in which they are presented."""

from __future__ import annotations

from contextlib import closing
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import cached_property
from pathlib import Path

import numpy as np
from jaxtyping import Int64
from numpy import ndarray

from lp_data.errors import VideoError
from lp_data.video.decoder import Decoder, Key
from lp_data.video.packets import PacketTable, scan_packets
from lp_data.video.truncation import is_cut_off

# The frames after the last keyframe are decoded on opening where there are no more than these, or
# where there is reason to doubt them: a video with one keyframe would else be decoded whole.
_TAIL = 300


@dataclass(frozen=True, eq=False)
class FrameIndex:
    """Which frames a video has, and where decoding may start.

    Attributes:
        key: What names a frame.
        keys: The names of the frames, in order of presentation.
        keyframes: Ascending indices of frames from which all later ones can be decoded; the first
            is 0, which stands for the beginning of the file.
        fps: Average frames per second.
        damage: What is wrong with the file, for the user; None where nothing is.
    """

    key: Key
    keys: Int64[ndarray, " frames"]
    keyframes: Int64[ndarray, " keyframes"]
    fps: Fraction = Fraction(25)
    damage: str | None = None

    def __len__(self) -> int:
        return len(self.keys)

    def number(self, key: int) -> int | None:
        """The index of the frame named ``key``, or None where no frame is."""
        place = int(np.searchsorted(self._sorted, key))
        if place == len(self.keys) or self._sorted[place] != key:
            return None
        return place if self._order is None else int(self._order[place])

    def keyframe_before(self, index: int) -> int:
        """The last keyframe at or before frame ``index``."""
        return int(self.keyframes[np.searchsorted(self.keyframes, index, side="right") - 1])

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
    the first frames and those after the last keyframe, which tell whether the file's ends can be
    decoded. Else the whole video is decoded once. A frame in between that turns out to be damaged
    is an error when it is read, never a shift of the frames behind it.

    Raises:
        VideoError: The file is not a video, or no frame of it can be decoded.
    """
    table = scan_packets(path)
    cut_off = table.last_is_partial or is_cut_off(path)
    if table.has_exact_pts and table.one_frame_each:
        index = _without_undecodable_head(path, _index_of_packets(table))
        doubtful = cut_off or table.promised > len(table)
        if doubtful or len(index) - int(index.keyframes[-1]) <= _TAIL:
            index = _without_undecodable_tail(path, index)
    else:
        index = _index_of_decoded(path, table)
    if len(index) == 0:
        raise VideoError("no frame of the video can be decoded", where=path)
    hidden = len(table) - int(table.shown.sum())
    return replace(
        index,
        fps=average_fps(index.keys, table),
        damage=_damage(len(index), table.promised - hidden, cut_off),
    )


def _index_of_packets(table: PacketTable) -> FrameIndex:
    shown = table.shown.copy()
    if table.last_is_partial and len(shown) > 1:
        shown[-1] = False
    keys = np.sort(table.pts[shown])
    keyframes = np.searchsorted(keys, np.sort(table.pts[shown & table.key]))
    return FrameIndex(Key.PTS, keys, _from_zero(keyframes))


def _index_of_decoded(path: Path, table: PacketTable) -> FrameIndex:
    """Decode all of a video whose packets do not name its frames."""
    key = Key.DTS if table.has_exact_dts else Key.ORDER
    with closing(Decoder(path, key)) as decoder:
        found = [(name, frame.is_corrupt) for name, frame in decoder.frames()]
    while found and found[-1][1]:
        found.pop()
    keys = np.array([name for name, _ in found], np.int64)
    starts = np.isin(keys, table.dts[table.key]) if key is Key.DTS else np.zeros(len(keys), bool)
    return FrameIndex(key, keys, _from_zero(np.flatnonzero(starts)))


def _from_zero(keyframes: Int64[ndarray, " keyframes"]) -> Int64[ndarray, " starts"]:
    return np.unique(np.concatenate([np.zeros(1, np.int64), keyframes]))


def _without_undecodable_head(path: Path, index: FrameIndex) -> FrameIndex:
    """Drop what comes before the first decodable frame (a recording cut from a stream)."""
    with closing(Decoder(path, index.key, threaded=False)) as decoder:
        clean = (index.number(key) for key, frame in decoder.frames() if not frame.is_corrupt)
        first = next((number for number in clean if number is not None), len(index))
    keyframes = index.keyframes[index.keyframes >= first] - first
    return replace(index, keys=index.keys[first:], keyframes=_from_zero(keyframes))


def _without_undecodable_tail(path: Path, index: FrameIndex) -> FrameIndex:
    """Drop the frames from the first one after the last keyframe that cannot be decoded whole."""
    end = len(index)
    for keyframe in index.keyframes[::-1].tolist():
        run = _clean_run(path, index, keyframe, end)
        if run > keyframe:
            keyframes = index.keyframes[index.keyframes < run]
            return replace(index, keys=index.keys[:run], keyframes=keyframes)
        end = keyframe
    return replace(index, keys=index.keys[:0])


def _clean_run(path: Path, index: FrameIndex, start: int, end: int) -> int:
    """The first frame from keyframe ``start`` on that does not decode without fault, or ``end``."""
    expected = start
    with closing(Decoder(path, index.key, threaded=False)) as decoder:
        if start:
            decoder.seek(int(index.keys[start]))
        for key, frame in decoder.frames():
            number = index.number(key)
            if number is None or number < expected:
                continue
            if number > expected or frame.is_corrupt or expected == end:
                break
            expected += 1
    return expected


def average_fps(keys: Int64[ndarray, " frames"], table: PacketTable) -> Fraction:
    """Average frames per second: (frames - 1) / (time from the first to the last).

    A container may round times (Matroska: to a millisecond), so the rate that the header declares
    is preferred where, over the whole video, it differs by less than one frame.
    """
    span = int(keys.max() - keys.min()) * table.time_base
    if span <= 0:
        return table.declared_fps or Fraction(25)
    declared = table.declared_fps
    if declared and abs(declared * span - (len(keys) - 1)) < 1:
        return declared
    return (len(keys) - 1) / span


def _damage(frames: int, promised: int, cut_off: bool) -> str | None:
    of = f" of {promised}" if promised > frames else ""
    if cut_off:
        return f"truncated video: {frames}{of} frames readable"
    if of:
        return f"the header promises {promised} frames, but only {frames} can be decoded"
    return None
