"""Predict a video of several animals: find them, look at each, and follow them over time."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from jaxtyping import Int
from numpy import ndarray

from lp_analysis.tracks import UNTRACKED, OnlineTracker, TrackingOptions
from lp_core.poses import PoseTable
from lp_core.video import VideoSource
from lp_data.video.open import open_video
from lp_io.predictions.rows import RowFile, write_individuals
from lp_io.predictions.source import write_source
from lp_pipeline.display import SILENT, Display
from lp_pipeline.prediction.result import VideoResult, prediction_identity
from lp_pipeline.prediction.top_down import TopDownPredictor


def predict_several(
    predictor: TopDownPredictor,
    video: Path,
    table: Path,
    *,
    scorer: str,
    reader: str = "auto",
    display: Display = SILENT,
    resume: bool = False,
) -> VideoResult:
    """Predict every animal of every frame of a video, and name the animals by their tracks.

    Args:
        predictor: Finds the animals and looks at each.
        video: A video, a folder of images, or a stack of images.
        table: The CSV to write, with a row of header ``individuals``; it appears when it is
            complete. ``<stem>_source.json`` beside it says what video it is of.
        scorer: Goes into the table's first header row.
        reader: A registered video reader, or ``auto``.
        display: Where to report to.
        resume: Go on where an interrupted run of the same model on the same video stopped.

    Raises:
        VideoError: The video cannot be read exactly.
    """
    started = time.perf_counter()
    handler = predictor.handler
    with open_video(video, reader=reader) as source:
        identity = prediction_identity(handler, source, video) + predictor.digest
        rows = RowFile(table, predictor.skeleton.names, identity=identity, resume=resume)
        with rows:
            resumed = handler.seam(rows.frames, len(source))
            rows.keep(resumed)
            _find(predictor, source, rows, resumed, video.name, display)
            _write(rows, table, len(source), predictor, scorer)
        damage = getattr(source, "damage", None)
    rows.remove()
    write_source(table, video, handler.weights_digest, None)
    return VideoResult(table, len(source), time.perf_counter() - started, damage, resumed)


def _find(
    predictor: TopDownPredictor,
    source: VideoSource,
    rows: RowFile,
    start: int,
    name: str,
    display: Display,
) -> None:
    """Append the rows of the frames from ``start`` on."""
    with display.task(name, len(source)) as update:
        update(start)
        for numbers, part in predictor.predict_video(source, start):
            rows.append(part, numbers)
            update(numbers.stop)


def _write(
    rows: RowFile, table: Path, frames: int, predictor: TopDownPredictor, scorer: str
) -> None:
    """Follow the animals, and write the table with their names."""
    options = TrackingOptions(animals=predictor.options.count)
    tracks = list(_tracks(rows, options))
    slots, names = _slots([track for _, track in tracks], [part for part, _ in tracks])
    parts, start = [], 0
    for (part, _), slot in zip(tracks, slots, strict=True):
        stop = int(part.frame[-1]) + 1
        parts.append((range(start, stop), part, slot))
        start = stop
    write_individuals(table, parts, rows.skeleton, names, scorer=scorer)


def _tracks(
    rows: RowFile, options: TrackingOptions
) -> Iterator[tuple[PoseTable, Int[ndarray, " _"]]]:
    """The rows of some frames at a time, with the number of the track of each."""
    tracker = OnlineTracker(len(rows.skeleton), options=options)
    for part in rows.chunks():
        track = np.full(len(part), UNTRACKED)
        for _, chosen in part.by_frame():
            assert part.confidence is not None
            assert part.score is not None
            found = tracker.step(part.points[chosen], part.confidence[chosen], part.score[chosen])
            track[chosen] = found.track
        yield part, track


def _slots(
    tracks: list[Int[ndarray, " _"]], parts: list[PoseTable]
) -> tuple[list[Int[ndarray, " _"]], list[str]]:
    """The place of each row among the individuals of the table, and their names.

    Rows without a track are ``untracked_0`` and so on, as many as a frame has.
    """
    known = sorted(
        {number for track in tracks for number in np.unique(track).tolist()} - {UNTRACKED}
    )
    place = {number: slot for slot, number in enumerate(known)}
    slots, most = [], 0
    for track, part in zip(tracks, parts, strict=True):
        slot = np.array([place.get(number, -1) for number in track.tolist()], dtype=np.int64)
        for _, rows in part.by_frame():
            loose = rows[slot[rows] < 0]
            slot[loose] = len(known) + np.arange(len(loose))
            has_position = np.isfinite(part.points[loose]).any() if len(loose) else False
            most = max(most, len(loose)) if has_position else most
        slots.append(np.minimum(slot, len(known) + max(most, 1) - 1))
    names = [f"track_{number}" for number in known]
    loose_names = [f"untracked_{number}" for number in range(most if names else max(most, 1))]
    return slots, names + loose_names
