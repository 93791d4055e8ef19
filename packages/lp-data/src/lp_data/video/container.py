"""Open video files as untrusted input, with errors that a user understands."""

from __future__ import annotations

from pathlib import Path

import av
from av.container import InputContainer
from av.video.stream import VideoStream

from lp_data.errors import VideoError
from lp_data.video.truncation import is_cut_off, lacks_movie_box

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
    if lacks_movie_box(path):
        return VideoError(f"truncated video: {lost}", where=path, remedy=_REMEDY_TRUNCATED)
    if is_cut_off(path):
        problem = "truncated video: the file ends within its header"
        return VideoError(problem, where=path, remedy=_REMEDY_TRUNCATED)
    if isinstance(error, av.InvalidDataError | av.EOFError | av.ArgumentError):
        return VideoError("not a video, or a damaged one: no known format matches", where=path)
    return VideoError(f"the video cannot be opened: {error.strerror}", where=path)
