"""Pictures that carry their own number, encoded in every awkward way that PyAV's codecs allow."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from typing import cast

import av
import numpy as np
from av.audio.stream import AudioStream
from av.container import OutputContainer
from av.video.stream import VideoStream
from jaxtyping import UInt8
from numpy import ndarray

from lp_core.video import Frames

Picture = UInt8[ndarray, "height width 3"]

_ROWS, _COLUMNS = 3, 4
CODES = 2 ** (_ROWS * _COLUMNS)
"""How many different numbers a picture can carry."""
_ON, _OFF = np.array([255, 220, 120], np.uint8), np.array([30, 20, 60], np.uint8)


def draw_code(number: int, height: int, width: int) -> Picture:
    """An RGB picture of light and dark blocks that spell ``number``, below ``CODES``, in binary.

    Blocks should be no smaller than a codec's transform, say 8 px.
    """
    bits = (number >> np.arange(_ROWS * _COLUMNS)) & 1
    rows = np.arange(height) * _ROWS // height
    columns = np.arange(width) * _COLUMNS // width
    blocks = bits.reshape(_ROWS, _COLUMNS)[rows][:, columns]
    return np.where(blocks[..., None] == 1, _ON, _OFF)


def read_codes(frames: Frames) -> list[int]:
    """The numbers that ``frames`` carry, whatever their size, colour or compression."""
    count, height, width, _ = frames.shape
    gray = frames.astype(np.float32).mean(axis=3)
    rows = ((np.arange(_ROWS) + 0.5) * height / _ROWS).astype(int)
    columns = ((np.arange(_COLUMNS) + 0.5) * width / _COLUMNS).astype(int)
    bits = gray[:, rows][:, :, columns].reshape(count, _ROWS * _COLUMNS) > 128
    return [int(n) for n in bits @ (1 << np.arange(_ROWS * _COLUMNS))]


def _same(number: int) -> int:
    return number


@dataclass(frozen=True)
class Encoding:
    """How to encode a video of numbered pictures.

    Attributes:
        codec: The encoder's name in FFmpeg.
        count: Number of pictures.
        size: (height, width) of the coded pictures.
        rate: Pictures per second that the header declares.
        time_base: The unit of ``pts``; 1 / ``rate`` if None.
        pts: From a picture's number to the time at which it is shown, in ``time_base``.
        pix_fmt: Pixel format.
        options: Of the encoder.
        container: Options of the container.
        rotation: Angle in degrees, counter-clockwise, that players are told to turn the picture by.
        mirrored: Whether players are told to mirror it left to right afterwards.
        grain: Strength of noise in gray levels, so that the packets hold more than a few bytes.
        audio: Whether a sound track, longer than the pictures, comes as the first stream.
    """

    codec: str = "libx264"
    count: int = 40
    size: tuple[int, int] = (64, 96)
    rate: Fraction = Fraction(25)
    time_base: Fraction | None = None
    pts: Callable[[int], int] = _same
    pix_fmt: str = "yuv420p"
    options: Mapping[str, str] = field(default_factory=dict)
    container: Mapping[str, str] = field(default_factory=dict)
    rotation: int = 0
    mirrored: bool = False
    audio: bool = False
    grain: int = 0

    @property
    def shown_size(self) -> tuple[int, int]:
        """(height, width) of the pictures as players show them."""
        height, width = self.size
        return (width, height) if self.rotation % 180 else (height, width)

    def coded(self, shown: Picture) -> UInt8[ndarray, "coded_height coded_width 3"]:
        """The picture to encode so that players show ``shown``."""
        unmirrored = shown[:, ::-1] if self.mirrored else shown
        return np.ascontiguousarray(np.rot90(unmirrored, -self.rotation // 90))


def encode(path: Path, how: Encoding) -> Path:
    """Write a video whose i-th shown picture carries the number i (modulo ``CODES``)."""
    noise = np.random.default_rng(0)
    with av.open(str(path), "w", options=dict(how.container)) as container:
        sound = _add_sound(container) if how.audio else None
        stream = _add_stream(container, how)
        if sound is not None:
            _write_sound(container, sound, seconds=2 * how.count / how.rate)
        for number in range(how.count):
            picture = how.coded(draw_code(number, *how.shown_size))
            picture = picture - noise.integers(0, how.grain + 1, picture.shape, np.uint8)
            frame = av.VideoFrame.from_ndarray(picture, format="rgb24").reformat(format=how.pix_fmt)
            frame.pts = how.pts(number)
            frame.time_base = how.time_base or 1 / how.rate
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


def _add_stream(container: OutputContainer, how: Encoding) -> VideoStream:
    stream = cast("VideoStream", container.add_stream(how.codec, rate=how.rate))
    stream.height, stream.width = how.size
    stream.pix_fmt = how.pix_fmt
    stream.codec_context.time_base = how.time_base or 1 / how.rate
    stream.codec_context.options = dict(how.options)
    if how.rotation or how.mirrored:
        stream.set_display_rotation(how.rotation, hflip=how.mirrored)
    return stream


def _add_sound(container: OutputContainer) -> AudioStream:
    codec = "libopus" if container.format.name == "webm" else "aac"
    return cast("AudioStream", container.add_stream(codec, rate=48_000, layout="mono"))


def _write_sound(container: OutputContainer, stream: AudioStream, seconds: Fraction) -> None:
    samples = math.ceil(seconds * 48_000)
    for start in range(0, samples, 1024):
        silence = av.AudioFrame.from_ndarray(np.zeros((1, 1024), np.float32), "fltp", "mono")
        silence.sample_rate, silence.pts = 48_000, start
        container.mux(stream.encode(silence))
    container.mux(stream.encode(None))


def lengthen(video: Path, frames: int, path: Path) -> Path:
    """Write ``frames`` frames, made of the packets of a video again and again; none is encoded.

    The video has a constant rate and at least two frames. The suffix of ``path``, which is
    returned, decides the container.
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
