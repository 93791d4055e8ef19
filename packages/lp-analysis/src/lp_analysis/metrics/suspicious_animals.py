"""Animals of a video whose predictions look wrong, found without labels."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace

import numpy as np
from jaxtyping import Bool, Float
from numpy import ndarray

from lp_analysis.metrics.duplicates import ALIKE, similar_pairs
from lp_analysis.metrics.frame_metrics import FrameMetric, PerKeypoint
from lp_analysis.metrics.oks import body_length
from lp_analysis.metrics.suspicious import VideoMetrics, video_metrics
from lp_core.poses import PoseTable, concatenate, confidence_of
from lp_core.poses.grid import SINGLE
from lp_io.predictions import AnimalPredictions, VideoPredictions
from lp_io.predictions.video import Likelihood

SCORE_DROP = "score_drop"
"""How far the mean likelihood of a row is below the median over all rows: 0 to 1, no unit."""

MISSING_KEYPOINTS = "missing_keypoints"
"""How many confident keypoints a row has less than the median row."""

DUPLICATE = "duplicate"
"""The object keypoint similarity to another row of the frame, where both may be one animal."""


def metrics_of_video(
    predictions: VideoPredictions | AnimalPredictions,
    pose_metrics: Mapping[str, FrameMetric],
    *,
    threshold: float | int = 0.0,
    confidence: Callable[[Likelihood], Likelihood] | None = None,
) -> VideoMetrics:
    """The metrics of a video of one animal or several, for all rows.

    Of several animals, ``temporal_norm`` is how far a keypoint moved for each frame since its track
    was last seen, so that an exchange of two tracks is a leap of both.

    Args:
        predictions: Of the video, with their likelihoods.
        pose_metrics: See `video_metrics`, as for the others.
        threshold: Where a keypoint has less confidence, its movement and pose are NaN, and it
            counts as missing.
        confidence: What is taken for the confidence instead of the likelihood.

    Raises:
        PoseError: The table cannot be read.
    """
    if isinstance(predictions, VideoPredictions):
        return video_metrics(predictions, pose_metrics, threshold=threshold, confidence=confidence)
    table = concatenate(list(predictions.tables()))
    kept = [row for row, name in enumerate(table.individual or ()) if name != SINGLE]
    table = table.rows(kept)
    likelihood = confidence_of(table)
    judged_by = confidence(likelihood) if confidence else likelihood
    sure = ~(judged_by < threshold)
    known = table.has_position
    judged = replace(table, points=np.where((known & sure)[..., None], table.points, np.nan))
    values = {
        "temporal_norm": _leaps(judged),
        **{name: metric(judged.points) for name, metric in pose_metrics.items()},
        SCORE_DROP: _below_median(_row_means(np.where(known, likelihood, np.nan)))[:, None],
        MISSING_KEYPOINTS: _below_median((known & sure).sum(axis=1).astype(float))[:, None],
        DUPLICATE: _duplicates(table)[:, None],
    }
    return VideoMetrics(
        keypoint_names=table.keypoint_names,
        values=values,
        frames=predictions.frames,
        confident=int((known & sure).sum()) / max(int(known.sum()), 1),
        confidence=judged_by,
        frame=np.array(table.frame, dtype=np.int64),
        individual=table.individual,
    )


def _leaps(table: PoseTable) -> PerKeypoint:
    """(R, K) px that keypoints moved for each frame since their track was last seen."""
    norms = np.full(table.points.shape[:2], np.nan)
    frame = np.array(table.frame, dtype=np.int64)
    for rows in _tracks(table):
        passed = np.diff(frame[rows])
        moved = np.linalg.norm(np.diff(table.points[rows], axis=0), axis=-1)
        norms[rows[1:]] = moved / np.maximum(passed, 1)[:, None]
    return norms


def _tracks(table: PoseTable) -> Iterator[ndarray]:
    """The rows of each track, in the order of their frames."""
    rows_of: dict[str, list[int]] = {}
    for row, name in enumerate(table.individual or ()):
        if name is not None:
            rows_of.setdefault(name, []).append(row)
    yield from (np.array(rows) for rows in rows_of.values())


def _row_means(values: PerKeypoint) -> Float[ndarray, " rows"]:
    known: Bool[ndarray, "rows keypoints"] = np.isfinite(values)
    count = np.where(known.any(axis=1), known.sum(axis=1), np.nan)
    return np.where(known, values, 0).sum(axis=1) / count


def _below_median(values: Float[ndarray, " rows"]) -> Float[ndarray, " rows"]:
    known = values[np.isfinite(values)]
    return (np.median(known) if known.size else np.nan) - values


def _duplicates(table: PoseTable) -> Float[ndarray, " rows"]:
    """(R,) the largest similarity to another row of the frame; NaN where none is alike."""
    found = np.full(len(table), np.nan)
    if not (table.has_position.sum(axis=1) > 1).any():
        return found
    pairs, similarity = similar_pairs(table, body_length(table.points))
    alike = similarity >= ALIKE
    for place in (0, 1):
        np.fmax.at(found, pairs[alike, place], similarity[alike])
    return found
