"""What ``litpose predict`` writes of each input."""

from __future__ import annotations

import time
from collections.abc import Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from lp_core.memory import explained_memory_errors
from lp_core.paths import is_newer
from lp_io.model_directory import IMAGE_FOLDER, VIDEO_FOLDER
from lp_pipeline.cli.predict import Predict, Tally
from lp_pipeline.display import Display
from lp_pipeline.errors import PredictionError

if TYPE_CHECKING:
    from lp_analysis.metrics.frame_metrics import FrameMetric
    from lp_data.regions import Boxes
    from lp_pipeline.config.schema import Config
    from lp_pipeline.model import Model


@dataclass(frozen=True)
class InputPredictor:
    """Predicts one input at a time, and writes its tables beside one another.

    Args:
        model: What predicts.
        request: What the command line asks for.
        metrics: What is computed of the predictions, by name.
        display: Where to report to.
        tally: Counts the videos.
    """

    model: Model
    request: Predict
    metrics: Mapping[str, FrameMetric]
    display: Display
    tally: Tally = field(default_factory=Tally)

    def predict_labels(self, file: Path) -> None:
        """One label file into ``image_preds/<name>/predictions.csv``.

        Raises:
            LPError: The file or one of its images cannot be read, or the memory is not enough.
        """
        from lp_analysis.labeled_predictions import write_labeled_prediction
        from lp_data.labels import read_labels
        from lp_pipeline.builders.videos import boxes_of_labels
        from lp_pipeline.cli.train import show_errors
        from lp_pipeline.evaluation.model_project import splits_of
        from lp_pipeline.prediction.labeled import predict_labels

        folder = (self.request.output_dir or self.request.model_dir / IMAGE_FOLDER) / file.stem
        table = folder / "predictions.csv"
        if self._is_done(table):
            return
        model = self.model
        labels = read_labels(file)
        boxes = boxes_of_labels(self._config, file, self.request.boxes)
        with self._memory_explained():
            result = predict_labels(
                model.handler,
                labels,
                file.parent,
                regions=boxes,
                sets=splits_of(self.request.model_dir, labels.image_paths, file.parent),
                display=self.display,
            )
        write_labeled_prediction(
            result, table, model.scorer, model.calibration, metrics=self.metrics
        )
        show_errors(result, self.display)
        self.display.message(f"{file.name}: {len(result.labels)} images -> {table}")

    def predict_video(self, video: Path) -> None:
        """One video into ``video_preds/<name>.csv``, and a labelled video if asked for.

        Raises:
            LPError: The video cannot be read, or the memory is not enough.
        """
        from lp_pipeline.builders.videos import boxes_of_video

        folder = self.request.output_dir or self.request.model_dir / VIDEO_FOLDER
        table = folder / f"{video.stem}.csv"
        boxes = boxes_of_video(self._config, video, self.request.boxes)
        if not self._is_done(table, video, boxes):
            with self._memory_explained():
                self._write_tables(video, table, boxes)
        elif self.request.resume:
            self._write_missing_metrics(table)
        if self.request.labeled_video:
            self._draw(video, table)

    def _memory_explained(self) -> AbstractContextManager[None]:
        """What to lower where the memory is not enough."""
        size = self.model.handler.chunk
        return explained_memory_errors(PredictionError, f"lower --batch-size (now {size})")

    @cached_property
    def _config(self) -> Config | None:
        """The config of the model directory; None where it has none."""
        from lp_pipeline.evaluation.model_project import config_of

        return config_of(self.request.model_dir)

    def _write_tables(self, video: Path, table: Path, boxes: Boxes | None) -> None:
        """The table of coordinates, and those of metrics."""
        from lp_analysis.metrics.metric_files import write_metric_tables
        from lp_pipeline.prediction.videos import predict_video_file

        start = time.perf_counter()
        result = predict_video_file(
            self.model.handler,
            video,
            table,
            scorer=self.model.scorer,
            reader=self.request.reader,
            calibration=self.model.calibration,
            display=self.display,
            resume=self.request.resume,
            boxes=boxes,
        )
        if result.damage:
            self.display.message(f"warning: {video.name}: {result.damage}")
        write_metric_tables(table, self.metrics)
        seconds, frames = time.perf_counter() - start, result.frames - result.resumed
        self.tally.add(frames, seconds)
        before = f" ({result.resumed} of them earlier)" if result.resumed else ""
        self.display.message(
            f"{video.name}: {result.frames} frames{before}, {frames / seconds:.0f} per second "
            f"-> {table}"
        )

    def _write_missing_metrics(self, table: Path) -> None:
        """The tables of metrics that an interrupted run did not come to."""
        from lp_analysis.metrics.metric_files import metric_path, write_metric_tables

        missing = {
            name: metric
            for name, metric in self.metrics.items()
            if not metric_path(table, name).exists()
        }
        write_metric_tables(table, missing)

    def _draw(self, video: Path, table: Path) -> None:
        """The labelled video, unless a resumed run has it already."""
        from lp_analysis.confidence.shown import ShownConfidence
        from lp_io.model_directory import labeled_video_path
        from lp_pipeline.evaluation.model_project import eval_options, skeleton_of
        from lp_pipeline.prediction.drawing import drawing_style, render_prediction

        path = labeled_video_path(table)
        if self.request.resume and is_newer(path, table):
            return
        folder, confidence = self.request.model_dir, ShownConfidence.of_table(table)
        style = drawing_style(eval_options(folder), skeleton_of(folder), legend=True)
        drawn = render_prediction(
            video,
            table,
            path,
            reader=self.request.reader,
            style=style,
            confidence=confidence,
            display=self.display,
        )
        told = confidence.told(drawn.share, style.confidence_threshold, "drawn")
        self.display.message(f"labelled video: {path}")
        self.display.message(f"{told} (`litpose render` draws as you like)")

    def _is_done(self, table: Path, video: Path | None = None, boxes: Boxes | None = None) -> bool:
        """Whether a table is there and is to stay.

        Raises:
            PredictionError: It is there, and of another video, another model or other boxes.
        """
        if not table.exists() or self.request.overwrite:
            return False
        if video is not None:
            from lp_io.predictions.source import check_source

            digest = boxes.digest if boxes else None
            check_source(table, video, self.model.handler.weights_digest, digest)
        self.display.message(f"{table} is there already; --overwrite predicts it again")
        return True
