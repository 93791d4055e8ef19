"""What a check of a project found, and its text for the terminal."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Literal, NamedTuple

from lp_core.errors import LPError
from lp_data.datasets.neighbours import NeighbourEvidence

_PARTICULARS = re.compile(r"'[^']*'|[-+]?\d[\d.e+-]*")

_MOST_ALIKE = 3

Severity = Literal["error", "warning"]


class Problem(NamedTuple):
    """One thing that is wrong, where, and what to do about it.

    An ``error`` stops training or prediction; a ``warning`` spoils it. ``where`` is the file, and
    where it applies the line, column or frame; ``remedy`` may be empty.
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
    def kind(self) -> tuple[str, ...]:
        """What problems of one kind have in common: the words, without names and numbers."""
        words = (_PARTICULARS.sub("…", text) for text in (self.problem, self.remedy))
        return (self.severity, *words)

    def __str__(self) -> str:
        """Up to three lines for the terminal."""
        lines = [f"{self.severity}: {self.problem}"]
        lines += [f"  in: {self.where}"] if self.where else []
        lines += [f"  try: {self.remedy}"] if self.remedy else []
        return "\n".join(lines)


class KeypointSummary(NamedTuple):
    """In how many frames a keypoint is marked visible, and in how many occluded."""

    name: str
    visible: int
    occluded: int


class AnimalSummary(NamedTuple):
    """In how many images an individual is labelled, and with how many keypoints in all."""

    name: str
    images: int
    keypoints: int


class VideoSummary(NamedTuple):
    """What a video is.

    ``codec`` is FFmpeg's name of it, ``size`` (height, width) in frame px, and ``num_frames`` how
    many frames can be decoded.
    """

    path: Path
    codec: str
    size: tuple[int, int]
    num_frames: int
    fps: Fraction


class ViewsSummary(NamedTuple):
    """How the views of several cameras go together.

    ``frames`` says how many labelled frames have images of how many views; ``sessions`` is the
    table of the sessions and their videos; ``calibrations`` are the files of calibrated cameras by
    session; ``images`` are such files, with what their cameras filmed, in words, and (width,
    height) of the images of each view.
    """

    names: tuple[str, ...]
    frames: Mapping[int, int] = {}
    sessions: str = ""
    calibrations: Mapping[str, Path] = {}
    images: tuple[tuple[Path, str, Mapping[str, tuple[int, int]]], ...] = ()


@dataclass(frozen=True)
class ProjectReport:
    """Everything a check found.

    Attributes:
        project: The project folder.
        label_files: The label files that were read.
        other_tables: The CSV files in the project folder that are not label files.
        num_frames: How many images have a row.
        num_labelled_frames: How many of them have a labelled keypoint.
        num_animals: How many labelled animals there are on them; where files name no individuals,
            as many as images.
        keypoints: Each keypoint and how often it is labelled.
        animals: Each individual and how often it is labelled; empty where files name none.
        animals_per_image: How many images have which number of labelled animals.
        image_sizes: How many images have which (height, width) in frame px.
        neighbours: Which frames have their two neighbours on either side, which models with context
            learn from, and whether these are neighbours in time.
        videos: The videos that can be opened.
        beside_videos: Names of what is in the folder of videos and is not a video; may be empty.
        views: How the views of several cameras go together; None where there is one camera.
        problems: What is wrong, in the order in which it was found.
    """

    project: Path
    label_files: tuple[Path, ...] = ()
    other_tables: tuple[Path, ...] = ()
    num_frames: int = 0
    num_labelled_frames: int = 0
    num_animals: int = 0
    keypoints: tuple[KeypointSummary, ...] = ()
    animals: tuple[AnimalSummary, ...] = ()
    animals_per_image: Counter[int] = field(default_factory=Counter)
    image_sizes: Counter[tuple[int, int]] = field(default_factory=Counter)
    neighbours: NeighbourEvidence = field(default_factory=lambda: NeighbourEvidence({}, {}))
    videos: tuple[VideoSummary, ...] = ()
    beside_videos: str = ""
    views: ViewsSummary | None = None
    problems: tuple[Problem, ...] = ()

    @property
    def errors(self) -> tuple[Problem, ...]:
        """The problems that stop training or prediction."""
        return tuple(each for each in self.problems if each.severity == "error")

    @property
    def share_labelled(self) -> float:
        """The labelled share of all keypoints of all animals, from 0 to 1."""
        labelled = sum(each.visible + each.occluded for each in self.keypoints)
        return labelled / max(1, self.num_animals * len(self.keypoints))


def report_text(report: ProjectReport, *, verbose: bool = False) -> str:
    """The summary tables, then the problems, then the count of them.

    Of many problems of one kind only the first is listed, unless the text is to be ``verbose``.
    """
    parts = [_table(_facts(report))]
    if report.keypoints:
        rows = [_keypoint_row(each, report.num_animals) for each in report.keypoints]
        parts.append(_table([("keypoint", "visible", "occluded", "labelled"), *rows]))
    if report.views and report.views.sessions:
        parts.append(report.views.sessions)
    if report.animals:
        rows = [(each.name, str(each.images), str(each.keypoints)) for each in report.animals]
        parts.append(_table([("individual", "images", "keypoints labelled"), *rows]))
    if report.videos:
        rows = [_video_row(each) for each in report.videos]
        parts.append(_table([("video", "codec", "size", "frames", "fps"), *rows]))
    parts += map(str, report.problems) if verbose else _grouped(report.problems)
    return "\n\n".join([*parts, _verdict(report)])


def _grouped(problems: Sequence[Problem]) -> list[str]:
    """The problems, of many of one kind only the first and how many there are."""
    kinds: dict[tuple[str, ...], list[Problem]] = {}
    for problem in problems:
        kinds.setdefault(problem.kind, []).append(problem)
    parts: list[str] = []
    for alike in kinds.values():
        if len(alike) <= _MOST_ALIKE:
            parts += map(str, alike)
        else:
            more = _count(len(alike) - 1, f"more {alike[0].severity}")
            parts.append(f"{alike[0]}\n  and {more} of this kind, which --verbose lists")
    return parts


def _facts(report: ProjectReport) -> list[tuple[str, ...]]:
    sizes = report.image_sizes.most_common()
    who = "animals" if report.animals else "frames"
    counts = ", ".join(f"{n} in {count}" for n, count in sorted(report.animals_per_image.items()))
    proved = f"{report.neighbours.num_proved} of {report.num_frames} frames (±2)"
    return [
        ("project", str(report.project)),
        ("label files", _names(report.label_files)),
        ("other CSV files", _names(report.other_tables)),
        ("frames", f"{report.num_frames}, {report.num_labelled_frames} with labels"),
        *([("animals per frame", f"{counts} frames")] if counts else []),
        *_view_facts(report.views),
        ("keypoints", str(len(report.keypoints))),
        ("labelled", f"{report.share_labelled:.1%} of all keypoints in all {who}"),
        ("image sizes", ", ".join(f"{_size(size)} ({count})" for size, count in sizes) or "none"),
        ("with neighbours", "; ".join(filter(None, [proved, report.neighbours.unproved_text()]))),
        ("videos", str(len(report.videos))),
        ("left out of them", report.beside_videos or "nothing"),
    ]


def _view_facts(views: ViewsSummary | None) -> list[tuple[str, ...]]:
    if views is None:
        return []
    counts = ", ".join(f"{count} of {number}" for number, count in views.frames.items())
    calibrated = ", ".join(sorted({path.name for path in views.calibrations.values()}))
    return [
        ("views", ", ".join(views.names)),
        ("views per frame", f"{counts} views" if counts else "none"),
        ("calibration", calibrated or "none"),
    ]


def _names(paths: Sequence[Path]) -> str:
    return ", ".join(path.name for path in paths) or "none"


def _keypoint_row(keypoint: KeypointSummary, num_animals: int) -> tuple[str, ...]:
    share = (keypoint.visible + keypoint.occluded) / max(1, num_animals)
    return (keypoint.name, str(keypoint.visible), str(keypoint.occluded), f"{share:.0%}")


def _video_row(video: VideoSummary) -> tuple[str, ...]:
    fps = f"{float(video.fps):.3f}".rstrip("0").rstrip(".")
    return (video.path.name, video.codec, _size(video.size), str(video.num_frames), fps)


def _size(size: tuple[int, int]) -> str:
    """Width × height, as everyone writes it."""
    return f"{size[1]}×{size[0]}"


def _table(rows: Sequence[tuple[str, ...]]) -> str:
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    lines = [
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        for row in rows
    ]
    return "\n".join(line.rstrip() for line in lines)


def _verdict(report: ProjectReport) -> str:
    errors = len(report.errors)
    warnings = len(report.problems) - errors
    if not report.problems:
        return "no problem found"
    return f"{_count(errors, 'error')}, {_count(warnings, 'warning')}"


def _count(number: int, word: str) -> str:
    return f"{number} {word}" if number == 1 else f"{number} {word}s"
