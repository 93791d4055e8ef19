"""How much speaks for labelling each frame, of several videos on one scale."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int
from numpy import ndarray

from lp_analysis.metrics.suspicious import Suspicion, VideoMetrics, suspicion_at, worst_by_frame

FrameScores = Float[ndarray, " frames"]


@dataclass(frozen=True, eq=False)
class RankedFrames:
    """The frames of a video on a scale that they share with those of other videos.

    Attributes:
        scores: (N,) how much speaks for each, 0 where nothing does.
        metrics: Of the video.
        strongest: (N,) the number of the metric that says most.
    """

    scores: FrameScores
    metrics: VideoMetrics
    strongest: Int[ndarray, " frames"]

    def reason(self, frame: int) -> Suspicion | None:
        """What says most for a frame; None where nothing does."""
        if not self.scores[frame] > 0:
            return None
        name = tuple(self.metrics.values)[int(self.strongest[frame])]
        row = int(worst_by_frame(self.metrics, name).rows[frame])
        return suspicion_at(self.metrics, name, frame, row)


def rank_frames(videos: Sequence[VideoMetrics]) -> list[RankedFrames]:
    """Score the frames of videos that one model has predicted.

    Metrics have different units, so that each frame counts by its place among all: of the share p
    of frames whose value is at least as large, -log10 p is added up over the metrics, as R. A.
    Fisher combines the evidence of several tests (Statistical Methods for Research Workers, 1932).
    A leap as rare as 1 in 1000 so counts 3, and several metrics that agree count more than one.
    Values that are not above 0 say nothing.

    Args:
        videos: Their metrics, of the same kinds; a video may lack some.
    """
    names = list(dict.fromkeys(name for metrics in videos for name in metrics.values))
    scores = [np.zeros((len(names), metrics.frames), np.float32) for metrics in videos]
    for place, name in enumerate(names):
        values = [
            worst_by_frame(metrics, name).values
            if name in metrics.values
            else np.full(metrics.frames, -np.inf)
            for metrics in videos
        ]
        for score, rarity in zip(scores, _rarities(values), strict=True):
            score[place] = rarity
    return [
        RankedFrames(score.sum(axis=0), metrics, _strongest(score, names, metrics))
        for score, metrics in zip(scores, videos, strict=True)
    ]


def _strongest(
    score: Float[ndarray, "metrics frames"], names: Sequence[str], metrics: VideoMetrics
) -> Int[ndarray, " frames"]:
    """The metric of each frame that says most, by its number among those of the video."""
    own = [names.index(name) for name in metrics.values]
    return score[own].argmax(axis=0) if own and score.shape[1] else np.zeros(score.shape[1], int)


def _rarities(videos: Sequence[FrameScores]) -> list[FrameScores]:
    """-log10 of the share of all frames whose value is at least that of each frame."""
    every = np.sort(np.concatenate(videos))
    found = []
    for values in videos:
        larger = len(every) - np.searchsorted(every, values, side="left")
        rarity = np.log10(max(len(every), 1)) - np.log10(np.maximum(larger, 1))
        found.append(np.where(values > 0, rarity, 0.0))
    return found
