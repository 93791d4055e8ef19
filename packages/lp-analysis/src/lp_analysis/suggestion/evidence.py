"""What speaks for labelling a frame: metrics that need no labels, and the words for them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from lp_analysis.errors import SuggestionError
from lp_analysis.metrics.frame_metrics import FrameMetric, PerKeypoint
from lp_analysis.metrics.suspicious import CONFIDENCE_DROP, Suspicion, VideoMetrics
from lp_analysis.metrics.suspicious_animals import (
    DUPLICATE,
    MISSING_KEYPOINTS,
    SCORE_DROP,
    metrics_of_video,
)
from lp_analysis.tracks.review import Doubt
from lp_io.predictions import AnimalPredictions, VideoPredictions
from lp_io.predictions.covariance import covariance_path, read_covariance
from lp_io.predictions.video import Likelihood

UNSURE_KEYPOINTS = "unsure_keypoints"
"""How many keypoints of a row are wrong by the sum of 1 - confidence."""

DISAGREEMENT = "disagreement"
"""How far the members of an ensemble are apart: the standard deviation of a position, frame px."""

IDENTITY_DOUBT = "identity_doubt"
"""The probability that a decision about who is who is wrong, from its margin."""

_LEAST_DOUBT = 0.05  # a margin of 3 nats

MOTION = "motion"
"""How much a small frame differs from the one before it, in grey levels."""


def evidence_of_video(
    predictions: VideoPredictions | AnimalPredictions,
    pose_metrics: Mapping[str, FrameMetric],
    *,
    threshold: float | int = 0.0,
    confidence: Callable[[Likelihood], Likelihood] | None = None,
    spread: PerKeypoint | None = None,
    doubts: Sequence[Doubt] = (),
) -> VideoMetrics:
    """The metrics of `metrics_of_video`, with those that tell what a model has still to learn.

    Args:
        predictions: Of the video, with their likelihoods.
        pose_metrics: See `metrics_of_video`, as for the threshold.
        threshold: Where a keypoint has less confidence, its movement and pose are not judged.
        confidence: What is taken for the confidence instead of the likelihood: the calibrated one.
        spread: (R, K) how far models disagree, in frame px, such as `ensemble_spread`.
        doubts: Decisions about who is who, of several animals.

    Raises:
        PoseError: The table cannot be read.
        SuggestionError: ``spread`` is not of the rows of the table.
    """
    metrics = metrics_of_video(
        predictions, pose_metrics, threshold=threshold, confidence=confidence
    )
    more: dict[str, PerKeypoint] = {}
    if doubts:
        more[IDENTITY_DOUBT] = _identity_doubts(metrics, doubts)
    if spread is not None:
        if spread.shape != metrics.confidence.shape:
            raise SuggestionError(
                f"a disagreement of {spread.shape} does not go with predictions of "
                f"{metrics.confidence.shape}",
                where=predictions.path,
            )
        more[DISAGREEMENT] = spread.astype(np.float32)
    unsure = np.nansum(1 - metrics.confidence, axis=1, keepdims=True)
    more[UNSURE_KEYPOINTS] = unsure.astype(np.float32)
    return replace(metrics, values={**more, **metrics.values})


def spread_of_video(table: Path, members: Sequence[Path], frames: int) -> PerKeypoint | None:
    """(N, K) how far models disagree on the predictions of a video of N frames, in frame px.

    Args:
        table: The predictions.
        members: Those of several models; where they are fewer than two, the covariances that an
            ensemble has written beside the table are taken.
        frames: N.

    Returns:
        The standard deviation of each position, the root of the trace of its covariance; None where
        there is neither.

    Raises:
        PoseError: A table cannot be read.
        SuggestionError: The members are not of the same keypoints and frames.
    """
    if len(members) > 1:
        return ensemble_spread([VideoPredictions(member, frames) for member in members])
    if not covariance_path(table).is_file():
        return None
    parts = [np.trace(some, axis1=-2, axis2=-1) for some in read_covariance(table)]
    return np.sqrt(np.concatenate(parts)).astype(np.float32)


def ensemble_spread(members: Sequence[VideoPredictions]) -> PerKeypoint:
    """(N, K) the standard deviation of each position over the members of an ensemble, frame px.

    It is the root of the trace of their covariance: the distance from their mean, squared and
    averaged with one degree of freedom less. NaN where less than two members have the position.

    Args:
        members: Two or more tables of one video.

    Raises:
        PoseError: A table cannot be read.
        SuggestionError: They are not of the same keypoints and frames.
    """
    first = members[0]
    for member in members[1:]:
        if (member.keypoint_names, member.frames) != (first.keypoint_names, first.frames):
            raise SuggestionError(
                "the members of an ensemble must have the same keypoints and frames",
                where=f"{first.path}; {member.path}",
            )
    parts = []
    for chunks in zip(*(member.chunks() for member in members), strict=True):
        points = np.stack([keypoints for keypoints, _ in chunks])
        known = np.isfinite(points).all(axis=-1)
        count = known.sum(axis=0)
        filled = np.where(known[..., None], points, 0.0)
        mean = filled.sum(axis=0) / np.maximum(count, 1)[..., None]
        squares = np.where(known, ((filled - mean) ** 2).sum(axis=-1), 0.0).sum(axis=0)
        variance = squares / np.maximum(count - 1, 1)
        parts.append(np.where(count > 1, np.sqrt(variance), np.nan).astype(np.float32))
    return np.concatenate(parts)


def _identity_doubts(metrics: VideoMetrics, doubts: Sequence[Doubt]) -> Float[ndarray, "rows 1"]:
    """(R, 1) the largest probability of each row that its animal is another one; NaN elsewhere."""
    found = np.full((len(metrics.confidence), 1), np.nan, np.float32)
    if metrics.frame is None or metrics.individual is None:
        return found
    row_of = {
        (int(frame), name): row
        for row, (frame, name) in enumerate(zip(metrics.frame, metrics.individual, strict=True))
    }
    for doubt in doubts:
        wrong = 1 / (1 + np.exp(doubt.margin))
        rows = [row_of[at] for name in doubt.individuals if (at := (doubt.frame, name)) in row_of]
        if wrong >= _LEAST_DOUBT and rows:
            found[rows] = np.fmax(found[rows], wrong)
    return found


def in_words(item: Suspicion, keypoints: int, *, calibrated: bool = False) -> str:
    """Why a frame should be labelled, in plain words.

    Args:
        item: What a metric says of it.
        keypoints: K, how many an animal has.
        calibrated: Whether confidences are probabilities.
    """
    value, part = item.value, item.keypoint or "the animal"
    if item.metric == UNSURE_KEYPOINTS:
        likely = "are probably wrong" if calibrated else "are uncertain"
        said = f"about {value:.1f} of {keypoints} keypoints {likely}"
    elif item.metric.startswith("pca_"):
        said = f"{part} is {value:.1f} px from where labelled poses would have it"
    else:
        said = _WORDS.get(item.metric, f"{item.metric} is {{value:.2f}} at {{part}}").format(
            part=part, value=value
        )
    return said if item.individual is None else f"{item.individual}: {said}"


_WORDS = {
    "temporal_norm": "{part} leaps by {value:.1f} px",
    CONFIDENCE_DROP: "{part} is less certain than usual, by {value:.2f}",
    DISAGREEMENT: "the models disagree on {part}, by {value:.1f} px",
    SCORE_DROP: "the animal is less certain than usual, by {value:.2f}",
    MISSING_KEYPOINTS: "{value:.0f} keypoints less are found than usual",
    DUPLICATE: "two predictions may be of one animal (similarity {value:.2f})",
    IDENTITY_DOUBT: "it is unclear who is who (wrong with probability {value:.2f})",
    MOTION: "it looks unlike the others, and something moves (by {value:.1f} grey levels)",
}
