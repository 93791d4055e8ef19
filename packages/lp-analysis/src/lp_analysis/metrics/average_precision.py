"""Average precision and recall of predicted animals, as COCO defines them for keypoints."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int
from numpy import ndarray

from lp_analysis.metrics.paired_frames import PairedFrames

THRESHOLDS = np.linspace(0.5, 0.95, 10)
"""Similarities from which on a prediction is right: .50:.05:.95."""

RECALLS = np.linspace(0, 1, 101)
"""Recalls at which precision is read."""

MAX_DETECTIONS = 20
"""Predictions per frame that count, those with the highest scores; COCO's number for keypoints."""


@dataclass(frozen=True, eq=False)
class Ranking:
    """Predictions of a video that are right or wrong, for each of T thresholds.

    Attributes:
        scores: (P,) of those predictions of each frame that count.
        right: (T, P) whether it found an animal that no better prediction had found.
        ignored: (T, P) whether it is neither right nor wrong.
        animals: How many there are to find.
    """

    scores: Float[ndarray, " predictions"]
    right: Bool[ndarray, "thresholds predictions"]
    ignored: Bool[ndarray, "thresholds predictions"]
    animals: int


@dataclass(frozen=True, eq=False)
class AveragePrecision:
    """Precision and recall by threshold; NaN where there is no animal to find.

    Attributes:
        precision: (T,) mean of the precision at `RECALLS`.
        recall: (T,) of all predictions.
    """

    precision: Float[ndarray, " thresholds"]
    recall: Float[ndarray, " thresholds"]

    @property
    def ap(self) -> float:
        """AP: the mean over thresholds."""
        return float(self.precision.mean())

    @property
    def ar(self) -> float:
        """AR: the mean recall over thresholds."""
        return float(self.recall.mean())

    def at(self, threshold: float) -> float:
        """AP50, AP75: the precision at one threshold."""
        return float(self.precision[np.flatnonzero(np.isclose(THRESHOLDS, threshold))[0]])


def rank_predictions(
    frames: PairedFrames,
    *,
    ignored: Bool[ndarray, " truth"] | None = None,
    ignored_unmatched: Bool[ndarray, " predicted"] | None = None,
    max_detections: int = MAX_DETECTIONS,
) -> Ranking:
    """Match predictions with labelled animals for each threshold, as pycocotools does.

    In each frame, by falling score, each prediction takes the most similar animal that is still
    free; one that is to be ignored only where no other is similar enough.

    Args:
        frames: The animals.
        ignored: (R,) further labelled animals to ignore.
        ignored_unmatched: (P,) predictions that are ignored unless they match an animal.
        max_detections: Predictions per frame that count.
    """
    ignored = frames.ignored if ignored is None else frames.ignored | ignored
    truths = np.bincount(frames.truth_frame, minlength=len(frames.frames))
    predictions = np.bincount(frames.predicted_frame, minlength=len(frames.frames))
    first_truth, first_prediction = np.cumsum(truths) - truths, np.cumsum(predictions) - predictions
    first_pair, _ = frames.pair_starts
    slots = np.arange(max(truths.max(initial=0), 1))
    taken = np.zeros((len(truths), len(THRESHOLDS), len(slots)), bool)
    match = np.full((len(THRESHOLDS), len(frames.predicted)), -1)
    for rank in range(min(max_detections, int(predictions.max(initial=0)))):
        chosen = np.flatnonzero((predictions > rank) & (truths > 0))
        present = slots < truths[chosen, None]
        truth = np.where(present, first_truth[chosen, None] + slots, 0)
        pair = first_pair[chosen, None] + slots * predictions[chosen, None] + rank
        similar = np.where(present, frames.similarity[np.where(present, pair, 0)], -1)
        free = ~taken[chosen] | frames.crowd[truth][:, None]
        slot = _best(similar, free, ignored[truth])
        which, threshold = np.nonzero(slot >= 0)
        found = slot[which, threshold]
        taken[chosen[which], threshold, found] = True
        match[threshold, first_prediction[chosen[which]] + rank] = truth[which, found]
    counted = (
        np.arange(len(frames.predicted)) - first_prediction[frames.predicted_frame] < max_detections
    )
    return _ranking(frames, match, counted, ignored, ignored_unmatched)


def _best(
    similar: Float[ndarray, "frames slots"],
    free: Bool[ndarray, "frames thresholds slots"],
    ignored: Bool[ndarray, "frames slots"],
) -> Int[ndarray, "frames thresholds"]:
    """The slot of the most similar free animal, the last among equals; -1 where there is none."""
    enough = np.minimum(THRESHOLDS, 1 - 1e-10)[None, :, None]
    free = free & (similar[:, None] >= enough)
    wanted = free & ~ignored[:, None]
    free = np.where(wanted.any(axis=-1, keepdims=True), wanted, free)
    values = np.where(free, similar[:, None], -1)
    last = values.shape[-1] - 1 - values[..., ::-1].argmax(axis=-1)
    return np.where(free.any(axis=-1), last, -1)


def _ranking(
    frames: PairedFrames,
    match: Int[ndarray, "thresholds predicted"],
    counted: Bool[ndarray, " predicted"],
    ignored: Bool[ndarray, " truth"],
    ignored_unmatched: Bool[ndarray, " predicted"] | None,
) -> Ranking:
    matched = match >= 0
    neither = np.zeros(match.shape, bool)
    if len(ignored):
        neither = matched & ignored[match]
    if ignored_unmatched is not None:
        neither |= ~matched & ignored_unmatched
    right = matched & ~neither
    return Ranking(
        frames.scores[counted], right[:, counted], neither[:, counted], int((~ignored).sum())
    )


class RankedPredictions:
    """The predictions of all videos by falling score, of which videos may count several times.

    Args:
        rankings: One for each video.
    """

    def __init__(self, rankings: Sequence[Ranking]) -> None:
        scores = np.concatenate([r.scores for r in rankings])
        order = np.argsort(-scores, kind="stable")
        counts = [len(r.scores) for r in rankings]
        self._video = np.repeat(np.arange(len(rankings)), counts)[order]
        self._right = np.concatenate([r.right for r in rankings], axis=1)[:, order]
        ignored = np.concatenate([r.ignored for r in rankings], axis=1)[:, order]
        self._wrong = ~self._right & ~ignored
        self._animals = np.array([r.animals for r in rankings])

    def average_precision(
        self, counts: Float[ndarray, " videos"] | None = None
    ) -> AveragePrecision:
        """Average precision and recall.

        Args:
            counts: How often each video counts, as in a bootstrap; None: once.
        """
        counts = np.ones(len(self._animals)) if counts is None else counts
        animals = float(counts @ self._animals)
        if animals == 0:
            nothing = np.full(len(THRESHOLDS), np.nan)
            return AveragePrecision(nothing, nothing)
        weights = counts[self._video]
        right = np.cumsum(self._right * weights, axis=1)
        wrong = np.cumsum(self._wrong * weights, axis=1)
        recall = right / animals
        precision = right / np.maximum(right + wrong, 1)
        envelope = np.maximum.accumulate(precision[:, ::-1], axis=1)[:, ::-1]
        means = []
        for reached, values in zip(recall, envelope, strict=True):
            place = np.searchsorted(reached, RECALLS)
            means.append(np.append(values, 0.0)[place].mean())
        return AveragePrecision(
            np.array(means), recall[:, -1] if weights.size else recall.sum(axis=1)
        )


def average_precision(
    videos: Sequence[PairedFrames], *, max_detections: int = MAX_DETECTIONS
) -> AveragePrecision:
    """AP and AR of one or several videos, with the predictions of all of them ranked together.

    They are what pycocotools computes for keypoints and all areas. Without an animal to find all
    numbers are NaN, without a prediction 0.
    """
    rankings = [rank_predictions(video, max_detections=max_detections) for video in videos]
    return RankedPredictions(rankings).average_precision()
