"""All metrics of predicted animals, one or several: detection, keypoints and identities.

One animal per frame is no special case. What cannot be said is NaN, an empty cell in CSV and null
in JSON: precision and recall without an animal to find, pixel errors without a match, times where
the frames per second are not known, and intervals of a single video. Where animals are labelled and
none is predicted, AP, AR, PCK, IDF1 and HOTA are 0; where animals are predicted and none is
labelled, IDF1 and HOTA are 0.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Int
from numpy import ndarray

from lp_analysis.errors import EvaluationError
from lp_analysis.metrics.average_precision import (
    MAX_DETECTIONS,
    RankedPredictions,
    rank_predictions,
)
from lp_analysis.metrics.bootstrap import Interval, interval, sums, times_drawn
from lp_analysis.metrics.frame_metrics import PerKeypoint, pixel_error
from lp_analysis.metrics.identities import (
    IdentityCounts,
    count_identities,
    names_individuals,
    ratio,
    track_errors,
)
from lp_analysis.metrics.oks import COCO_SIGMA, body_length, has_position
from lp_analysis.metrics.paired_frames import (
    PairedFrames,
    Regions,
    all_pairs,
    mean_positions,
    pair_frames,
)
from lp_analysis.metrics.summary import PixelErrorSummary
from lp_core.poses import PoseTable, Visibility

CONTACT = ("all", "apart", "near", "touching")
"""Contact levels of animals: all of them, and by the distance to the nearest other one."""

_BLOCK = 2**22  # distances at once


@dataclass(frozen=True)
class AnimalOptions:
    """How animals are judged.

    Attributes:
        sigmas: The tolerance σ of each keypoint, or of all; see `lp_analysis.metrics.oks`.
        threshold: The similarity from which on animals match, but for AP, AR and HOTA.
        body_length: In frame px; None: that of each video's labels.
        pck: Distances within which a keypoint is correct, in body lengths.
        touching: Animals touch if a keypoint of one is less than so far from one of the other, in
            body lengths.
        near: Likewise for animals that are near each other.
        max_detections: Predictions per frame that count for AP and AR.
        resamples: Of the bootstrap over videos.
        seed: Of the bootstrap.
    """

    sigmas: float | tuple[float, ...] = COCO_SIGMA
    threshold: float = 0.5
    body_length: float | None = None
    pck: tuple[float, ...] = (0.05, 0.1, 0.2)
    touching: float = 0.2
    near: float = 1.0
    max_detections: int = MAX_DETECTIONS
    resamples: int = 1000
    seed: int = 0


class VideoTables(NamedTuple):
    """What is judged of one video, or of the labelled images of a project.

    Attributes:
        truth: See `pair_frames`, as for all of these.
        predicted: The predictions.
        fps: Frames per second.
        regions: What is annotated beyond keypoints.
    """

    truth: PoseTable
    predicted: PoseTable
    fps: float | None = None
    regions: Regions | None = None


@dataclass(frozen=True, eq=False)
class AnimalMetrics:
    """The metrics of predicted animals.

    Attributes:
        values: By contact level, then by the name of the metric: the value, and its interval over
            videos. Identities are judged for all levels together.
        pixel_errors: Statistics of the pixel error of matched animals by contact level.
        lengths: The body length in each video, in frame px.
        options: How they were judged.
        notes: What was left out, and why.
    """

    values: Mapping[str, Mapping[str, Interval]]
    pixel_errors: PixelErrorSummary
    lengths: tuple[float, ...]
    options: AnimalOptions
    notes: tuple[str, ...] = ()


class DetectionCounts(NamedTuple):
    """What was found, (B, L) each: in B sets of videos, for L contact levels.

    Attributes:
        frames: With any such animal; for all levels together, all judged frames.
        false: Predicted without a match.
        animals, found: Labelled, and matched.
        visible, visible_found: Labelled and matched of those with a keypoint labelled as visible.
        switches: See `IdentityCounts`; NaN where identities cannot be judged.
        labelled, correct: (B, L) keypoints of labelled animals, and (B, L, T) those within T
            distances.
        error, errors: The sum of the errors of matched keypoints in frame px, and their number.
        visible_error, visible_errors: The same of keypoints that are labelled as visible.
    """

    frames: Float[ndarray, "sets levels"]
    false: Float[ndarray, "sets levels"]
    animals: Float[ndarray, "sets levels"]
    found: Float[ndarray, "sets levels"]
    visible: Float[ndarray, "sets levels"]
    visible_found: Float[ndarray, "sets levels"]
    switches: Float[ndarray, "sets levels"]
    labelled: Float[ndarray, "sets levels"]
    correct: Float[ndarray, "sets levels distances"]
    error: Float[ndarray, "sets levels"]
    errors: Float[ndarray, "sets levels"]
    visible_error: Float[ndarray, "sets levels"]
    visible_errors: Float[ndarray, "sets levels"]

    def metrics(self, pck: Sequence[float]) -> dict[str, Float[ndarray, "sets levels"]]:
        """The metrics by name. PCK is of all labelled keypoints, those of missed animals included.

        Args:
            pck: The distances of `correct` in body lengths.
        """
        shares = ratio(self.correct, self.labelled[..., None])
        return {
            "animals": self.animals,
            "found": ratio(self.found, self.animals),
            "visible_found": ratio(self.visible_found, self.visible),
            "missed_per_frame": ratio(self.animals - self.found, self.frames),
            "false_per_frame": ratio(self.false, self.frames),
            **{f"PCK@{at:g}": shares[..., place] for place, at in enumerate(pck)},
            "switches": self.switches,
            "pixel_error": ratio(self.error, self.errors),
            "visible_pixel_error": ratio(self.visible_error, self.visible_errors),
        }


def evaluate_animals(
    videos: Mapping[str, VideoTables], options: AnimalOptions | None = None
) -> AnimalMetrics:
    """Judge predictions of one or several videos.

    Identities are left out where a table of a frame with several animals names none of them, and AP
    and AR where predicted animals have neither a score nor confidences.

    Args:
        videos: By name.
        options: How to judge.

    Raises:
        EvaluationError: There is no video, their keypoints differ, or one cannot be judged; see
            `pair_frames` and `count_identities`.
    """
    options = options or AnimalOptions()
    if not videos:
        raise EvaluationError("there is no video to evaluate")
    if len({video.truth.keypoint_names for video in videos.values()}) > 1:
        raise EvaluationError("the videos do not have the same labelled keypoints")
    judged = [_JudgedVideo(video, options) for video in videos.values()]
    times = np.ones((1, len(judged)))
    if len(judged) > 1:
        random = np.random.default_rng(options.seed)
        times = np.concatenate([times, times_drawn(random, len(judged), options.resamples)])
    found = DetectionCounts(*sums([video.counts for video in judged], times))
    unranked = sum(video.unranked for video in judged)
    metrics = {} if unranked else _precisions(judged, times)
    metrics |= found.metrics(options.pck)
    values = {
        level: {name: _interval(draws[:, place]) for name, draws in metrics.items()}
        for place, level in enumerate(CONTACT)
    }
    identities = [video.identities for video in judged if video.identities is not None]
    if len(identities) == len(judged):
        pooled = IdentityCounts(*sums(identities, times)).metrics()
        values[CONTACT[0]] |= {name: _interval(draws) for name, draws in pooled.items()}
    lengths = tuple(video.length for video in judged)
    notes = [_unranked_note(unranked)] if unranked else []
    return AnimalMetrics(values, _pixel_errors(judged), lengths, options, tuple(notes))


def _unranked_note(animals: int) -> str:
    return (
        f"AP and AR are left out: {animals} predicted animals have neither a score nor "
        "confidences, so they cannot be ranked"
    )


def _interval(draws: Float[ndarray, " sets"]) -> Interval:
    """Of values of all videos once, and then of resamples of them."""
    return interval(float(draws[0]), draws[1:])


def _precisions(
    videos: Sequence[_JudgedVideo], times: Float[ndarray, "sets videos"]
) -> dict[str, Float[ndarray, "sets levels"]]:
    """AP, AP50, AP75 and AR."""
    levels = []
    for level in range(len(CONTACT)):
        ranked = RankedPredictions([video.rankings[level] for video in videos])
        results = [ranked.average_precision(), *ranked.resampled(times[1:])]
        levels.append([(r.ap, r.at(0.5), r.at(0.75), r.ar) for r in results])
    values = np.moveaxis(np.array(levels), -1, 0)
    return {name: value.T for name, value in zip(("AP", "AP50", "AP75", "AR"), values, strict=True)}


def _pixel_errors(videos: Sequence[_JudgedVideo]) -> PixelErrorSummary:
    errors = np.concatenate([video.errors for video in videos])
    level = np.concatenate([video.level for video in videos])
    order = np.argsort(level, kind="stable")
    sets = [CONTACT[0]] * len(errors) + [CONTACT[number] for number in level[order].tolist()]
    names = videos[0].frames.truth.keypoint_names
    return PixelErrorSummary.from_errors(np.concatenate([errors, errors[order]]), names, sets)


class _JudgedVideo:
    """One video: its animals matched, their errors and contact levels, and what adds up.

    Args:
        video: The tables.
        options: How to judge.
    """

    def __init__(self, video: VideoTables, options: AnimalOptions) -> None:
        frames = pair_frames(
            video.truth, video.predicted, sigmas=options.sigmas,
            regions=video.regions, body_length=options.body_length,
        )  # fmt: skip
        labels = frames.truth.points
        length = options.body_length or (body_length(labels) if len(labels) else np.nan)
        self.length = float(length)
        level = contact_levels(nearest_distances(frames) / length, options)
        found_level = _levels_of_predictions(frames, level)
        self.unranked = frames.unranked
        self.rankings = [
            rank_predictions(
                frames,
                ignored=~_in_level(level, place),
                ignored_unmatched=~_in_level(found_level, place),
                max_detections=options.max_detections,
            )
            for place in range(len(CONTACT) if not self.unranked else 0)
        ]
        self.level, found_level = (
            level[~frames.ignored],
            found_level[~frames.beside(options.threshold)],
        )
        self.frames = frames.without_ignored(options.threshold)
        self.identities, switched = None, np.full(len(self.level), np.nan)
        if names_individuals(self.frames):
            self.identities = count_identities(
                self.frames, fps=video.fps, threshold=options.threshold
            )
            switched = track_errors(self.frames, options.threshold).switched.astype(float)
        matched = self.frames.matches(options.threshold)
        self.errors = _matched_errors(self.frames, matched)
        self.counts = _counts(self, matched, switched, found_level, length, options.pck)


def _in_level(level: Int[ndarray, " rows"], place: int) -> Bool[ndarray, " rows"]:
    return (level == place) | (place == 0)


def nearest_distances(frames: PairedFrames) -> Float[ndarray, " truth"]:
    """From each labelled animal to the nearest other one, keypoint to keypoint, in frame px.

    Infinite for the only animal of a frame.
    """
    return distances_to_others(frames.truth.points, frames.truth_frame)


def distances_to_others(
    points: Float[ndarray, "rows keypoints 2"], frame: Int[ndarray, " rows"]
) -> Float[ndarray, " rows"]:
    """From each animal to the nearest other one of its frame, keypoint to keypoint.

    Args:
        points: (R, K, 2) frame px.
        frame: (R,) numbers of frames from 0, ascending.

    Returns:
        (R,) frame px; infinite for the only animal of a frame.
    """
    pairs = all_pairs(frame, frame, int(frame.max(initial=-1)) + 1)
    pairs = pairs[pairs[:, 0] < pairs[:, 1]]
    nearest = np.full(len(points), np.inf)
    step = max(1, _BLOCK // points.shape[1] ** 2)
    for first, second in (pairs[start : start + step].T for start in range(0, len(pairs), step)):
        x, y = np.moveaxis(points[first][:, :, None] - points[second][:, None], -1, 0)
        distance = np.fmin.reduce(np.hypot(x, y), axis=(1, 2), initial=np.inf)
        np.minimum.at(nearest, first, distance)
        np.minimum.at(nearest, second, distance)
    return nearest


def contact_levels(
    distances: Float[ndarray, " rows"], options: AnimalOptions
) -> Int[ndarray, " rows"]:
    """The places in `CONTACT` of animals whose nearest other one is so many body lengths off."""
    return 1 + (distances < options.near) + (distances < options.touching).astype(int)


def _levels_of_predictions(
    frames: PairedFrames, level: Int[ndarray, " truth"]
) -> Int[ndarray, " predicted"]:
    """The level of the labelled animal whose mean position is nearest; apart without any."""
    levels = np.ones(len(frames.predicted), np.int64)
    truth, found = frames.pairs.T
    gap = (
        mean_positions(frames.truth.points)[:, truth]
        - mean_positions(frames.predicted.points)[:, found]
    )
    order = np.lexsort((np.hypot(*gap), found))
    some, first = np.unique(found[order], return_index=True)
    levels[some] = level[truth[order[first]]]
    return levels


def _matched_errors(frames: PairedFrames, matched: Int[ndarray, " truth"]) -> PerKeypoint:
    """(R, K) frame px, NaN for missed animals."""
    labels = frames.truth.points
    points = np.full(labels.shape, np.nan)
    points[matched >= 0] = frames.predicted.points[matched[matched >= 0]]
    return pixel_error(labels, points)


def _counts(
    video: _JudgedVideo,
    matched: Int[ndarray, " truth"],
    switched: Float[ndarray, " truth"],
    found_level: Int[ndarray, " predicted"],
    length: float,
    pck: Sequence[float],
) -> DetectionCounts:
    """The counts of each contact level."""
    frames, errors = video.frames, video.errors
    false = np.ones(len(found_level))
    false[matched[matched >= 0]] = 0
    labelled = has_position(frames.truth.points)
    known = np.isfinite(errors)
    visible = known & (frames.truth.codes == Visibility.VISIBLE)
    error = np.where(known, errors, 0)
    correct = np.stack([(known & (errors <= at * length)).sum(axis=1) for at in pck], axis=1)
    seen = np.any(frames.truth.codes == Visibility.VISIBLE, axis=1)
    per_row = (
        np.ones(len(matched)), matched >= 0, seen, seen & (matched >= 0), switched,
        labelled.sum(axis=1), correct,
        error.sum(axis=1), known.sum(axis=1), (error * visible).sum(axis=1), visible.sum(axis=1),
    )  # fmt: skip
    levels = range(len(CONTACT))
    mine = np.stack([_in_level(video.level, place) for place in levels])
    theirs = np.stack([_in_level(found_level, place) for place in levels])
    numbers = [
        np.union1d(frames.truth_frame[truth], frames.predicted_frame[found]).size
        for truth, found in zip(mine, theirs, strict=True)
    ]
    numbers[0] = len(frames.frames)
    by_level = [np.stack([row[some].sum(axis=0) for some in mine]) for row in per_row]
    counts = (np.array(numbers), theirs @ false, *by_level)
    return DetectionCounts(*(np.asarray(count, np.float64)[None] for count in counts))
