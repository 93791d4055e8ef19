"""Break videos byte by byte, as crashes, full disks and other people's writers do."""

from __future__ import annotations

import struct
from pathlib import Path


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
