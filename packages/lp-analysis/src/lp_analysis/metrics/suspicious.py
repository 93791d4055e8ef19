"""Frames of a video whose predictions look wrong, found without labels."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int
from numpy import ndarray

from lp_analysis.errors import EvaluationError
from lp_analysis.metrics.frame_metrics import FrameMetric, PerKeypoint, TemporalNorm
from lp_analysis.metrics.outliers import clip_around, worst_frames
from lp_core.errors import PoseError
from lp_core.poses.csv_text import opened_csv_rows, write_csv
from lp_io.predictions import VideoPredictions
from lp_io.predictions.video import Likelihood

CONFIDENCE_DROP = "confidence_drop"
"""How far a keypoint's likelihood is below its own median over the video: 0 to 1, no unit."""

_CLIP = re.compile(r"frames_\d+-\d+\.mp4")


@dataclass(frozen=True)
class Suspicion:
    """A frame that a metric finds suspicious.

    Attributes:
        frame: Its number, from 0.
        metric: Such as ``temporal_norm``.
        keypoint: The name of the keypoint with the largest value; empty where the metric is of the
            whole animal.
        value: That value: frame px, or a difference of confidence.
        individual: The animal; None where there is one, or where it has no track.
    """

    frame: int
    metric: str
    keypoint: str
    value: float
    individual: str | None = None


@dataclass(frozen=True, eq=False)
class VideoMetrics:
    """Metrics of all R rows of a video that need no labels.

    Attributes:
        keypoint_names: K names.
        values: By the metric's name, the larger the worse: (R, K), or (R, 1) of whole animals.
        frames: How many the video has.
        confident: The share of the predicted keypoints whose movement and pose are judged.
        frame: (R,) the frame of each row; None where row i is that of frame i.
        confidence: (R, K) what was taken for the confidence, from 0 to 1.
        individual: R names of animals; None where there is one.
    """

    keypoint_names: tuple[str, ...]
    values: Mapping[str, PerKeypoint]
    frames: int
    confident: float
    confidence: Float[ndarray, "rows all_keypoints"]
    frame: Int[ndarray, " rows"] | None = None
    individual: tuple[str | None, ...] | None = None


def video_metrics(
    predictions: VideoPredictions,
    pose_metrics: Mapping[str, FrameMetric],
    *,
    threshold: float | int = 0.0,
    confidence: Callable[[Likelihood], Likelihood] | None = None,
) -> VideoMetrics:
    """Compute the metrics of a video's predictions, NaN for frames without any.

    A keypoint that cannot be seen jumps about, and its confidence says so. What deserves suspicion
    is a keypoint that the tracker is sure of and that is wrong all the same.

    Args:
        predictions: Of the video, with their likelihoods.
        pose_metrics: Others than the movement between frames and the confidence, by name.
        threshold: Where a keypoint has less confidence, its movement and pose are NaN.
        confidence: What is taken for the confidence instead of the likelihood, such as a
            calibration; drops are those of the likelihood, which a flat calibration does not tell.

    Raises:
        PoseError: The table cannot be read.
    """
    metrics: dict[str, FrameMetric] = {"temporal_norm": TemporalNorm(), **pose_metrics}
    parts: dict[str, list[Float[ndarray, "rows keypoints"]]] = {name: [] for name in metrics}
    confidences, known = [], []
    for keypoints, likelihoods in predictions.chunks():
        for name, metric in metrics.items():
            parts[name].append(metric(keypoints).astype(np.float32))
        confidences.append(likelihoods.astype(np.float32))
        known.append(np.isfinite(keypoints).all(axis=-1))
    values = {name: np.concatenate(some) for name, some in parts.items()}
    likelihood = np.concatenate(confidences)
    judged = confidence(likelihood) if confidence else likelihood
    unsure = judged < threshold
    for some in values.values():
        some[unsure] = np.nan
    values["temporal_norm"][1:][unsure[:-1]] = np.nan
    values[CONFIDENCE_DROP] = confidence_drop(likelihood)
    predicted = np.concatenate(known)
    return VideoMetrics(
        keypoint_names=predictions.keypoint_names,
        values=values,
        frames=predictions.frames,
        confident=int((predicted & ~unsure).sum()) / max(int(predicted.sum()), 1),
        confidence=judged,
    )


def confidence_drop(confidences: PerKeypoint) -> PerKeypoint:
    """How far each confidence is below the median of its keypoint, NaN where there is none.

    A keypoint that is always hidden so is not news; one that is suddenly lost is.

    Args:
        confidences: (N, K) from 0 to 1.
    """
    usual = [np.median(known) if known.size else np.nan for known in map(_known, confidences.T)]
    return np.array(usual, confidences.dtype) - confidences


def _known(values: Float[ndarray, " rows"]) -> Float[ndarray, " known"]:
    return values[np.isfinite(values)]


def suspicious_frames(metrics: VideoMetrics, count: int, *, apart: int) -> list[Suspicion]:
    """The frames that each metric finds most suspicious, in order of time.

    Args:
        metrics: Of the whole video.
        count: At most so many frames per metric.
        apart: Frames that two of one metric are apart at least.

    Raises:
        EvaluationError: ``apart`` is not positive.
    """
    found = [
        suspicion
        for name in metrics.values
        for suspicion in _worst(metrics, name, count, apart)
        if suspicion.value > 0
    ]
    return sorted(found, key=lambda item: (item.frame, item.metric))


def _worst(metrics: VideoMetrics, name: str, count: int, apart: int) -> Iterator[Suspicion]:
    found = worst_by_frame(metrics, name)
    for item in worst_frames(found.values[:, None], count, apart=apart):
        yield suspicion_at(metrics, name, item.frame, int(found.rows[item.frame]))


class WorstByFrame(NamedTuple):
    """The largest value of a metric in each of the N frames of a video, and the row that has it.

    Attributes:
        values: (N,), -inf where there is none.
        rows: (N,), -1 where a frame has no row.
    """

    values: Float[ndarray, " frames"]
    rows: Int[ndarray, " frames"]


def worst_by_frame(metrics: VideoMetrics, name: str) -> WorstByFrame:
    """The worst row of each frame, by a metric's largest value of any keypoint."""
    values = metrics.values[name]
    frame = np.arange(len(values)) if metrics.frame is None else metrics.frame
    of_row = np.where(np.isfinite(values), values, -np.inf).max(axis=1, initial=-np.inf)
    order = np.lexsort((-of_row, frame))
    frames, first = np.unique(frame[order], return_index=True)
    rows = np.full(metrics.frames, -1)
    rows[frames] = order[first]
    worst = (
        np.where(rows >= 0, of_row[rows], -np.inf) if len(values) else np.full(len(rows), -np.inf)
    )
    return WorstByFrame(worst, rows)


def suspicion_at(metrics: VideoMetrics, name: str, frame: int, row: int) -> Suspicion:
    """What a metric says of a row that has a value, on that frame."""
    values = metrics.values[name][row]
    worst = int(np.nanargmax(values))
    keypoint = metrics.keypoint_names[worst] if len(values) > 1 else ""
    individual = metrics.individual[row] if metrics.individual else None
    return Suspicion(frame, name, keypoint, float(values[worst]), individual)


def clips_around(frames: Sequence[int], length: int, total: int) -> list[range]:
    """Stretches of a video that show some frames, those that overlap joined into one.

    Args:
        frames: Numbers of frames.
        length: Frames of a clip around one of them.
        total: Frames of the video.

    Raises:
        EvaluationError: The video has no such frame, or the clips have no length.
    """
    clips: list[range] = []
    for clip in (clip_around(frame, length, total) for frame in sorted(frames)):
        if clips and clip.start <= clips[-1].stop:
            clips[-1] = range(clips[-1].start, max(clip.stop, clips[-1].stop))
        else:
            clips.append(clip)
    return clips


def clip_name(frames: range) -> str:
    """The name of the clip that shows a stretch of frames."""
    return f"frames_{frames.start:07d}-{frames.stop - 1:07d}.mp4"


def write_suspicions(
    path: Path, suspicions: Sequence[Suspicion], fps: Fraction, clips: Mapping[range, str]
) -> None:
    """Write ``frame, time_s, metric, keypoint, value, clip`` as CSV.

    Where an individual is named, ``individual`` follows ``metric``.

    Args:
        path: The file, which appears whole or not at all.
        suspicions: What to write, a row each.
        fps: Frames per second, for the time.
        clips: The name of the clip that shows a stretch of frames.

    Raises:
        EvaluationError: The file cannot be written.
    """
    several = any(item.individual is not None for item in suspicions)
    named: tuple[object, ...] = ("individual",) if several else ()
    rows = [("frame", "time_s", "metric", *named, "keypoint", "value", "clip")]
    for item in suspicions:
        named = (item.individual or "",) if several else ()
        clip = next((name for stretch, name in clips.items() if item.frame in stretch), "")
        time = f"{float(item.frame / fps):.4f}"
        value = f"{item.value:.4f}"
        rows.append((item.frame, time, item.metric, *named, item.keypoint, value, clip))
    write_csv(path, rows, EvaluationError, "the table")


def named_clips(path: Path) -> set[str]:
    """The names of clips in a table of `write_suspicions`; none where there is no such table."""
    if not path.is_file():
        return set()
    try:
        with opened_csv_rows(path, "table of suspicious frames") as rows:
            return {row.cells[-1] for row in rows if _CLIP.fullmatch(row.cells[-1])}
    except PoseError:
        return set()
