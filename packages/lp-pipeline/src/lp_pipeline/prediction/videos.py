"""Predict a video into the public files: coordinates, and how far keypoints jump."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from lp_core.batches import Prediction
from lp_core.video import VideoSource
from lp_data.video.open import open_video
from lp_io.predictions import PredictionCsvWriter
from lp_pipeline.display import Display, SilentDisplay
from lp_pipeline.errors import PredictionError
from lp_pipeline.evaluation.calibration import ConfidenceCalibration
from lp_pipeline.evaluation.metric_files import metric_file, metric_path
from lp_pipeline.evaluation.metrics import TemporalNorm
from lp_pipeline.prediction.calibrated import calibrated_file
from lp_pipeline.prediction.handler import PredictionHandler


@dataclass(frozen=True)
class VideoResult:
    """What was written for one video.

    Attributes:
        path: The table of coordinates.
        frames: Rows written, which is the number of frames of the video.
        damage: What is wrong with the file although its readable frames were predicted; or None.
    """

    path: Path
    frames: int
    damage: str | None


def predict_video_file(
    handler: PredictionHandler,
    video: Path,
    table: Path,
    *,
    scorer: str,
    reader: str = "auto",
    calibration: ConfidenceCalibration | None = None,
    display: Display | None = None,
    also: Callable[[VideoSource, Prediction], None] | None = None,
) -> VideoResult:
    """Predict every frame of a video, writing as it goes.

    Args:
        handler: Runs the tracker.
        video: A video, a folder of images, or a stack of images.
        table: The CSV to write; it appears when it is complete. ``<stem>_temporal_norm.csv`` lies
            beside it.
        scorer: Goes into the table's first header row.
        reader: A registered video reader, or ``auto``.
        calibration: If the model carries one, ``<stem>_calibrated_confidence.csv`` is written too.
        display: Where to report to.
        also: Called with the source and each part of the predictions, in order.

    Raises:
        VideoError: The video cannot be read exactly.
        PredictionError: The number of rows is not the number of frames.
    """
    names = handler.tracker.options.keypoint_names
    norm = TemporalNorm()
    rows = 0
    with ExitStack() as stack:
        source = stack.enter_context(open_video(video, reader=reader, resize_to=handler.image_size))
        coordinates = stack.enter_context(PredictionCsvWriter(table, names, scorer=scorer))
        jumps = stack.enter_context(metric_file(metric_path(table, "temporal_norm"), names))
        calibrated = calibration and stack.enter_context(calibrated_file(table, names, calibration))
        task = stack.enter_context((display or SilentDisplay()).task(video.name, len(source)))
        for part in handler.predict_video(source):
            keypoints = part.keypoints.numpy()
            coordinates.append(keypoints, part.confidences.numpy())
            jumps.append(norm(keypoints.astype(np.float64)))
            if calibration and calibrated:
                calibrated.append(calibration.probability(part.confidences.numpy()))
            if also is not None:
                also(source, part)
            rows += len(keypoints)
            task.update(rows)
        if rows != len(source):
            raise PredictionError(
                f"{rows} frames were predicted, but the video has {len(source)}",
                where=video,
                remedy="this is a fault of the video reader; please report it",
            )
        return VideoResult(table, rows, getattr(source, "damage", None))
