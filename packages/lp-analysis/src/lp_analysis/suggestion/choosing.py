"""Choose frames that have something to teach, are unlike each other, and spread over videos."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Collection, Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int
from numpy import ndarray
from scipy.cluster.vq import kmeans2
from scipy.spatial.distance import cdist, pdist

from lp_analysis.errors import SuggestionError
from lp_analysis.metrics.outliers import Outlier, worst_frames

POOL = 8
"""Candidates for each frame that is chosen by its score."""

_ALIKE = 0.1  # share of the root mean square distance below which two frames are near-duplicates
_EVEN = 0.5  # share of the frames that is dealt out evenly over the videos

Features = Float[ndarray, "_frames features"]
FrameScores = Float[ndarray, " _frames"]
FeaturesOf = Callable[[int, Sequence[int]], Features]
"""Features of some frames, given in ascending order, of the video of a number."""


class Chosen(NamedTuple):
    """A frame of the video of a number."""

    video: int
    frame: int
    score: float


def choose_frames(
    scores: Sequence[Float[ndarray, " _frames"]],
    count: int,
    features: FeaturesOf,
    *,
    labelled: Sequence[Collection[int]] = (),
    apart: int = 1,
    pool: int | None = POOL,
    seed: int = 0,
    fewer: bool = False,
) -> list[Chosen]:
    """Choose frames by their scores, diverse in their features, spread over the videos.

    Half of the frames are dealt out evenly over the videos, the others by where the best candidates
    are. In each video, its best candidates are put into as many clusters as it gives frames
    (k-means), and the best of each cluster is chosen. Frames that look almost like one that is
    labelled or chosen are left out, so that fewer frames may come back.

    Args:
        scores: Of each video (N,) of its N frames; -inf for a frame that is no candidate.
        count: How many frames.
        features: Gives features of frames; called for candidates and labelled frames only.
        labelled: For each video the frames that are labelled already; none of them, nor any near
            it, is chosen.
        apart: How many frames two chosen ones, or one and a labelled one, are apart at least.
        pool: Of so many candidates for each frame that a video gives, the best, one is taken; None
            for all.
        seed: Of the clusters; the same seed gives the same frames.
        fewer: Take what there is where there are not so many frames.

    Returns:
        The frames in the order of the videos and of time.

    Raises:
        SuggestionError: There are not so many frames that far apart, or none.
    """
    known = [sorted(frames) for frames in labelled] or [[] for _ in scores]
    free = [_without(each, frames, apart) for each, frames in zip(scores, known, strict=True)]
    most = max(map(len, scores), default=0) if pool is None else pool * count
    candidates = [worst_frames(each[:, None], most, apart=apart) for each in free]
    available = sum(map(len, candidates))
    if count > available and not (fewer and available):
        raise SuggestionError(
            f"{count} frames were asked for, but only {available} of the "
            f"{sum(map(len, scores))} frames are free: not labelled, and {apart} apart",
            remedy="ask for fewer (--count), give more videos, or let frames be nearer (--apart)",
        )
    chosen: list[Chosen] = []
    for video, quota in enumerate(_quotas(candidates, min(count, available))):
        best = candidates[video][: None if pool is None else pool * quota]
        best.sort(key=lambda item: item.frame)
        if not best:
            continue
        taken = [frame for frame in known[video] if 0 <= frame < len(scores[video])]
        looks = features(video, [item.frame for item in best])
        others = features(video, taken) if taken else looks[:0]
        values = np.array([item.value for item in best])
        places = _diverse(values, looks, others, quota, seed + video)
        chosen += [Chosen(video, best[place].frame, best[place].value) for place in places]
    return sorted(chosen)


def _without(
    scores: Float[ndarray, " _frames"], labelled: Sequence[int], apart: int
) -> Float[ndarray, " _frames"]:
    """The scores, with -inf near labelled frames."""
    free = np.array(scores, np.float64)
    for frame in labelled:
        free[max(frame - apart + 1, 0) : max(frame + apart, 0)] = -np.inf
    return free


def _quotas(candidates: Sequence[Sequence[Outlier]], count: int) -> list[int]:
    """How many frames each video gives, at most as many as it has candidates."""
    best = sorted((item.value for some in candidates for item in some), reverse=True)
    limit = best[min(POOL * count, len(best)) - 1]
    shares = np.array([sum(item.value >= limit for item in some) for some in candidates], float)
    capacity = np.array([len(some) for some in candidates])
    shares = (1 - _EVEN) * shares / shares.sum() + _EVEN * (capacity > 0) / (capacity > 0).sum()
    quotas = np.zeros(len(capacity), int)
    for _ in range(count):  # to the video that is furthest below its share
        lacking = np.where(quotas < capacity, shares * count - quotas, -np.inf)
        quotas[int(lacking.argmax())] += 1
    found: list[int] = quotas.tolist()
    return found


def _diverse(
    scores: Float[ndarray, " frames"], looks: Features, labelled: Features, count: int, seed: int
) -> list[int]:
    """The best candidate of each cluster, and then the best others, but no near-duplicates."""
    # not the median, which is 0 where most frames show one and the same
    near = _ALIKE * float(np.sqrt((pdist(looks) ** 2).mean())) if len(looks) > 1 else 0.0
    cluster = _clusters(looks, count, seed)
    by_score = np.argsort(-scores, kind="stable").tolist()
    leader = {int(cluster[place]): place for place in reversed(by_score)}
    leaders = [place for place in by_score if leader[int(cluster[place])] == place]
    chosen: list[int] = []
    seen = labelled
    for place in dict.fromkeys([*leaders, *by_score]):
        look = looks[place : place + 1]
        if len(chosen) < count and (not len(seen) or cdist(look, seen).min() > near):
            chosen.append(place)
            seen = np.concatenate([seen, look])
    return chosen


def _clusters(features: Features, count: int, seed: int) -> Int[ndarray, " frames"]:
    """The cluster of each row, by k-means; rows that are the same are in the same."""
    different, own = np.unique(features, axis=0, return_inverse=True)
    if count >= len(different):
        return own.reshape(-1)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # an empty cluster
        rng = np.random.default_rng(seed)
        _, found = kmeans2(features.astype(np.float64), count, minit="++", seed=rng)
    return np.asarray(found, dtype=np.int64)
