"""Suggest which frames of videos to label next, each with its reason."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import NamedTuple

import numpy as np

from lp_analysis.confidence.shown import ShownConfidence
from lp_analysis.errors import SuggestionError
from lp_analysis.metrics.frame_metrics import FrameMetric
from lp_analysis.metrics.suspicious import Suspicion, VideoMetrics
from lp_analysis.suggestion.appearance import features_of_videos, survey_videos
from lp_analysis.suggestion.choosing import POOL, FeaturesOf, FrameScores, choose_frames
from lp_analysis.suggestion.evidence import evidence_of_video, in_words, spread_of_video
from lp_analysis.suggestion.ranking import RankedFrames, rank_frames
from lp_analysis.tracks.files import review_path
from lp_analysis.tracks.review import read_review
from lp_core.poses.csv_text import write_csv
from lp_data.inference.handler import PredictionHandler
from lp_data.video.open import open_video
from lp_io.predictions import VideoPredictions, predictions_of_video

COLUMNS = ("video", "frame", "time_s", "score", "reason")

_SECONDS = Fraction(1, 2)  # between two frames, unless the videos are short
_ROOM = 4  # candidates for each frame that there are at least


@dataclass(frozen=True)
class Suggestion:
    """A frame to label.

    Attributes:
        video: The video.
        frame: Its number, from 0.
        time: In seconds.
        score: How much speaks for it; see `rank_frames`.
        reason: Why, in plain words.
        why: What says most for it; None where nothing but its looks does.
    """

    video: Path
    frame: int
    time: float
    score: float
    reason: str
    why: Suspicion | None = None


@dataclass(frozen=True)
class PredictedVideo:
    """A video, and what models say of it.

    Attributes:
        video: The video.
        table: The predictions of the model.
        members: Of several models, the predictions of each; an ensemble has its covariances beside
            the table.
    """

    video: Path
    table: Path
    members: tuple[Path, ...] = ()


@dataclass(frozen=True)
class SuggestionOptions:
    """How many frames are suggested, and how.

    Attributes:
        count: How many.
        apart: How many frames two of a video, or one and a labelled one, are apart at least; None
            for half a second, less in short videos.
        seed: The same seed gives the same frames.
        threshold: Where a keypoint has less confidence, its movement and pose are not judged.
        reader: A registered video reader, or ``auto``.
    """

    count: int = 20
    apart: int | None = None
    seed: int = 0
    threshold: float = 0.0
    reader: str = "auto"

    def __post_init__(self) -> None:
        if self.count < 1 or (self.apart is not None and self.apart < 1):
            raise SuggestionError("the number of frames, and those between, must be at least 1")


Labelled = Mapping[Path, Collection[int]]
"""For videos the frames that are labelled already, or wait to be."""


def suggest_frames(
    videos: Sequence[PredictedVideo],
    options: SuggestionOptions | None = None,
    *,
    handler: PredictionHandler | None = None,
    pose_metrics: Mapping[str, FrameMetric] | None = None,
    labelled: Labelled | None = None,
) -> list[Suggestion]:
    """Frames whose predictions look wrong or uncertain, unlike each other, of all videos.

    No frame is kept in memory; the metrics take some numbers for each frame.

    Args:
        videos: Videos and their predictions, all of the same model.
        options: How many frames, and how.
        handler: Runs the model, whose features tell how alike frames are; None takes small frames.
        pose_metrics: How far poses are from those of the labels, by name.
        labelled: Frames that are not suggested again, nor frames near them.

    Returns:
        The frames in the order of the videos and of time. Where more would be near-duplicates, they
        are fewer than asked for.

    Raises:
        SuggestionError: There are not so many frames, or tables do not go together.
        VideoError: A video cannot be read.
        PoseError: A table cannot be read.
    """
    options, paths = options or SuggestionOptions(), [each.video for each in videos]
    films = Films.opened(paths, options.reader)
    metrics = [
        _evidence(each, film.frames, options, pose_metrics or {})
        for each, film in zip(videos, films.films, strict=True)
    ]
    calibrated = ShownConfidence.of_table(videos[0].table).calibration is not None
    features = features_of_videos(paths, handler, reader=options.reader)
    ranked = rank_frames(metrics)
    scores = [each.scores.astype(np.float64) for each in ranked]
    chooser = _Chooser(paths, films, options, labelled or {}, calibrated)
    return chooser.suggestions(ranked, scores, features, pool=POOL)


def suggest_unpredicted(
    videos: Sequence[Path],
    options: SuggestionOptions | None = None,
    *,
    labelled: Labelled | None = None,
) -> list[Suggestion]:
    """Frames that look unlike each other, and in which something moves, without any model.

    Up to 2,000 frames of all videos, evenly spaced, are looked at; see `suggest_frames`.

    Raises:
        SuggestionError: There are not so many frames.
        VideoError: A video cannot be read.
    """
    options = options or SuggestionOptions()
    films = Films.opened(videos, options.reader)
    survey = survey_videos(videos, reader=options.reader)
    ranked = rank_frames(survey.metrics)
    scores = []
    for each, places in zip(ranked, survey.places, strict=True):
        scores.append(np.full(len(each.scores), -np.inf))
        scores[-1][places] = each.scores[places]
    chooser = _Chooser(videos, films, options, labelled or {})
    return chooser.suggestions(ranked, scores, survey.features, pool=None)


def write_suggestions(path: Path, suggestions: Sequence[Suggestion]) -> None:
    """Write ``video, frame, time_s, score, reason`` as CSV.

    Raises:
        SuggestionError: The file cannot be written.
    """
    rows: list[tuple[object, ...]] = [COLUMNS]
    for each in suggestions:
        time, score = f"{each.time:.4f}", f"{each.score:.3f}"
        rows.append((each.video, each.frame, time, score, each.reason))
    write_csv(path, rows, SuggestionError, "the table")


class Film(NamedTuple):
    """How long a video is, and how fast."""

    frames: int
    fps: Fraction


class Films(NamedTuple):
    """The lengths of videos.

    Attributes:
        films: Those of each.
    """

    films: tuple[Film, ...]

    @classmethod
    def opened(cls, videos: Sequence[Path], reader: str) -> Films:
        """Those of video files.

        Raises:
            SuggestionError: There is none, or two have the same name.
            VideoError: One cannot be read.
        """
        found = []
        for video in _checked(videos):
            with open_video(video, reader=reader) as source:
                found.append(Film(len(source), source.fps))
        return cls(tuple(found))

    def apart(self, options: SuggestionOptions) -> int:
        """How many frames two that are chosen are apart at least."""
        if options.apart is not None:
            return options.apart
        usual = min(round(film.fps * _SECONDS) for film in self.films)
        frames = sum(film.frames for film in self.films)
        return max(1, min(usual, frames // (_ROOM * options.count)))


def _checked(videos: Sequence[Path]) -> Sequence[Path]:
    """Refuse no videos, and videos of the same name, whose images would have the same paths."""
    if not videos:
        raise SuggestionError("no video is given", remedy="name videos to suggest frames of")
    of_name: dict[str, Path] = {}
    for video in videos:
        other = of_name.setdefault(video.stem, video)
        if other is not video:
            raise SuggestionError(
                "two videos have the same name, and their images would have the same paths",
                where=f"{other}; {video}",
                remedy="rename one of them",
            )
    return videos


def _evidence(
    each: PredictedVideo,
    frames: int,
    options: SuggestionOptions,
    pose_metrics: Mapping[str, FrameMetric],
) -> VideoMetrics:
    predictions = predictions_of_video(each.table, frames)
    review = review_path(each.table)
    several = not isinstance(predictions, VideoPredictions)
    if several and each.members:
        raise SuggestionError(
            "the members of an ensemble are compared for one animal only", where=each.table
        )
    return evidence_of_video(
        predictions,
        pose_metrics,
        threshold=options.threshold,
        confidence=ShownConfidence.of_table(each.table),
        spread=None if several else spread_of_video(each.table, each.members, frames),
        doubts=read_review(review) if several and review.is_file() else (),
    )


@dataclass(frozen=True)
class _Chooser:
    """Chooses among the ranked frames of videos."""

    videos: Sequence[Path]
    films: Films
    options: SuggestionOptions
    labelled: Labelled = field(default_factory=dict)
    calibrated: bool = False

    def suggestions(
        self,
        ranked: Sequence[RankedFrames],
        scores: Sequence[FrameScores],
        features: FeaturesOf,
        *,
        pool: int | None,
    ) -> list[Suggestion]:
        chosen = choose_frames(
            scores,
            self.options.count,
            features,
            labelled=[self.labelled.get(video, ()) for video in self.videos],
            apart=self.films.apart(self.options),
            pool=pool,
            seed=self.options.seed,
        )
        return [self._suggestion(ranked[each.video], *each) for each in chosen]

    def _suggestion(self, ranked: RankedFrames, video: int, frame: int, score: float) -> Suggestion:
        why = ranked.reason(frame)
        keypoints = len(ranked.metrics.keypoint_names)
        said = (
            "it looks unlike the others"
            if why is None
            else in_words(why, keypoints, calibrated=self.calibrated)
        )
        time = float(frame / self.films.films[video].fps)
        return Suggestion(self.videos[video], frame, time, score, said, why)
