"""One self-contained HTML report of a training."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction

from lp_analysis.figures.reliability import ReliabilityCurve
from lp_analysis.metrics.curves import TrainingCurves
from lp_analysis.metrics.frame_metrics import PerKeypoint
from lp_analysis.metrics.metric_files import MetricTable
from lp_analysis.rendering.text import Picture


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
class ReportedConfidence:
    """How reliable the confidence is.

    Attributes:
        curves: Reliability by name, such as ``likelihood`` and ``calibrated``.
        radius: Frame px that the confidence is about.
        source: Which frames it was measured on, in a sentence.
    """

    curves: Mapping[str, ReliabilityCurve]
    radius: float
    source: str = ""


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
        videos: Metrics of predicted videos.
        timings: By what took them, seconds, or the time in words.
        config: The resolved config as YAML.
    """

    title: str
    facts: Mapping[str, str] = field(default_factory=dict)
    errors: MetricTable | None = None
    curves: TrainingCurves | None = None
    worst_frames: Sequence[CaptionedPicture] = ()
    confidence: ReportedConfidence | None = None
    videos: Sequence[ReportedVideo] = ()
    timings: Mapping[str, float | str] = field(default_factory=dict)
    config: str = ""
