"""Predict videos into Lightning Pose's files: coordinates, metrics, and labelled videos."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch

from lp_analysis.confidence.calibration import ConfidenceCalibration
from lp_analysis.confidence.stored import calibrated_file
from lp_analysis.metrics.frame_metrics import FrameMetric, TemporalNorm
from lp_analysis.metrics.metric_files import metric_file, metric_path, write_metric_tables
from lp_analysis.rendering.style import DEFAULT_STYLE, DrawingStyle
from lp_core.atomic import remove_leftovers
from lp_core.batches import Prediction
from lp_core.poses import Content, confidence_of, read_pose_csv_chunks
from lp_core.video import VideoSource
from lp_data.regions import Boxes
from lp_io.predictions import PredictionCsvWriter
from lp_io.predictions.source import write_source
from lp_pipeline.display import SILENT, Display
from lp_pipeline.errors import PredictionError
from lp_pipeline.prediction.cuts import opened_to_predict
from lp_pipeline.prediction.drawing import draw_video
from lp_pipeline.prediction.handler import PredictionHandler
from lp_pipeline.prediction.result import VideoResult, prediction_identity
from lp_pipeline.prediction.several import predict_several
from lp_pipeline.prediction.top_down import TopDownPredictor


@dataclass(frozen=True)
class VideoPredictor:
    """Predicts videos with one tracker, each into a table, those of its metrics, and a drawing.

    Attributes:
        handler: Runs the tracker.
        scorer: Goes into the tables' first header row.
        calibration: If the model carries one, ``<stem>_calibrated_confidence.csv`` is written too.
        metrics: What is computed of the predictions, by name.
        top_down: Finds the animals for the tracker, where it looks at each by itself.
        style: How to draw.
        reader: A registered video reader, or ``auto``.
        display: Where to report to.
    """

    handler: PredictionHandler
    scorer: str
    calibration: ConfidenceCalibration | None = None
    metrics: Mapping[str, FrameMetric] = field(default_factory=dict)
    style: DrawingStyle = DEFAULT_STYLE
    reader: str = "auto"
    display: Display = SILENT
    top_down: TopDownPredictor | None = None

    def predict(
        self, video: Path, table: Path, *, resume: bool = False, boxes: Boxes | None = None
    ) -> VideoResult:
        """Predict every frame of a video, writing as it goes.

        Args:
            video: A video, a folder of images, or a stack of images.
            table: The CSV to write; it appears when it and all beside it are complete, but the
                tables of `metrics`. ``<stem>_temporal_norm.csv`` lies beside it, and
                ``<stem>_source.json``, which says what video it is of.
            resume: Go on where an interrupted run of the same model on the same video stopped. The
                files become the same, bit for bit, as without the interruption.
            boxes: On which parts of each frame the tracker looks; None for whole frames.

        Raises:
            BoxFileError: The boxes are not those of the video.
            VideoError: The video cannot be read exactly.
            PredictionError: The number of rows is not the number of frames.
        """
        started = time.perf_counter()
        top_down = None if boxes is not None else self.top_down
        if top_down is not None and top_down.options.several:
            return self._told(
                predict_several(
                    top_down,
                    video,
                    table,
                    scorer=self.scorer,
                    reader=self.reader,
                    display=self.display,
                    resume=resume,
                ),
                video,
            )
        with ExitStack() as stack:
            opened = opened_to_predict(
                self.handler, video, reader=self.reader, boxes=boxes, top_down=top_down
            )
            source, predict_from = stack.enter_context(opened)
            names, identity = self._names, prediction_identity(self.handler, source, video, boxes)
            identity += top_down.digest if top_down else ""
            writer = PredictionCsvWriter(
                table, names, scorer=self.scorer, identity=identity, resume=resume
            )
            coordinates = stack.enter_context(writer)
            coordinates.go_back(self.handler.seam(coordinates.complete_rows, len(source)))
            resumed = coordinates.complete_rows
            append_beside = stack.enter_context(_files_beside(table, names, self.calibration))
            update = stack.enter_context(self.display.task(video.name, len(source)))
            for part in _written_parts(coordinates):
                append_beside(part)
            update(resumed)
            for part in predict_from(resumed):
                coordinates.append(part.keypoints.numpy(), part.confidences.numpy())
                append_beside(part)
                update(coordinates.complete_rows)
            _check_complete(coordinates, source, video)
            damage = getattr(source, "damage", None)
        self._write_source(table, video, boxes)
        seconds = time.perf_counter() - started
        self.write_metrics(table)
        rows = coordinates.complete_rows
        return self._told(VideoResult(table, rows, seconds, damage, resumed), video)

    def _told(self, result: VideoResult, video: Path) -> VideoResult:
        """The result, having said what is wrong with the video."""
        if result.damage:
            self.display.message(f"warning: {video.name}: {result.damage}")
        return result

    @property
    def _names(self) -> tuple[str, ...]:
        return self.handler.tracker.options.keypoint_names

    def _write_source(self, table: Path, video: Path, boxes: Boxes | None) -> None:
        said = None if self.calibration is None else self.calibration.to_dict()
        digest = boxes.digest if boxes else None
        write_source(table, video, self.handler.weights_digest, said, boxes=digest)

    def write_metrics(self, table: Path) -> None:
        """Write the tables of metrics beside a table of predictions."""
        write_metric_tables(table, self.metrics)

    def draw(self, video: Path, table: Path, path: Path) -> None:
        """Write the labelled video of a table."""
        draw_video(video, table, path, style=self.style, reader=self.reader, display=self.display)


def _check_complete(coordinates: PredictionCsvWriter, source: VideoSource, video: Path) -> None:
    if coordinates.complete_rows != len(source):
        raise PredictionError(
            f"{coordinates.complete_rows} frames were predicted, but the video has {len(source)}",
            where=video,
            remedy="this is a fault of the video reader; please report it",
        )


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
    table: Path, names: tuple[str, ...], calibration: ConfidenceCalibration | None
) -> Iterator[Callable[[Prediction], None]]:
    """Opens the files of jumps and of calibrated confidences; call what it gives with each part."""
    norm, path = TemporalNorm(), metric_path(table, "temporal_norm")
    remove_leftovers(path, metric_path(table, "calibrated_confidence"))
    with ExitStack() as stack:
        jumps = stack.enter_context(metric_file(path, names))
        calibrated = calibration and stack.enter_context(calibrated_file(table, names, calibration))

        def append(part: Prediction) -> None:
            jumps.append(norm(part.keypoints.numpy().astype(np.float64)))
            if calibration and calibrated:
                calibrated.append(calibration.probability(part.confidences.numpy()))

        yield append
