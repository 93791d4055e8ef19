"""Videos that have misled other readers, each with what a reader must find in it.

Some are broken byte by byte, as by crashes, full disks and other people's writers.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from functools import partial
from pathlib import Path

from lp_data.testing.encoding import Encoding, encode

_NTSC = Fraction(30000, 1001)
_MS = Fraction(1, 1000)


@dataclass(frozen=True)
class HostileVideo:
    """A video whose frame i carries the number ``first + i``.

    Attributes:
        file: Its name.
        how: How it is encoded.
        spoil: What is done to the file afterwards.
        count: Number of frames; None, as ``first``, where damage makes it depend on the decoder.
        first: The number that frame 0 carries.
        fps: Average frames per second, exact.
        damaged: Whether the user must be told that frames are missing.
    """

    file: str
    how: Encoding
    spoil: Callable[[Path], Path] | None = None
    count: int | None = 40
    first: int | None = 0
    fps: Fraction | None = Fraction(25)
    damaged: bool = False

    def make(self, folder: Path) -> Path:
        """Write the video into ``folder``."""
        path = encode(folder / self.file, self.how)
        return self.spoil(path) if self.spoil else path


def truncate(path: Path, share: float) -> Path:
    """Keep only the first ``share`` of the file, as when a recording or a copy was cut off."""
    data = path.read_bytes()
    path.write_bytes(data[: int(len(data) * share)])
    return path


def behead(path: Path, share: float, unit: int = 188) -> Path:
    """Drop the first ``share`` of the file, in whole units (188 bytes: packets of MPEG-TS)."""
    data = path.read_bytes()
    path.write_bytes(data[int(len(data) * share) // unit * unit :])
    return path


def scramble(path: Path, start: float, stop: float) -> Path:
    """Overwrite the bytes between two shares of the file with a fixed pattern."""
    data = bytearray(path.read_bytes())
    for position in range(int(len(data) * start), int(len(data) * stop)):
        data[position] = (position * 167 + 13) % 251
    path.write_bytes(data)
    return path


def claim_frames(path: Path, count: int) -> Path:
    """Write a wrong number of frames into the headers of an AVI file."""
    data = bytearray(path.read_bytes())
    main = data.index(b"avih") + 8
    struct.pack_into("<I", data, main + 16, count)  # dwTotalFrames
    video = data.index(b"strh") + 8
    struct.pack_into("<I", data, video + 32, count)  # dwLength
    path.write_bytes(data)
    return path


def _x264(**options: str) -> dict[str, str]:
    return {"preset": "ultrafast", "crf": "18", **options}


def _uneven(number: int) -> int:
    """Times in ms that go on unevenly, as those of a phone do."""
    return 40 * number + 2 * (number % 5) ** 2 + (400 if number > 20 else 0)


_OPEN_GOP = "open-gop=1:keyint=10:min-keyint=10:bframes=3:scenecut=0"
_HEVC = {"preset": "ultrafast", "x265-params": "log-level=none:" + _OPEN_GOP}
_SHORT = _x264(g="10")
_B_FRAMES = {"preset": "fast", "crf": "18", "bf": "3", "g": "12", "b-pyramid": "normal"}
_ALT_REF = {"g": "16", "auto-alt-ref": "1", "lag-in-frames": "12", "deadline": "good", "b": "400k"}
_PLAIN, _REORDERED = Encoding(options=_SHORT), Encoding(options=_B_FRAMES)
_MJPEG = Encoding("mjpeg", pix_fmt="yuvj420p")
_FASTSTART = Encoding(options=_SHORT, container={"movflags": "faststart"})


def _cut_off(file: str, how: Encoding) -> HostileVideo:
    return HostileVideo(file, how, partial(truncate, share=0.6), count=None, damaged=True)


HOSTILE: dict[str, HostileVideo] = {
    "constant_rate": HostileVideo("constant.mp4", _PLAIN),
    "ntsc_rate": HostileVideo("ntsc.mp4", Encoding(rate=_NTSC, options=_SHORT), fps=_NTSC),
    "ntsc_in_milliseconds": HostileVideo(
        "ntsc.mkv", Encoding(rate=_NTSC, options=_SHORT), fps=_NTSC
    ),
    "variable_rate_mp4": HostileVideo(
        "uneven.mp4", Encoding(time_base=_MS, pts=_uneven, options=_SHORT), fps=None
    ),
    "variable_rate_mkv": HostileVideo(
        "uneven.mkv", Encoding(time_base=_MS, pts=_uneven, options=_SHORT), fps=None
    ),
    "late_start": HostileVideo(
        "late.mkv", Encoding(time_base=_MS, pts=lambda n: 40 * n + 5000, options=_SHORT)
    ),
    "huge_times": HostileVideo(
        "huge.mkv", Encoding(time_base=_MS, pts=lambda n: 40 * n + 2**32, options=_SHORT)
    ),
    "edit_list": HostileVideo(
        "edited.mp4", Encoding(pts=lambda n: n - 10, options=_SHORT), count=30, first=10
    ),
    "transport_stream": HostileVideo("stream.ts", _REORDERED),
    "b_frames": HostileVideo("pyramid.mp4", _REORDERED),
    "b_frames_avi": HostileVideo("pyramid.avi", _REORDERED),
    "mpeg4_b_frames_avi": HostileVideo("xvid.avi", Encoding("mpeg4", options={"bf": "2"})),
    "open_groups": HostileVideo(
        "open.mp4", Encoding(options={"preset": "fast", "x264-params": _OPEN_GOP})
    ),
    "hevc_open_groups": HostileVideo("hevc.mp4", Encoding("libx265", options=_HEVC)),
    "vp9": HostileVideo("vp9.webm", Encoding("libvpx-vp9", options={**_ALT_REF, "cpu-used": "8"})),
    "vp8_hidden_frames": HostileVideo("vp8.webm", Encoding("libvpx", options=_ALT_REF)),
    "av1": HostileVideo("av1.mkv", Encoding("libsvtav1", options={"preset": "12", "g": "16"})),
    "mjpeg_avi": HostileVideo("mjpeg.avi", _MJPEG),
    "one_keyframe": HostileVideo("single.mp4", Encoding(options=_x264(g="1000"))),
    "one_frame": HostileVideo("still.mp4", Encoding(count=1, options=_SHORT), count=1),
    "ten_bit": HostileVideo("deep.mp4", Encoding(pix_fmt="yuv420p10le", options=_SHORT)),
    "gray": HostileVideo("gray.mkv", Encoding("ffv1", pix_fmt="gray")),
    "gray_in_colour": HostileVideo("neutral.mp4", Encoding(pix_fmt="gray", options=_SHORT)),
    "full_range": HostileVideo("full.mp4", Encoding(pix_fmt="yuvj420p", options=_SHORT)),
    "odd_size": HostileVideo("odd.mp4", Encoding(size=(63, 97), pix_fmt="yuv444p", options=_SHORT)),
    "odd_size_vp9": HostileVideo(
        "odd.webm", Encoding("libvpx-vp9", size=(63, 97), options={"cpu-used": "8", "g": "10"})
    ),
    "rotated_90": HostileVideo("turned.mp4", Encoding(rotation=90, options=_SHORT)),
    "rotated_180": HostileVideo("upside.mp4", Encoding(rotation=180, options=_SHORT)),
    "rotated_270": HostileVideo("other.mp4", Encoding(rotation=270, options=_SHORT)),
    "mirrored": HostileVideo("mirror.mp4", Encoding(rotation=90, mirrored=True, options=_SHORT)),
    "audio_first": HostileVideo("sound.mp4", Encoding(audio=True, options=_SHORT)),
    "awkward_name": HostileVideo("Mäuse %03d 鼠 #1 [a] 'b'.mp4", _PLAIN),
    "raw_stream": HostileVideo("raw.h264", _REORDERED),
    "count_too_high": HostileVideo(
        "much.avi", _MJPEG, partial(claim_frames, count=55), damaged=True
    ),
    "count_too_low": HostileVideo("few.avi", _MJPEG, partial(claim_frames, count=7)),
    "truncated_mp4": _cut_off("cut.mp4", _FASTSTART),
    "truncated_mkv": _cut_off("cut.mkv", _REORDERED),
    "truncated_avi": _cut_off("cut.avi", _MJPEG),
    "beheaded_stream": HostileVideo(
        "late.ts", _PLAIN, partial(behead, share=0.4), count=None, first=None
    ),
}
"""The videos by what is awkward about them."""
