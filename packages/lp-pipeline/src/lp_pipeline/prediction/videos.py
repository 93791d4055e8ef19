"""Predict a video into Lightning Pose's files: coordinates, and how far keypoints jump."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import torch

from lp_analysis.confidence.calibration import ConfidenceCalibration
from lp_analysis.confidence.stored import calibrated_file
from lp_analysis.metrics.frame_metrics import TemporalNorm
from lp_analysis.metrics.metric_files import metric_file, metric_path
from lp_core.atomic import remove_leftovers
from lp_core.batches import Prediction
from lp_core.listing import file_marks
from lp_core.poses import Content, confidence_of, read_pose_csv_chunks
from lp_core.video import VideoSource
from lp_data.regions import Boxes
from lp_data.video.open import open_video
from lp_io.predictions import PredictionCsvWriter
from lp_io.predictions.source import write_source
from lp_pipeline.display import SILENT, Display
from lp_pipeline.errors import PredictionError
from lp_pipeline.prediction.cuts import CutPredictor
from lp_pipeline.prediction.handler import PredictionHandler


@dataclass(frozen=True)
class VideoResult:
    """What was written for one video.

    Attributes:
        path: The table of coordinates.
        frames: Rows written, which is the number of frames of the video.
        damage: What is wrong with the file although its readable frames were predicted; or None.
        resumed: Of the rows, those that an interrupted run had predicted.
    """

    path: Path
    frames: int
    damage: str | None
    resumed: int = 0


def predict_video_file(
    handler: PredictionHandler,
    video: Path,
    table: Path,
    *,
    scorer: str,
    reader: str = "auto",
    calibration: ConfidenceCalibration | None = None,
    display: Display = SILENT,
    also: Callable[[VideoSource, Prediction], None] | None = None,
    resume: bool = False,
    boxes: Boxes | None = None,
) -> VideoResult:
    """Predict every frame of a video, writing as it goes.

    Args:
        handler: Runs the tracker.
        video: A video, a folder of images, or a stack of images.
        table: The CSV to write; it appears when it and all beside it are complete.
            ``<stem>_temporal_norm.csv`` lies beside it, and ``<stem>_source.json``, which says what
            video it is of.
        scorer: Goes into the table's first header row.
        reader: A registered video reader, or ``auto``.
        calibration: If the model carries one, ``<stem>_calibrated_confidence.csv`` is written too.
        display: Where to report to.
        also: Called with the source and each part of the predictions, in order; those that were
            taken over included.
        resume: Go on where an interrupted run of the same model on the same video stopped. The
            files become the same, bit for bit, as without the interruption.
        boxes: On which parts of each frame the tracker looks; None for whole frames. See
            `lp_core.regions.collect`.

    Raises:
        BoxFileError: The boxes are not those of the video.
        VideoError: The video cannot be read exactly.
        PredictionError: The number of rows is not the number of frames.
    """
    with ExitStack() as stack:
        source: VideoSource
        predict: Callable[[int], Iterator[Prediction]]
        if boxes is None:
            size = handler.read_size
            source = stack.enter_context(open_video(video, reader=reader, resize_to=size))
            predict = partial(handler.predict_video, source)
        else:
            cuts = CutPredictor(handler, video, boxes, stack, reader)
            source, predict = cuts.source, cuts.predict
        writer = PredictionCsvWriter(
            table,
            handler.tracker.options.keypoint_names,
            scorer=scorer,
            identity=prediction_identity(handler, source, video, boxes),
            resume=resume,
        )
        coordinates = stack.enter_context(writer)
        coordinates.go_back(handler.seam(coordinates.complete_rows, len(source)))
        resumed = coordinates.complete_rows
        append_beside = stack.enter_context(_files_beside(table, handler, calibration))
        update = stack.enter_context(display.task(video.name, len(source)))
        for part in _written_parts(coordinates):
            append_beside(part)
            if also is not None:
                also(source, part)
        update(resumed)
        for part in predict(resumed):
            coordinates.append(part.keypoints.numpy(), part.confidences.numpy())
            append_beside(part)
            if also is not None:
                also(source, part)
            update(coordinates.complete_rows)
        rows = coordinates.complete_rows
        if rows != len(source):
            raise PredictionError(
                f"{rows} frames were predicted, but the video has {len(source)}",
                where=video,
                remedy="this is a fault of the video reader; please report it",
            )
        result = VideoResult(table, rows, getattr(source, "damage", None), resumed)
    said = None if calibration is None else calibration.to_dict()
    write_source(table, video, handler.weights_digest, said, boxes=boxes.digest if boxes else None)
    return result


def _written_parts(coordinates: PredictionCsvWriter) -> Iterator[Prediction]:
    """The rows that an interrupted run had written, as they came from the network."""
    if coordinates.complete_rows:
        for part in read_pose_csv_chunks(coordinates.partial_path, Content.PREDICTIONS):
            keypoints, confidences = (
                torch.from_numpy(values.astype(np.float32))
                for values in (part.points, confidence_of(part))
            )
            yield Prediction(keypoints, confidences)


@contextmanager
def _files_beside(
    table: Path, handler: PredictionHandler, calibration: ConfidenceCalibration | None
) -> Iterator[Callable[[Prediction], None]]:
    """Opens the files of jumps and of calibrated confidences; call what it gives with each part."""
    names, norm = handler.tracker.options.keypoint_names, TemporalNorm()
    path = metric_path(table, "temporal_norm")
    remove_leftovers(path, metric_path(table, "calibrated_confidence"))
    with ExitStack() as stack:
        jumps = stack.enter_context(metric_file(path, names))
        calibrated = calibration and stack.enter_context(calibrated_file(table, names, calibration))

        def append(part: Prediction) -> None:
            jumps.append(norm(part.keypoints.numpy().astype(np.float64)))
            if calibration and calibrated:
                calibrated.append(calibration.probability(part.confidences.numpy()))

        yield append


def prediction_identity(
    handler: PredictionHandler, source: VideoSource, video: Path, boxes: Boxes | None = None
) -> str:
    """A text that differs where predictions of a video may differ in any bit.

    The number of threads is left out: a cluster may give a resumed job others.

    Args:
        handler: Runs the tracker.
        source: The opened video.
        video: The file or the folder.
        boxes: Those of its frames; None for whole frames.
    """
    return json.dumps(
        {
            "weights": handler.weights_digest,
            "size": handler.image_size,
            "context": handler.tracker.context_frames,
            "chunk": handler.chunk,
            "device": handler.device.type,
            "precision": handler.precision,
            "torch": torch.__version__,
            "reader": type(source).__qualname__,
            "video": file_marks(video),
            "boxes": boxes.digest if boxes else None,
        }
    )
