"""Predict videos into Lightning Pose's files: coordinates, metrics, and labelled videos."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass, field, replace
from pathlib import Path

from lp_analysis.confidence.calibration import ConfidenceCalibration
from lp_analysis.metrics.frame_metrics import FrameMetric
from lp_analysis.metrics.metric_files import write_metric_tables
from lp_analysis.prediction.animals import AnimalPredictor
from lp_analysis.prediction.drawing import draw_video
from lp_analysis.prediction.video_tables import OpenTable, VideoResult, identity_of, open_table
from lp_analysis.rendering.style import DEFAULT_STYLE, DrawingStyle
from lp_analysis.tracks import (
    AppearanceReader,
    FileTracking,
    LinkedRows,
    TrackingOptions,
    write_tracked,
)
from lp_core.display import SILENT, Display
from lp_core.poses import concatenate
from lp_data.inference.cuts import opened_to_predict
from lp_data.inference.ensemble import EnsembleHandler
from lp_data.inference.handler import PredictionHandler
from lp_data.regions import Boxes
from lp_data.video.open import open_video
from lp_io.predictions.rows import RowFile
from lp_io.predictions.source import write_source


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
        members: Names of the members of an ensemble, where their tables are to be written too.
    """

    handler: PredictionHandler
    scorer: str
    calibration: ConfidenceCalibration | None = None
    metrics: Mapping[str, FrameMetric] = field(default_factory=dict)
    style: DrawingStyle = DEFAULT_STYLE
    reader: str = "auto"
    display: Display = SILENT
    animals: AnimalPredictor | None = None
    members: tuple[str, ...] = ()

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
            identity = identity_of(self.handler, source, video, boxes)
            identity += animals.digest if animals else ""
            rows = stack.enter_context(self.open_table(table, identity, resume))
            update = stack.enter_context(self.display.task(video.name, len(source)))
            resumed = self.handler.seam(rows.number, len(source))
            rows.go_back(resumed)
            update(resumed)
            for part in predict_from(resumed):
                rows.append(part)
                update(rows.number)
            result = rows.result(source, video, resumed)
        self.finish(result.path, video, boxes)
        return result

    def open_table(
        self, table: Path, identity: str, resume: bool
    ) -> AbstractContextManager[OpenTable]:
        """`lp_analysis.prediction.video_tables.open_table` with what this predictor writes."""
        return open_table(
            table,
            self._names,
            identity,
            scorer=self.scorer,
            calibration=self.calibration,
            resume=resume,
            ensemble=isinstance(self.handler, EnsembleHandler),
            members=self.members,
        )

    def finish(
        self, table: Path, video: Path, boxes: Boxes | None = None, others: Sequence[Path] = ()
    ) -> None:
        """Say what a finished table was made from, and write the tables of its metrics."""
        said = None if self.calibration is None else self.calibration.to_dict()
        digest = boxes.digest if boxes else None
        weights = self.handler.weights_digest
        write_source(table, video, weights, said, boxes=digest, others=others)
        self.write_metrics(table)

    def _write_several(
        self, animals: AnimalPredictor, video: Path, table: Path, resume: bool
    ) -> VideoResult:
        """The table of all animals, named by their tracks."""
        with open_video(video, reader=self.reader, resize_to=animals.read_size) as source:
            identity = identity_of(self.handler, source, video) + animals.digest
            rows = RowFile(table, self._names, identity=identity, resume=resume)
            with rows, self.display.task(video.name, len(source)) as update:
                resumed = self.handler.seam(rows.frames, len(source))
                rows.keep(resumed)
                update(resumed)
                before = LinkedRows(rows.last(2), *rows.links(2))
                looks = AppearanceReader(source, animals.skeleton, animals.options.body_length)
                if resumed:
                    looks.read_again(LinkedRows(concatenate(list(rows.chunks())), *rows.links()))
                for numbers, part in animals.predict_video(looks.video, resumed, before):
                    rows.append(part.table, numbers, part.link, part.seen)
                    looks.add(numbers, part)
                    update(numbers.stop)
            whole = LinkedRows(concatenate(list(rows.chunks())), *rows.links())
            found, links = animals.trace_back(source, *whole.found(every_frame=True))
            found = replace(found, skeleton=animals.skeleton, scorer=self.scorer)
            count, length = animals.options.count, animals.options.body_length
            options = TrackingOptions(animals=count)
            tracking = FileTracking(options, most_rows=count, body_length=length)
            written = write_tracked(found, table, tracking, links, looks.of(found))
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
