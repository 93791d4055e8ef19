"""One self-contained HTML report of a training."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from typing import NamedTuple

from jaxtyping import Int
from numpy import ndarray

from lp_analysis.figures.reliability import KeptPromise, ReliabilityCurve
from lp_analysis.metrics.animals import AnimalOptions
from lp_analysis.metrics.curves import TrainingCurves
from lp_analysis.metrics.frame_metrics import PerKeypoint
from lp_analysis.metrics.metric_files import MetricTable
from lp_analysis.metrics.summary import PixelErrorSummary
from lp_analysis.prediction.space_errors import SpaceErrors
from lp_analysis.rendering.text import Picture
from lp_analysis.tracks.review import Doubt


@dataclass(frozen=True)
class CaptionedPicture:
    """A picture and what it shows.

    Attributes:
        picture: (H, W, 3) RGB.
        caption: In a sentence or less.
    """

    picture: Picture = field(repr=False)
    caption: str


@dataclass(frozen=True, eq=False)
class ReportedVideo:
    """Metrics of the predictions of one video.

    Attributes:
        name: Of the video.
        fps: Frames per second.
        keypoint_names: K names.
        metrics: (N, K) frame px for each metric by its name, such as ``temporal norm``.
        pictures: Of suspicious frames.
    """

    name: str
    fps: Fraction
    keypoint_names: Sequence[str]
    metrics: Mapping[str, PerKeypoint]
    pictures: Sequence[CaptionedPicture] = ()


@dataclass(frozen=True)
class AnimalErrors:
    """The errors of labelled animals by how near others were.

    Attributes:
        body_length: In frame px.
        options: What counts as near and as touching.
        by_level: By contact level, which is one that occurs.
    """

    body_length: float
    options: AnimalOptions
    by_level: Mapping[str, PixelErrorSummary]


class Run(NamedTuple):
    """Consecutive frames.

    Attributes:
        start: The first.
        stop: The one after the last.
    """

    start: int
    stop: int


class Track(NamedTuple):
    """When an individual was seen.

    Attributes:
        name: Of the individual.
        runs: The frames in which it was, in order.
    """

    name: str
    runs: tuple[Run, ...]

    @property
    def seen(self) -> int:
        """How many frames show it."""
        return sum(run.stop - run.start for run in self.runs)


@dataclass(frozen=True, eq=False)
class ReportedAnimals:
    """Who was found in one video of several animals.

    Attributes:
        name: Of the video.
        fps: Frames per second.
        animals: (N,) how many each frame shows.
        contact: (N,) the nearest contact in each frame: its place among the contact levels, 0
            without any animal.
        tracks: The individuals, the longest seen first.
        untracked: Rows that belong to none of them.
        doubts: The least certain decisions, if there is a list of them.
        pictures: Of frames that deserve a look.
    """

    name: str
    fps: Fraction
    animals: Int[ndarray, " frames"]
    contact: Int[ndarray, " frames"]
    tracks: Sequence[Track]
    untracked: int = 0
    doubts: Sequence[Doubt] = ()
    pictures: Sequence[CaptionedPicture] = ()


@dataclass(frozen=True)
class ReportedConfidence:
    """How reliable the confidence is.

    Attributes:
        curves: Reliability by name, such as ``likelihood`` and ``calibrated``.
        within: What the confidence is about, such as ``within 5 px``.
        source: Which frames it was measured on, in a sentence.
        splits: Reliability of the calibrated confidence by split, or label file.
        promises: Of each keypoint, and of all, in each of them.
        warnings: What fails, and what to do, in a sentence each.
        notes: What cannot be judged, in a sentence each.
    """

    curves: Mapping[str, ReliabilityCurve]
    within: str
    source: str = ""
    splits: Mapping[str, ReliabilityCurve] = field(default_factory=dict)
    promises: Sequence[KeptPromise] = ()
    warnings: Sequence[str] = ()
    notes: Sequence[str] = ()


@dataclass(frozen=True)
class TrainingReport:
    """All that a report may tell; what is left out has no section.

    Attributes:
        title: The heading.
        facts: Short facts about the training by name, such as its backbone.
        errors: Pixel errors of the labelled frames, with their splits.
        curves: What the training logged.
        worst_frames: Pictures of the frames with the largest errors, the worst first.
        confidence: How reliable the confidence is.
        space: The errors in space, of calibrated cameras.
        videos: Metrics of predicted videos.
        animal_errors: The errors by contact, where frames show several animals.
        animals: Who was found in predicted videos of several animals.
        timings: By what took them, seconds, or the time in words.
        config: The resolved config as YAML.
    """

    title: str
    facts: Mapping[str, str] = field(default_factory=dict)
    errors: MetricTable | None = None
    curves: TrainingCurves | None = None
    worst_frames: Sequence[CaptionedPicture] = ()
    confidence: ReportedConfidence | None = None
    space: SpaceErrors | None = None
    videos: Sequence[ReportedVideo] = ()
    animal_errors: AnimalErrors | None = None
    animals: Sequence[ReportedAnimals] = ()
    timings: Mapping[str, float | str] = field(default_factory=dict)
    config: str = ""
