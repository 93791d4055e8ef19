"""What a report tells of several animals: who was found in videos, and what contact costs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import numpy as np
from jaxtyping import Int
from numpy import ndarray

from lp_analysis.confidence.shown import ShownConfidence
from lp_analysis.labeled_predictions import LabeledPrediction
from lp_analysis.metrics.animals import (
    CONTACT,
    AnimalOptions,
    contact_levels,
    distances_to_others,
)
from lp_analysis.metrics.oks import body_length
from lp_analysis.metrics.summary import PixelErrorSummary
from lp_analysis.rendering.draw import PoseDrawer, animals_of
from lp_analysis.rendering.style import DrawingStyle
from lp_analysis.report.content import section
from lp_analysis.report.parts import (
    AnimalErrors,
    CaptionedPicture,
    ReportedAnimals,
    Run,
    Track,
)
from lp_analysis.report.videos import MOST_VIDEOS
from lp_analysis.tracks.files import review_path
from lp_analysis.tracks.review import Doubt, least_certain, read_review
from lp_core.poses import PoseTable
from lp_core.video import VideoSource
from lp_data.video.open import open_video
from lp_io.checkpoint import Manifest, read_manifest
from lp_io.model_directory import (
    DETECTOR_FOLDER,
    MANIFEST_NAME,
    SCORE_THRESHOLD,
    TOP_DOWN,
    WHOLE_FRAME,
)
from lp_io.predictions import AnimalPredictions

_MOST_DOUBTS = 10
_PICTURES_PER_REASON = 3


def errors_by_contact(result: LabeledPrediction) -> AnimalErrors | None:
    """The pixel errors of labelled frames by the contact of the labelled animals, and by split.

    Returns:
        None where no frame can show several animals, or no animal has two labelled keypoints.
    """
    labels = result.labels
    known = labels.has_position
    if labels.individual is None or not (known.sum(axis=1) > 1).any():
        return None
    number = {name: place for place, name in enumerate(dict.fromkeys(labels.image_paths))}
    frame = np.array([number[name] for name in labels.image_paths], dtype=np.int64)
    order = np.argsort(frame, kind="stable")
    nearest = np.full(len(labels), np.inf)
    nearest[order] = distances_to_others(labels.points[order], frame[order])
    length, options = body_length(labels.points), AnimalOptions()
    level = contact_levels(nearest / length, options)
    labelled = np.any(known, axis=1)
    by_level = {}
    for place, name in enumerate(CONTACT[1:], 1):
        rows = np.flatnonzero((level == place) & labelled)
        sets = [result.sets[row] for row in rows]
        if len(rows):
            by_level[name] = PixelErrorSummary.from_errors(
                result.visible_errors[rows], labels.keypoint_names, sets
            )
    return AnimalErrors(length, options, by_level)


def animal_facts(folder: Path, manifest: Manifest) -> dict[str, str]:
    """What a model directory knows of animals that it finds; nothing where it looks for one.

    Args:
        folder: The model directory.
        manifest: Its manifest.
    """
    known = manifest.extra.get(TOP_DOWN, manifest.extra.get(WHOLE_FRAME))
    if not isinstance(known, dict):
        return {}
    facts, name = {}, "score threshold"
    if "crop_size" in known:
        height, width = known["crop_size"]
        facts["crops"] = f"{width}×{height} px"
        name, folder = "detector's score threshold", folder / DETECTOR_FOLDER
    if known.get("several"):
        count = known.get("count")
        facts["animals"] = "any number" if count is None else f"at most {count}"
    if (folder / MANIFEST_NAME).is_file():
        threshold = read_manifest(folder).extra.get(SCORE_THRESHOLD)
        if isinstance(threshold, float):
            facts[name] = f"{threshold:.2f}"
    return facts


def reported_several(
    videos: Sequence[tuple[Path, Path]],
    errors: AnimalErrors | None,
    style: DrawingStyle,
    note: Callable[[str], None],
) -> list[ReportedAnimals]:
    """`reported_animals` of the first videos, each with its table; what fails is noted.

    Args:
        videos: The videos and their tables.
        errors: Those of the labelled animals; None where a frame shows one, and there is nothing
            to tell.
        style: How to draw.
        note: Called with what could not be told.
    """
    if errors is None:
        return []
    found = []
    for video, table in videos[:MOST_VIDEOS]:
        make = partial(reported_animals, video, table, errors.body_length, style)
        found.append(section(f"section on {video.name}", make, note))
    return [part for part in found if part is not None]


def reported_animals(
    video: Path, table: Path, length: float, style: DrawingStyle
) -> ReportedAnimals:
    """Who was found in a predicted video, and pictures of the frames that deserve a look.

    Args:
        video: The video.
        table: Its predictions.
        length: Of the bodies, in frame px.
        style: How to draw.

    Raises:
        LPError: The video or a table cannot be read, or they do not belong together.
    """
    with open_video(video) as source:
        predictions = AnimalPredictions(table, len(source), ShownConfidence.of_table(table))
        census = _Census(len(source), length)
        for rows in predictions.tables():
            census.add(rows)
        doubts = _doubts(table, len(source))
        frames = _worth_a_look(census.animals, doubts)
        return ReportedAnimals(
            name=video.name,
            fps=source.fps,
            animals=census.animals,
            contact=census.contact,
            tracks=census.tracks(),
            untracked=census.untracked,
            doubts=doubts,
            pictures=list(_pictures(source, predictions, frames, style)),
        )


@dataclass
class _Census:
    """Counts the animals of the frames of a video as their rows pass by.

    Attributes:
        frames: Of the video.
        length: Of a body in frame px.
        untracked: Rows without a track.
    """

    frames: int
    length: float
    untracked: int = 0
    _runs: dict[str, list[Run]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.animals = np.zeros(self.frames, np.int64)
        self.contact = np.zeros(self.frames, np.int64)

    def add(self, rows: PoseTable) -> None:
        """Count the rows of the next frames."""
        if not len(rows):
            return
        frame = np.array(rows.frame, dtype=np.int64)
        np.add.at(self.animals, frame, 1)
        distance = distances_to_others(rows.points, frame - frame[0])
        level = contact_levels(distance / self.length, AnimalOptions())
        np.maximum.at(self.contact, frame, level)
        for number, name in zip(frame.tolist(), rows.individual or (), strict=True):
            if name is None:
                self.untracked += 1
            else:
                self._see(name, number)

    def _see(self, name: str, frame: int) -> None:
        runs = self._runs.setdefault(name, [])
        if runs and frame <= runs[-1].stop:
            runs[-1] = Run(runs[-1].start, max(frame + 1, runs[-1].stop))
        else:
            runs.append(Run(frame, frame + 1))

    def tracks(self) -> list[Track]:
        """Those that were seen, the longest first."""
        found = [Track(name, tuple(runs)) for name, runs in self._runs.items()]
        return sorted(found, key=lambda track: -track.seen)


def _doubts(table: Path, frames: int) -> list[Doubt]:
    """The least certain decisions of the review list beside a table; none without a list."""
    path = review_path(table)
    if not path.is_file():
        return []
    known = [doubt for doubt in read_review(path) if 0 <= doubt.frame < frames]
    return least_certain(known, _MOST_DOUBTS)


def _worth_a_look(animals: Int[ndarray, " frames"], doubts: Sequence[Doubt]) -> dict[int, str]:
    """Frames, and why: doubtful decisions, and the longest times with an unusual number."""
    frames = {}
    for doubt in doubts[:_PICTURES_PER_REASON]:
        names = "".join(f", {name}" for name in doubt.individuals)
        frames[doubt.frame] = f"{doubt.reason}{names} (margin {doubt.margin:.1f})"
    usual = Counter(animals.tolist()).most_common(1)[0][0] if len(animals) else 0
    for run in _longest_runs(animals != usual)[:_PICTURES_PER_REASON]:
        middle = (run.start + run.stop) // 2
        seen = f"{animals[middle]} instead of {usual} animals for {run.stop - run.start} frames"
        frames.setdefault(middle, seen)
    return dict(sorted(frames.items()))


def _longest_runs(chosen: ndarray) -> list[Run]:
    edges = np.flatnonzero(np.diff(np.concatenate([[0], chosen.astype(np.int8), [0]])))
    runs = [Run(start, stop) for start, stop in edges.reshape(-1, 2).tolist()]
    return sorted(runs, key=lambda run: run.start - run.stop)


def _pictures(
    source: VideoSource, predictions: AnimalPredictions, frames: dict[int, str], style: DrawingStyle
) -> Iterator[CaptionedPicture]:
    drawer = PoseDrawer(predictions.keypoint_names, source.size, style, predictions.individuals)
    for (frame, reason), rows in zip(frames.items(), predictions.at(list(frames)), strict=True):
        image = source.read(frame, frame + 1)[0]
        yield CaptionedPicture(
            drawer.draw_animals(image, animals_of(rows)), f"frame {frame}: {reason}"
        )
