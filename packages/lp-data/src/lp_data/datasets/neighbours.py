"""The frames before and after a labelled frame, found by the number in the file name."""

from __future__ import annotations

import re
from pathlib import Path, PurePosixPath

from lp_core.paths import find_file

_LAST_NUMBER = re.compile(r"^(?P<before>.*?)(?P<number>\d+)(?P<after>\D*)$")


def neighbour_name(image_path: str, offset: int) -> str | None:
    """The path of the frame ``offset`` frames later: ``v/img10.png`` for ``v/img12.png`` and -2.

    The last number in the file name counts the frames. The neighbour's number has at least as many
    digits, filled with zeros, and is never below 0: before the first frame comes the first frame.
    None where the name has no number.
    """
    path = PurePosixPath(image_path)
    match = _LAST_NUMBER.match(path.stem)
    if match is None:
        return None
    digits = match["number"]
    number = str(max(0, int(digits) + offset)).zfill(len(digits))
    return str(path.with_name(f"{match['before']}{number}{match['after']}{path.suffix}"))


def frame_number(image_path: str) -> int | None:
    """The number by which a file name counts frames; None where it has none."""
    match = _LAST_NUMBER.match(PurePosixPath(image_path).stem)
    return None if match is None else int(match["number"])


def context_window(data_dir: Path, image_path: str, num_frames: int) -> list[str]:
    """The paths of an odd number of consecutive frames, the labelled one in the middle.

    A neighbour without a file is replaced by the labelled frame.
    """
    half = num_frames // 2
    names = [neighbour_name(image_path, offset) for offset in range(-half, half + 1)]
    names[half] = image_path
    return [name if name and find_file(data_dir, name) else image_path for name in names]
