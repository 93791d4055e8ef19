"""What a check of a project found."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Literal

from lp_core.errors import LPError
from lp_data.datasets.time_order import NeighbourEvidence

_PARTICULARS = re.compile(r"'[^']*'|[-+]?\d[\d.e+-]*")

Severity = Literal["error", "warning"]


@dataclass(frozen=True)
class Problem:
    """One thing that is wrong.

    Attributes:
        severity: An ``error`` stops training or prediction; a ``warning`` spoils it.
        problem: What is wrong.
        where: The file, and where it applies the line, column or frame.
        remedy: What to do about it; may be empty.
    """

    severity: Severity
    problem: str
    where: str
    remedy: str = ""

    @classmethod
    def of(cls, error: LPError, severity: Severity = "error") -> Problem:
        """The problem that ``error`` tells of."""
        return cls(severity, error.problem, error.where or "", error.remedy or "")

    @property
    def kind(self) -> tuple[str, str, str]:
        """What problems of one kind have in common: the words, without names and numbers."""
        return (
            self.severity,
            _PARTICULARS.sub("…", self.problem),
            _PARTICULARS.sub("…", self.remedy),
        )

    def __str__(self) -> str:
        """Up to three lines for the terminal."""
        lines = [f"{self.severity}: {self.problem}"]
        lines += [f"  in: {self.where}"] if self.where else []
        lines += [f"  try: {self.remedy}"] if self.remedy else []
        return "\n".join(lines)


@dataclass(frozen=True)
class KeypointSummary:
    """How often a keypoint is labelled.

    Attributes:
        name: The keypoint.
        visible: In how many frames it is marked visible.
        occluded: In how many it is marked occluded.
    """

    name: str
    visible: int
    occluded: int


@dataclass(frozen=True)
class VideoSummary:
    """What a video is.

    Attributes:
        path: The file.
        codec: FFmpeg's name of its codec.
        size: (height, width) in frame px.
        num_frames: How many frames can be decoded.
        fps: Average frames per second.
    """

    path: Path
    codec: str
    size: tuple[int, int]
    num_frames: int
    fps: Fraction


@dataclass(frozen=True)
class ProjectReport:
    """Everything a check found.

    Attributes:
        project: The project folder.
        label_files: The label files that were read.
        other_tables: The CSV files in the project folder that are not label files.
        num_frames: How many images have a row.
        num_labelled_frames: How many of them have a labelled keypoint.
        keypoints: Each keypoint and how often it is labelled.
        image_sizes: How many images have which (height, width) in frame px.
        neighbours: Which frames have their two neighbours on either side, which models with context
            learn from, and whether these are neighbours in time.
        videos: The videos that can be opened.
        beside_videos: Names of what is in the folder of videos and is not a video; may be empty.
        problems: What is wrong, in the order in which it was found.
    """

    project: Path
    label_files: tuple[Path, ...] = ()
    other_tables: tuple[Path, ...] = ()
    num_frames: int = 0
    num_labelled_frames: int = 0
    keypoints: tuple[KeypointSummary, ...] = ()
    image_sizes: Counter[tuple[int, int]] = field(default_factory=Counter)
    neighbours: NeighbourEvidence = field(default_factory=lambda: NeighbourEvidence({}, {}))
    videos: tuple[VideoSummary, ...] = ()
    beside_videos: str = ""
    problems: tuple[Problem, ...] = ()

    @property
    def errors(self) -> tuple[Problem, ...]:
        """The problems that stop training or prediction."""
        return tuple(each for each in self.problems if each.severity == "error")

    @property
    def share_labelled(self) -> float:
        """The labelled share of all keypoints in all frames, from 0 to 1."""
        labelled = sum(each.visible + each.occluded for each in self.keypoints)
        return labelled / max(1, self.num_frames * len(self.keypoints))
