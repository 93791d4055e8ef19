"""Whether a file is shorter than its own structure says, for the three common containers."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from pathlib import Path

_EBML, _SEGMENT = b"\x1a\x45\xdf\xa3", b"\x18\x53\x80\x67"
_BOXES = frozenset(b"ftyp styp wide free skip mdat moov moof mfra sidx meta uuid".split())


def lacks_movie_box(path: Path) -> bool:
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
