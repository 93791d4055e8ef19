"""The frames that a metric finds most suspicious, each stretch of them once."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from lp_analysis.errors import EvaluationError
from lp_analysis.metrics.frame_metrics import PerKeypoint


@dataclass(frozen=True)
class Outlier:
    """A frame at which a metric peaks.

    Attributes:
        frame: The row.
        keypoint: The keypoint with the largest value, by number.
        value: That value in frame px.
    """

    frame: int
    keypoint: int
    value: float


def worst_frames(values: PerKeypoint, count: int, *, apart: int = 1) -> list[Outlier]:
    """The frames with the largest values of any keypoint, the worst first.

    Args:
        values: (N, K) frame px, NaN where there is none.
        count: At most so many frames.
        apart: Frames that two of them are apart at least, so that a lasting fault
            is reported once.

    Raises:
        EvaluationError: ``apart`` is not positive.
    """
    if apart < 1:
        raise EvaluationError(f"outliers cannot be {apart} frames apart")
    known = np.where(np.isfinite(values), values, -np.inf)
    if known.size == 0:
        return []
    worst = known.max(axis=1)
    free = np.isfinite(worst)
    found: list[Outlier] = []
    for row in np.argsort(-worst, kind="stable").tolist():
        if len(found) == count or not np.isfinite(worst[row]):
            break
        if free[row]:
            free[max(row - apart + 1, 0) : row + apart] = False
            found.append(Outlier(row, int(known[row].argmax()), float(worst[row])))
    return found


def clip_around(frame: int, length: int, frames: int) -> range:
    """Up to ``length`` consecutive frames with ``frame`` in the middle, within a video's.

    Args:
        frame: The number of the frame.
        length: Frames of the clip; fewer only where the video has not as many.
        frames: Frames of the video.

    Raises:
        EvaluationError: The video has no such frame, or the clip no length.
    """
    if not 0 <= frame < frames or length < 1:
        raise EvaluationError(f"a clip of {length} frames around frame {frame} of {frames}")
    length = min(length, frames)
    start = min(max(frame - length // 2, 0), frames - length)
    return range(start, start + length)
