"""Average precision and recall of predicted animals, as COCO defines them for keypoints."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int, Num
from numpy import ndarray

from lp_analysis.errors import EvaluationError
from lp_analysis.metrics.paired_frames import PairedFrames

THRESHOLDS = np.linspace(0.5, 0.95, 10)
"""Similarities from which on a prediction is right: .50:.05:.95."""

RECALLS = np.linspace(0, 1, 101)
"""Recalls at which precision is read."""

_PLACES = 2000

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

    Raises:
        EvaluationError: A predicted animal has no score.
    """
    if frames.unranked:
        row = int(np.flatnonzero(np.isnan(frames.scores))[0])
        raise EvaluationError(
            "a predicted animal has neither a score nor confidences, so it cannot be ranked",
            where=frames.predicted.place(row),
        )
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
    """The predictions of all videos, ranked together by their scores.

    Args:
        rankings: One for each of V videos.
    """

    def __init__(self, rankings: Sequence[Ranking]) -> None:
        right = np.concatenate([r.right for r in rankings], axis=1)
        wrong = ~right & ~np.concatenate([r.ignored for r in rankings], axis=1)
        judged = (right | wrong).any(axis=0)
        order = np.argsort(-np.concatenate([r.scores for r in rankings])[judged], kind="stable")
        videos = np.repeat(np.arange(len(rankings)), [len(r.scores) for r in rankings])
        self._video = videos[judged][order]
        self._right, self._wrong = right[:, judged][:, order], wrong[:, judged][:, order]
        self._animals = np.array([r.animals for r in rankings])

    def average_precision(self) -> AveragePrecision:
        """Average precision and recall, exactly."""
        return _average(
            np.cumsum(self._right, axis=1), np.cumsum(self._wrong, axis=1), self._animals.sum()
        )

    def resampled(self, times: Float[ndarray, "resamples videos"]) -> Iterator[AveragePrecision]:
        """Average precision and recall where each video counts a number of times.

        Precision is read at 2,000 places of the ranking at most.

        Args:
            times: (B, V) how often each video counts.

        Yields:
            One for each of the B resamples.
        """
        count, videos = len(self._video), len(self._animals)
        places = min(count, _PLACES)
        code = np.arange(count) * places // max(count, 1) * videos + self._video
        right, wrong = (
            np.stack([np.bincount(code[some], minlength=places * videos) for some in flags])
            .reshape(len(THRESHOLDS), places, videos)
            .astype(np.float64)
            for flags in (self._right, self._wrong)
        )
        for counts in times:
            yield _average(
                np.cumsum(right @ counts, axis=1),
                np.cumsum(wrong @ counts, axis=1),
                counts @ self._animals,
            )


def _average(
    right: Num[ndarray, "thresholds places"],
    wrong: Num[ndarray, "thresholds places"],
    animals: float | np.number,
) -> AveragePrecision:
    """Average precision and recall, of predictions counted down to places of the ranking."""
    if animals == 0:
        nothing = np.full(len(THRESHOLDS), np.nan)
        return AveragePrecision(nothing, nothing)
    recall = right / animals
    precision = right / np.maximum(right + wrong, 1)
    envelope = np.maximum.accumulate(precision[:, ::-1], axis=1)[:, ::-1]
    envelope = np.pad(envelope, ((0, 0), (0, 1)))
    read = [values[np.searchsorted(r, RECALLS)] for r, values in zip(recall, envelope, strict=True)]
    return AveragePrecision(np.mean(read, axis=1), recall.max(axis=1, initial=0))


def average_precision(
    videos: Sequence[PairedFrames], *, max_detections: int = MAX_DETECTIONS
) -> AveragePrecision:
    """AP and AR of one or several videos, with the predictions of all of them ranked together.

    They are what pycocotools computes for keypoints and all areas. Without an animal to find all
    numbers are NaN, without a prediction 0.
    """
    rankings = [rank_predictions(video, max_detections=max_detections) for video in videos]
    return RankedPredictions(rankings).average_precision()
