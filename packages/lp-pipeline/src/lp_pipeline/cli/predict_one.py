"""What ``litpose predict`` writes of each input."""

from __future__ import annotations

from contextlib import AbstractContextManager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import cast, get_args

from lp_analysis.confidence.stored import stated_radius
from lp_analysis.labeled_predictions import write_labeled_prediction
from lp_core.devices import Precision
from lp_core.errors import suggestion
from lp_core.memory import explained_memory_errors
from lp_core.paths import is_newer
from lp_data.labels import read_labels
from lp_data.regions import Boxes
from lp_io.checkpoint import Manifest
from lp_io.model_directory import IMAGE_FOLDER, VIDEO_FOLDER, labeled_video_path
from lp_io.predictions.source import check_source
from lp_pipeline.builders.videos import boxes_of_video, regions_of_labels
from lp_pipeline.cli.predict import Predict
from lp_pipeline.config.schema import Config
from lp_pipeline.display import Display
from lp_pipeline.errors import PredictionError
from lp_pipeline.evaluation.evaluate_model import show_errors
from lp_pipeline.evaluation.model_project import (
    ModelProject,
    find_project,
    style_of,
    told_pose_metrics,
)
from lp_pipeline.model import Model
from lp_pipeline.prediction.labeled import predict_labels
from lp_pipeline.prediction.videos import VideoPredictor


@dataclass
class Tally:
    """What was predicted in all."""

    videos: int = 0
    frames: int = 0
    seconds: float = 0.0

    @property
    def text(self) -> str:
        """In words."""
        speed = self.frames / max(self.seconds, 1e-9)
        return (
            f"{self.videos} videos: {self.frames} frames in {self.seconds:.1f} s, "
            f"{speed:.0f} per second"
        )


@dataclass(frozen=True)
class InputPredictor:
    """Predicts one input at a time, and writes its tables beside one another.

    Attributes:
        request: What the command line asks for.
        project: The model directory; None where it holds nothing but the weights.
        manifest: What its model directory says of the tracker.
        predictor: What predicts.
        display: Where to report to.
        tally: Counts the videos.
    """

    request: Predict
    project: ModelProject | None
    manifest: Manifest
    predictor: VideoPredictor
    display: Display
    tally: Tally = field(default_factory=Tally)

    @classmethod
    def of(cls, request: Predict, display: Display) -> InputPredictor:
        """Load the model, and say what its tables will hold."""
        model, project = _model(request), find_project(request.model_dir)
        if model.calibration is not None:
            display.message(
                "*_calibrated_confidence.csv: the probability that a keypoint lies "
                f"{stated_radius(model.calibration)} of the truth"
            )
        predictor = VideoPredictor(
            model.handler,
            model.scorer,
            model.calibration,
            told_pose_metrics(project, display),
            replace(style_of(request.model_dir), legend=True),
            request.reader,
            display,
            model.animals,
        )
        return cls(request, project, model.manifest, predictor, display)

    def predict_labels(self, file: Path) -> None:
        """One label file into ``image_preds/<name>/predictions.csv``."""
        folder = (self.request.output_dir or self.request.model_dir / IMAGE_FOLDER) / file.stem
        table, by = folder / "predictions.csv", self.predictor
        if self._is_done(table):
            return
        labels, boxes = read_labels(file), self.request.boxes
        if boxes is not None and boxes.is_dir():
            boxes /= f"{file.stem}_bbox.csv"
        images, project = labels.image_paths, self.project
        with self._memory_explained():
            result = predict_labels(
                by.handler,
                labels,
                file.parent,
                regions=regions_of_labels(self.manifest, self._config, labels, boxes),
                sets=None if project is None else project.use_of(images, file.parent),
                animals=by.animals,
                display=self.display,
            )
        write_labeled_prediction(result, table, by.scorer, by.calibration, metrics=by.metrics)
        show_errors(result, self.display)
        self.display.message(f"{file.name}: {len(result.labels)} images -> {table}")

    def predict_video(self, video: Path) -> None:
        """One video into ``video_preds/<name>.csv``, and a labelled video if asked for."""
        folder = self.request.output_dir or self.request.model_dir / VIDEO_FOLDER
        table = folder / f"{video.stem}.csv"
        boxes = boxes_of_video(self._config, video, self.request.boxes)
        if not self._is_done(table, video, boxes):
            with self._memory_explained():
                self._write_tables(video, table, boxes)
        elif self.request.resume:  # an interrupted run may not have come to them
            self.predictor.write_metrics(table)
        path = labeled_video_path(table)
        if self.request.labeled_video and not (self.request.resume and is_newer(path, table)):
            self.predictor.draw(video, table, path)
            self.display.message("`litpose render` draws as you like")

    def _write_tables(self, video: Path, table: Path, boxes: Boxes | None) -> None:
        result = self.predictor.predict(video, table, resume=self.request.resume, boxes=boxes)
        frames = result.frames - result.resumed
        self.tally.videos += 1
        self.tally.frames += frames
        self.tally.seconds += result.seconds
        before = f" ({result.resumed} of them earlier)" if result.resumed else ""
        self.display.message(
            f"{video.name}: {result.frames} frames{before}, {frames / result.seconds:.0f} per "
            f"second -> {table}"
        )

    @property
    def _config(self) -> Config | None:
        return None if self.project is None else self.project.config

    def _memory_explained(self) -> AbstractContextManager[None]:
        """What to lower where the memory is not enough."""
        size = self.predictor.handler.chunk
        return explained_memory_errors(PredictionError, f"lower --batch-size (now {size})")

    def _is_done(self, table: Path, video: Path | None = None, boxes: Boxes | None = None) -> bool:
        """Whether a table is there and is to stay."""
        if not table.exists() or self.request.overwrite:
            return False
        if video is not None:
            digest = boxes.digest if boxes else None
            check_source(table, video, self.predictor.handler.weights_digest, digest)
        self.display.message(f"{table} is there already; --overwrite predicts it again")
        return True


def _model(request: Predict) -> Model:
    """The model directory's tracker, on the device and in the precision asked for."""
    if request.precision not in get_args(Precision):
        raise PredictionError(
            f"unknown precision '{request.precision}'",
            remedy=suggestion(request.precision, get_args(Precision)),
        )
    return Model.from_dir(
        request.model_dir,
        device=request.device,
        precision=cast("Precision", request.precision),
        chunk=request.batch_size,
    )
