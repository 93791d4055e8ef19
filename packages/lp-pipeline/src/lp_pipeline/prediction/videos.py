"""Predict videos into Lightning Pose's files: coordinates, metrics, and labelled videos."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from pathlib import Path

import torch

from lp_analysis.confidence.calibration import ConfidenceCalibration
from lp_analysis.confidence.stored import written_beside
from lp_analysis.metrics.frame_metrics import FrameMetric
from lp_analysis.metrics.metric_files import write_metric_tables
from lp_analysis.rendering.style import DEFAULT_STYLE, DrawingStyle
from lp_analysis.tracks import FileTracking, LinkedRows, TrackingOptions, write_tracked
from lp_core.batches import Prediction
from lp_core.listing import file_marks
from lp_core.poses import Content, concatenate, read_pose_csv_chunks
from lp_core.video import VideoSource
from lp_data.inference.handler import PredictionHandler
from lp_data.regions import Boxes
from lp_data.video.open import open_video
from lp_io.predictions import PredictionCsvWriter
from lp_io.predictions.rows import RowFile
from lp_io.predictions.source import write_source
from lp_pipeline.display import SILENT, Display
from lp_pipeline.errors import PredictionError
from lp_pipeline.prediction.animals import AnimalPredictor
from lp_pipeline.prediction.cuts import opened_to_predict
from lp_pipeline.prediction.drawing import draw_video


@dataclass(frozen=True)
class VideoResult:
    """What was written for one video.

    Attributes:
        path: The table of coordinates.
        frames: Rows written, which is the number of frames of the video.
        damage: What is wrong with the file although its readable frames were predicted; or None.
        resumed: Of the rows, those that an interrupted run had predicted.
        seconds: How long the others took.
    """

    path: Path
    frames: int
    damage: str | None
    resumed: int
    seconds: float = 0.0


@dataclass(frozen=True)
class VideoPredictor:
    """Predicts videos with one tracker, each into a table, those of its metrics, and a drawing.

    Attributes:
        handler: Runs the tracker.
        scorer: Goes into the tables' first header row.
        calibration: If the model carries one, ``<stem>_calibrated_confidence.csv`` is written too.
        metrics: What is computed of the predictions, by name.
        animals: Finds the animals of frames, where these are not simply the whole frame.
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
    animals: AnimalPredictor | None = None

    def predict(
        self, video: Path, table: Path, *, resume: bool = False, boxes: Boxes | None = None
    ) -> VideoResult:
        """Predict every frame of a video, writing as it goes.

        Args:
            video: A video, a folder of images, or a stack of images.
            table: The CSV to write; it appears when it and all beside it are complete, but the
                tables of `metrics`. ``<stem>_temporal_norm.csv`` lies beside it, or of several
                animals ``<stem>_review.csv``, with the least certain decisions about who is who;
                and ``<stem>_source.json``, which says what video it is of.
            resume: Go on where an interrupted run of the same model on the same video stopped. The
                files become the same, bit for bit, as without the interruption.
            boxes: On which parts of each frame the tracker looks; None for whole frames.

        Raises:
            BoxFileError: The boxes are not those of the video.
            VideoError: The video cannot be read exactly.
            PredictionError: The number of rows is not the number of frames.
        """
        started = time.perf_counter()
        animals = self.animals if boxes is None else None
        if animals is not None and animals.options.several:
            result = self._write_several(animals, video, table, resume)
        else:
            result = self._write_one(video, table, resume, boxes, animals)
        result = replace(result, seconds=time.perf_counter() - started)
        if result.damage:
            self.display.message(f"warning: {video.name}: {result.damage}")
        return result

    def _write_one(
        self,
        video: Path,
        table: Path,
        resume: bool,
        boxes: Boxes | None,
        animals: AnimalPredictor | None,
    ) -> VideoResult:
        """The table of one animal, and those of its jumps, calibrated confidences and metrics."""
        with ExitStack() as stack:
            opened = opened_to_predict(
                self.handler, video, reader=self.reader, boxes=boxes, animals=animals
            )
            source, predict_from = stack.enter_context(opened)
            names, identity = self._names, _identity(self.handler, source, video, boxes)
            identity += animals.digest if animals else ""
            writer = PredictionCsvWriter(
                table, names, scorer=self.scorer, identity=identity, resume=resume
            )
            coordinates = stack.enter_context(writer)
            coordinates.go_back(self.handler.seam(coordinates.complete_rows, len(source)))
            resumed = coordinates.complete_rows
            append_beside = stack.enter_context(written_beside(table, names, self.calibration))
            update = stack.enter_context(self.display.task(video.name, len(source)))
            if resumed:  # what an interrupted run had written, as it came from the network
                for rows in read_pose_csv_chunks(coordinates.partial_path, Content.PREDICTIONS):
                    append_beside(Prediction.of_table(rows))
            update(resumed)
            for part in predict_from(resumed):
                coordinates.append(part.keypoints.numpy(), part.confidences.numpy())
                append_beside(part)
                update(coordinates.complete_rows)
            _check_complete(coordinates, source, video)
            result = VideoResult(table, len(source), getattr(source, "damage", None), resumed)
        said = None if self.calibration is None else self.calibration.to_dict()
        digest = boxes.digest if boxes else None
        write_source(table, video, self.handler.weights_digest, said, boxes=digest)
        self.write_metrics(table)
        return result

    def _write_several(
        self, animals: AnimalPredictor, video: Path, table: Path, resume: bool
    ) -> VideoResult:
        """The table of all animals, named by their tracks."""
        with open_video(video, reader=self.reader, resize_to=animals.read_size) as source:
            identity = _identity(self.handler, source, video) + animals.digest
            rows = RowFile(table, self._names, identity=identity, resume=resume)
            with rows, self.display.task(video.name, len(source)) as update:
                resumed = self.handler.seam(rows.frames, len(source))
                rows.keep(resumed)
                update(resumed)
                before = LinkedRows(rows.last(2), *rows.links(2))
                for numbers, part in animals.predict_video(source, resumed, before):
                    rows.append(part.table, numbers, part.link, part.seen)
                    update(numbers.stop)
            whole = LinkedRows(concatenate(list(rows.chunks())), *rows.links())
            found, links = whole.found(every_frame=True)
            found = replace(found, skeleton=animals.skeleton, scorer=self.scorer)
            tracking = FileTracking(TrackingOptions(animals=animals.options.count))
            written = write_tracked(found, table, tracking, links)
            result = VideoResult(table, len(source), getattr(source, "damage", None), resumed)
        rows.remove()
        write_source(table, video, self.handler.weights_digest, None)
        self.display.message(f"{written.tracks} animals; decisions to review: {written.review}")
        return result

    @property
    def _names(self) -> tuple[str, ...]:
        return self.handler.tracker.options.keypoint_names

    def write_metrics(self, table: Path) -> None:
        """Write the tables of metrics beside a table of predictions."""
        write_metric_tables(table, self.metrics)

    def draw(self, video: Path, table: Path, path: Path) -> None:
        """Write the labelled video of a table."""
        draw_video(video, table, path, style=self.style, reader=self.reader, display=self.display)


def _identity(
    handler: PredictionHandler, source: VideoSource, video: Path, boxes: Boxes | None = None
) -> str:
    """A text that differs where predictions of a video may differ in any bit.

    The number of threads is left out: a cluster may give a resumed job others.
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


def _check_complete(coordinates: PredictionCsvWriter, source: VideoSource, video: Path) -> None:
    if coordinates.complete_rows != len(source):
        raise PredictionError(
            f"{coordinates.complete_rows} frames were predicted, but the video has {len(source)}",
            where=video,
            remedy="this is a fault of the video reader; please report it",
        )
