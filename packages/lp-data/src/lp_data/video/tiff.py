"""Whether a stack of images holds all the pages that it names."""

from __future__ import annotations

import os
import struct
from pathlib import Path
from typing import BinaryIO, NamedTuple


class _Layout(NamedTuple):
    """How a kind of TIFF file is written."""

    first: int  # where the place of the first page's directory is
    places: str  # the format of places, for `struct`
    counts: str  # the format of the number of a directory's entries
    entry: int  # bytes of an entry


_LAYOUTS = {
    b"II*\0": _Layout(4, "<I", "<H", 12),
    b"MM\0*": _Layout(4, ">I", ">H", 12),
    b"II+\0": _Layout(8, "<Q", "<Q", 20),
    b"MM\0+": _Layout(8, ">Q", ">Q", 20),
}


def lacks_pages(path: Path) -> bool:
    """Whether a TIFF file, small or big, names a page that lies beyond its end.

    Each page's directory names the next one's place (TIFF 6.0, section 2). The pixels are not
    looked for.
    """
    with path.open("rb") as file:
        layout = _LAYOUTS.get(file.read(4))
        place, seen = layout.first if layout else 0, set[int]()
        while layout and place not in seen:
            seen.add(place)
            directory = _number(file, place, layout.places)
            if directory == 0:
                return False
            entries = _number(file, directory, layout.counts) if directory else None
            if directory is None or entries is None:
                return True
            place = directory + struct.calcsize(layout.counts) + entries * layout.entry
    return False


def _number(file: BinaryIO, place: int, form: str) -> int | None:
    """The number at a place of the file; None where the file ends before."""
    if place > os.fstat(file.fileno()).st_size:
        return None
    file.seek(place)
    data = file.read(struct.calcsize(form))
    return int(struct.unpack(form, data)[0]) if len(data) == struct.calcsize(form) else None
