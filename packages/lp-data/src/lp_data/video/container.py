"""Open video files as untrusted input, with errors that a user understands."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from pathlib import Path

import av
from av.container import InputContainer
from av.video.stream import VideoStream

from lp_data.errors import VideoError

# Demuxers of single files. Playlists and concatenation lists, which name other files and hosts, are
# left out on purpose, and so is every protocol but the local file.
_FORMATS = (
    "mov,mp4,m4a,3gp,3g2,mj2,matroska,webm,avi,mpegts,mpegtsraw,mpeg,mpegvideo,flv,live_flv,asf,"
    "asf_o,ogg,h264,hevc,vvc,m4v,mjpeg,mjpeg_2000,ivf,obu,av1,gif,apng,nut,mxf,dv,wtv,yuv4mpegpipe,"
    "rm,swf,vc1,vc1test,h261,h263,pmp,smk"
)
_ENDINGS = (
    "3g2 3gp asf avi divx dv f4v flv h264 h265 hevc ivf m2ts m2v m4v mjpeg mjpg mkv mov mp4 mpeg "
    "mpg mts mxf nut ogv qt ts vob webm wmv y4m"
)
VIDEO_FILES = frozenset(f".{ending}" for ending in _ENDINGS.split())
"""The endings of the files that FFmpeg reads as videos, for `VideoReader.suffixes`."""

_EBML, _SEGMENT = b"\x1a\x45\xdf\xa3", b"\x18\x53\x80\x67"
_BOXES = frozenset(b"ftyp styp wide free skip mdat moov moof mfra sidx meta uuid".split())
_REMEDY_TRUNCATED = "copy the file again, or recover it with the program that recorded it"


def open_container(path: Path) -> tuple[InputContainer, VideoStream]:
    """Open ``path`` and pick its video stream; sound, subtitles and cover pictures are passed by.

    Raises:
        VideoError: It is missing, empty, not a video, cut off before its index, or without a video
            stream that can be decoded.
    """
    _check_file(path)
    try:
        container = av.open(
            f"file:{path.absolute()}",
            metadata_errors="ignore",
            options={"format_whitelist": _FORMATS, "protocol_whitelist": "file"},
        )
    except av.FFmpegError as error:
        raise _unreadable(path, error) from error
    stream = container.streams.best("video")
    if isinstance(stream, VideoStream) and stream.codec_context is not None:
        return container, stream
    container.close()
    if isinstance(stream, VideoStream):
        problem = "no decoder for this video's codec"
        raise VideoError(problem, where=path, remedy="re-encode it as H.264")
    raise VideoError("the file has no video stream", where=path)


def _check_file(path: Path) -> None:
    if path.is_dir():
        raise VideoError("a folder was given where a video file was expected", where=path)
    if not path.exists():
        raise VideoError("no such video", where=path, remedy="check the path")
    if path.stat().st_size == 0:
        raise VideoError("the video is empty: 0 bytes", where=path, remedy=_REMEDY_TRUNCATED)


def _unreadable(path: Path, error: av.FFmpegError) -> VideoError:
    lost = "the file ends before its index (no moov atom), so no frame of it can be found"
    if _lacks_movie_box(path):
        return VideoError(f"truncated video: {lost}", where=path, remedy=_REMEDY_TRUNCATED)
    if is_cut_off(path):
        problem = "truncated video: the file ends within its header"
        return VideoError(problem, where=path, remedy=_REMEDY_TRUNCATED)
    if isinstance(error, av.InvalidDataError | av.EOFError | av.ArgumentError):
        return VideoError("not a video, or a damaged one: no known format matches", where=path)
    return VideoError(f"the video cannot be opened: {error.strerror}", where=path)


def _lacks_movie_box(path: Path) -> bool:
    """Whether ``path`` is an MP4 or QuickTime file without its ``moov`` box (ISO/IEC 14496-12)."""
    names = [name for name, _ in _boxes(path)]
    return bool(names) and names[0] in (b"ftyp", b"wide", b"mdat") and b"moov" not in names


def is_cut_off(path: Path) -> bool:
    """Whether the file ends before the end that its outermost MP4, Matroska or AVI headers state.

    False where the container is another one, or states no length (as a live recording does).
    """
    with path.open("rb") as file:
        head = file.read(64)
    if head[4:8] in (b"ftyp", b"wide", b"mdat", b"moov", b"free", b"skip"):
        # what programs append behind the last box reads as one of no known type
        stated = max((end for name, end in _boxes(path) if name in _BOXES), default=0)
    elif head[:4] == _EBML:
        stated = _matroska_end(head)
    elif head[:4] == b"RIFF" and head[8:11] == b"AVI":
        stated = 8 + int(struct.unpack("<I", head[4:8])[0])
    else:
        return False
    return stated > path.stat().st_size


def _boxes(path: Path, most: int = 100_000) -> Iterator[tuple[bytes, int]]:
    """The type and stated end of the outermost boxes of an MP4 file, as far as they go."""
    size = path.stat().st_size
    position = 0
    with path.open("rb") as file:
        for _ in range(most):
            if position + 8 > size:
                return
            file.seek(position)
            header = file.read(16)
            length, name = struct.unpack(">I4s", header[:8])
            if length == 1 and len(header) == 16:
                length = int(struct.unpack(">Q", header[8:])[0])
            yield name, position + length
            if length < 8:
                return
            position += length


def _matroska_end(head: bytes) -> int:
    """The stated end of the segment, from the first bytes of a Matroska file (RFC 8794, 9559)."""
    header_size, start = _vint(head, 4)
    segment = start + (header_size or 0)
    if head[segment : segment + 4] != _SEGMENT:
        return 0
    size, data = _vint(head, segment + 4)
    return 0 if size is None else data + size


def _vint(data: bytes, at: int) -> tuple[int | None, int]:
    """The variable-length integer at ``at`` (None: unknown size), and where it ends."""
    if at >= len(data) or data[at] == 0:
        return None, at + 1
    length = 9 - data[at].bit_length()
    raw = data[at : at + length]
    value = int.from_bytes(raw, "big") & ((1 << 7 * length) - 1)
    unknown = value == (1 << 7 * length) - 1 or len(raw) < length
    return (None if unknown else value), at + length
