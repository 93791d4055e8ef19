"""Extra labels for a student: what a teacher is sure of, on frames without labels.

Extra labels are predictions, each with a weight: `lp_data.extra_labels` lets them train, and never
validate or test, and leaves out images that are labelled by hand.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from lp_analysis.confidence.calibration import usual_radius
from lp_analysis.confidence.shown import ShownConfidence
from lp_analysis.errors import SuggestionError
from lp_analysis.metrics.frame_metrics import PerKeypoint
from lp_analysis.suggestion.appearance import features_of_videos
from lp_analysis.suggestion.choosing import POOL, choose_frames
from lp_analysis.suggestion.evidence import spread_of_video
from lp_analysis.suggestion.extraction import (
    Extracted,
    check_keypoints,
    first_guess,
    labelled_frames,
    write_images,
)
from lp_analysis.suggestion.suggest import Films, PredictedVideo, SuggestionOptions
from lp_core.poses import PoseTable, concatenate, write_pose_csv
from lp_data.extra_labels import DISTILLED
from lp_data.inference.handler import PredictionHandler
from lp_data.labels import read_labels
from lp_io.predictions import VideoPredictions, predictions_of_video

_TAUGHT = 0.5  # share of the keypoints of a frame that the teacher has to be sure of


@dataclass(frozen=True)
class DistilOptions:
    """Which predictions become extra labels.

    Attributes:
        count: Frames of all videos together, at most.
        least: Keypoints of less weight are left out; above 0 and at most 1.
        apart, seed, reader: See `SuggestionOptions`.
    """

    count: int = 200
    least: float = 0.5
    apart: int | None = None
    seed: int = 0
    reader: str = "auto"

    def __post_init__(self) -> None:
        if not 0 < self.least <= 1:
            raise SuggestionError(
                f"the least weight must be above 0 and at most 1, got {self.least:g}"
            )


def extra_labels_file(label_file: Path) -> Path:
    """Where extra labels lie: ``CollectedData_distilled.csv`` beside the labels."""
    return label_file.with_name(f"{label_file.stem}{DISTILLED}.csv")


def distil(
    videos: Sequence[PredictedVideo],
    label_file: Path,
    options: DistilOptions | None = None,
    *,
    smoothed: Mapping[Path, Path] | None = None,
    handler: PredictionHandler | None = None,
    scorer: str = "teacher",
) -> Extracted:
    """Write what a teacher is sure of as extra labels of a project, with their images.

    Frames in which at least half of the keypoints have enough weight are chosen as `choose_frames`
    does, the surest of each cluster: unlike each other, spread over the videos, and not near a
    labelled one. See `label_weights` for the weights. There may be fewer frames than asked for.

    Args:
        videos: Videos, and what the teacher says of them.
        label_file: The labels of the project, in its folder.
        options: How many, and how sure.
        smoothed: For videos the smoothed predictions, whose positions are taken then.
        handler: Runs the teacher, whose features tell how alike frames are; None takes small ones.
        scorer: Who is said to have labelled.

    Raises:
        SuggestionError: The teacher is sure of no frame, has other keypoints than the labels, or
            finds several animals.
        PoseError: A table cannot be read or written.
        VideoError: A video cannot be read.
    """
    options, smoothed = options or DistilOptions(), smoothed or {}
    labels, paths = read_labels(label_file), [each.video for each in videos]
    if labels.individual is not None:
        raise SuggestionError(
            "extra labels are of one animal, but several are labelled", where=label_file
        )
    films = Films.opened(paths, options.reader)
    found = [
        label_weights(each, film.frames, labels, smoothed.get(each.video))
        for each, film in zip(videos, films.films, strict=True)
    ]
    weights = [np.where(each >= options.least, each, 0.0) for each in found]
    scores = [_scores(each, options.count) for each in weights]
    if not any(np.isfinite(each).any() for each in scores):
        raise SuggestionError(
            f"in no frame do half of the keypoints have a weight of {options.least:g}",
            remedy="lower --least, or give it more labels first",
        )
    chosen = choose_frames(
        scores,
        options.count,
        features_of_videos(paths, handler, reader=options.reader),
        labelled=[labelled_frames(labels.image_paths, path) for path in paths],
        apart=films.apart(SuggestionOptions(options.count, options.apart)),
        pool=None,
        seed=options.seed,
        fewer=True,
    )
    parts, target = [], extra_labels_file(label_file)
    for number, each in enumerate(videos):
        own = [item.frame for item in chosen if item.video == number]
        if own:
            table = smoothed.get(each.video, each.table)
            rows = first_guess(each.video, own, table, labels.skeleton)
            parts.append(replace(rows, confidence=weights[number][own]))
    frames = [(paths[each.video], each.frame) for each in chosen]
    done = write_images(frames, label_file.parent, target)
    write_pose_csv(replace(concatenate(parts), scorer=scorer), target)
    return done


def label_weights(
    each: PredictedVideo, frames: int, labels: PoseTable, smoothed: Path | None = None
) -> PerKeypoint:
    """(N, K) how much each prediction of a video should count as a label, from 0 to 1.

    The calibrated confidence, or the likelihood without one; times exp(-d² / 2r²), where r is 5 %
    of the animal's size, for the standard deviation d over the members of an ensemble, and for the
    distance d from the smoothed position. Keypoints are those of the labels; 0 for one without a
    position, or that the teacher does not predict.

    Raises:
        PoseError: A table cannot be read.
        SuggestionError: The predictions are of several animals, or of other keypoints.
    """
    predictions = predictions_of_video(each.table, frames)
    if not isinstance(predictions, VideoPredictions):
        raise SuggestionError(
            "extra labels are of one animal, but the teacher finds several", where=each.table
        )
    check_keypoints(predictions.keypoint_names, labels.keypoint_names, each.table)
    shown = ShownConfidence.of_table(each.table)
    weights = np.concatenate([shown(confidence) for _, confidence in predictions.chunks()])
    off: list[PerKeypoint] = []
    spread = spread_of_video(each.table, each.members, frames)
    if spread is not None:
        off.append(spread)
    if smoothed is not None:
        off.append(_distance(predictions, VideoPredictions(smoothed, frames)))
    radius = usual_radius(labels.points) if off else None
    for distance in off if radius else ():
        weights = weights * np.exp(-0.5 * (distance / radius) ** 2)
    places = [labels.keypoint_names.index(name) for name in predictions.keypoint_names]
    found = np.zeros((frames, labels.num_keypoints))
    found[:, places] = np.nan_to_num(weights)
    return found


def _distance(one: VideoPredictions, other: VideoPredictions) -> PerKeypoint:
    """(N, K) frame px between the positions of two tables; NaN where one has none."""
    pairs = zip(one.chunks(), other.chunks(), strict=True)
    return np.concatenate([
        np.linalg.norm(mine - smooth, axis=-1) for (mine, _), (smooth, _) in pairs
    ])  # fmt: skip


def _scores(weights: PerKeypoint, count: int) -> Float[ndarray, " frames"]:
    """How much each frame teaches; -inf where too little, and for all but enough candidates."""
    enough = np.flatnonzero((weights > 0).mean(axis=1) >= _TAUGHT)
    if len(enough) > POOL * count:
        enough = enough[np.linspace(0, len(enough) - 1, POOL * count).astype(int)]
    found = np.full(len(weights), -np.inf)
    found[enough] = weights[enough].mean(axis=1)
    return found
