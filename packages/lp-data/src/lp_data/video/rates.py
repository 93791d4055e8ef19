"""How many frames a second a video has, whatever the pauses of its recording."""

from __future__ import annotations

from datetime import timedelta
from fractions import Fraction

import numpy as np
from jaxtyping import Int64
from numpy import ndarray

_PAUSE = 4  # times the middle interval between frames
_LEAST, _MOST = 1, 1000  # frames a second of usual videos


def frame_rate(
    times: Int64[ndarray, " frames"], unit: Fraction, declared: Fraction | None
) -> tuple[Fraction, str | None]:
    """Frames per second of a video, and what a user should know about them.

    It is the average without pauses, which are intervals of more than four times the middle one. A
    container may round times (Matroska: to a millisecond), so the rate that the header declares is
    preferred where, over the whole video, it differs by less than one frame.

    Args:
        times: When the frames are shown, in any order; empty where that is not known.
        unit: Seconds per unit of ``times``.
        declared: The rate that the header declares, if it does; 25 stands for it otherwise, where
            it is needed.

    Returns:
        The rate; and a note on pauses or on an odd rate, None where there is nothing to note.
    """
    steps = np.diff(np.sort(times))
    if not len(steps) or not steps.any():
        rate = declared or Fraction(25)
        return rate, _note(rate, 0, Fraction(0))
    is_pause = steps > _PAUSE * np.median(steps)
    span, gaps = int(steps[~is_pause].sum()) * unit, int((~is_pause).sum())
    rate = gaps / span
    if declared and abs(declared * span - gaps) < 1:
        rate = declared
    return rate, _note(rate, int(is_pause.sum()), int(steps.max()) * unit)


def _note(rate: Fraction, pauses: int, longest: Fraction) -> str | None:
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
