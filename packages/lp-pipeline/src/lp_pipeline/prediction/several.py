"""Predict a video of several animals: find them, look at each, and follow them over time."""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path

from lp_analysis.tracks import FileTracking, TrackingOptions, write_tracked
from lp_core.poses import concatenate
from lp_core.video import VideoSource
from lp_data.video.open import open_video
from lp_io.predictions.rows import RowFile
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
            complete. ``<stem>_source.json`` beside it says what video it is of, and
            ``<stem>_review.csv`` lists the least certain decisions about who is who.
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
            found = concatenate(list(rows.chunks()))
            found = replace(found, skeleton=predictor.skeleton, scorer=scorer)
            tracking = FileTracking(TrackingOptions(animals=predictor.options.count))
            written = write_tracked(found, table, tracking)
            display.message(f"{written.tracks} animals; decisions to review: {written.review}")
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
