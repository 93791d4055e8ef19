"""What ``litpose predict`` writes of each input."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import cast, get_args

from lp_analysis.confidence.stored import stated_radius
from lp_analysis.ensembles.members import names_of_members
from lp_analysis.labeled_predictions import write_labeled_prediction
from lp_analysis.prediction.labels import predict_labels
from lp_analysis.prediction.session_drawing import several_views
from lp_analysis.prediction.session_works import SessionWorks
from lp_analysis.prediction.sessions import predict_group
from lp_analysis.prediction.video_tables import VideoResult
from lp_analysis.prediction.videos import VideoPredictor
from lp_core.devices import Precision
from lp_core.display import Display
from lp_core.errors import suggestion
from lp_core.memory import explained_memory_errors
from lp_core.paths import is_newer, refuse_same_names
from lp_data.regions import Boxes
from lp_data.sessions import (
    Group,
    LabelSet,
    SessionVideo,
    ViewNames,
    label_sets,
    others_of,
    prediction_groups,
    read_label_set,
    told_files,
)
from lp_io.checkpoint import Manifest
from lp_io.model_directory import (
    IMAGE_FOLDER,
    PREDICTIONS,
    VIDEO_FOLDER,
    VIEWS,
    labeled_video_path,
    member_tables,
)
from lp_io.predictions.source import check_source
from lp_pipeline.builders.videos import boxes_of_video, regions_of_labels
from lp_pipeline.builders.views import space_options
from lp_pipeline.cli.predict import ONE_BY_ONE, Predict, Work
from lp_pipeline.config.schema import Config
from lp_pipeline.errors import PredictionError
from lp_pipeline.evaluation.evaluate_model import show_errors
from lp_pipeline.evaluation.model_project import (
    ModelProject,
    find_project,
    style_of,
    told_pose_metrics,
)
from lp_pipeline.model import Model


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
            members=names_of_members(request.model_dir) if request.members else (),
        )
        return cls(request, project, model.manifest, predictor, display)

    @property
    def views(self) -> ViewNames | None:
        """The cameras that the tracker learnt; None for one."""
        return ViewNames.from_dict(self.manifest.extra.get(VIEWS))

    def label_works(self, files: Sequence[Path]) -> list[Work]:
        """What predicts label files, those of several views together if the tracker needs them."""
        sets = label_sets(files, self.predictor.handler.tracker, self.views)
        return [(next(iter(s.values())), partial(self.predict_labels, s)) for s in sets]

    def video_works(self, videos: Sequence[Path]) -> list[Work]:
        """What predicts videos; of several cameras, session by session if the tracker needs that.

        Raises:
            LPError: There is no video, or two would have the same table.
        """
        views, jointly = self.views, self.predictor.handler.tracker.views == "jointly"
        if views is not None:
            videos = [path for path in self.request.inputs if path.suffix.lower() != ".csv"]
        if not videos:
            return []
        near = [] if self._config is None else [Path(self._config.data.data_dir or ".")]
        groups, told = prediction_groups(
            videos, views.names if views else None, jointly=jointly, folders=near
        )
        if told:
            self.display.message(told)
        refuse_same_names([Path(f"{v.table}.csv") for group in groups for v in group], ONE_BY_ONE)
        several = several_views(groups)
        together = frozenset(v for videos in several.values() for v in videos)
        works = [(g[0].video, partial(self.predict_videos, g, together)) for g in groups]
        request, by, tell = self.request, self.predictor, self.display.message
        options = replace(
            space_options(self._config, self.manifest),
            ending=None if request.points == "none" else f".{request.points}",
            rig=request.rig,
            **({} if request.poses else {"prior": None}),
            reader=by.reader,
            overwrite=request.overwrite,
        )
        draw, keep, task = request.labeled_video, request.resume, self.display.task
        sessions = SessionWorks(options, self._table, by.style, tell, task, draw=draw, keep=keep)
        return [*works, *sessions.of(groups)]

    def _table(self, video: SessionVideo) -> Path:
        folder = self.request.output_dir or self.request.model_dir / VIDEO_FOLDER
        return folder / f"{video.table}.csv"

    def predict_labels(self, files: LabelSet) -> None:
        """Label files into ``image_preds/<name>/predictions.csv`` for each."""
        base = self.request.output_dir or self.request.model_dir / IMAGE_FOLDER
        by, first = self.predictor, next(iter(files.values()))
        tables = {view: base / file.stem / PREDICTIONS for view, file in files.items()}
        if all(self._is_done(table) for table in tables.values()):
            return
        labels, boxes = read_label_set(files, self.views), self.request.boxes
        if boxes is not None and boxes.is_dir():
            boxes /= f"{first.stem}_bbox.csv"
        images, project = labels.image_paths, self.project
        with self._memory_explained():
            result = predict_labels(
                by.handler,
                labels,
                first.parent,
                regions=regions_of_labels(self.manifest, self._config, labels, boxes),
                sets=None if project is None else project.use_of(images, first.parent),
                animals=by.animals,
                views=self.views,
                display=self.display,
            )
        parts = result.by_view()
        for view, table in tables.items():
            own = result if view is None else parts[view]
            write_labeled_prediction(own, table, by.scorer, by.calibration, metrics=by.metrics)
        show_errors(result, self.display)
        where = ", ".join(map(str, tables.values()))
        self.display.message(f"{told_files(files)}: {len(result.labels)} images -> {where}")

    def predict_videos(self, group: Group, together: Collection[SessionVideo] = ()) -> None:
        """A video, or those of a session together, and labelled videos if asked for.

        Each into ``video_preds/<name>.csv``, or ``<session>_<view>.csv``. Those of ``together`` are
        drawn together later.
        """
        tables = {v.view: self._table(v) for v in group}
        boxes = {v.view: self._boxes(v) for v in group}
        done = [
            self._is_done(tables[v.view], v.video, boxes[v.view], others_of(group, v))
            for v in group
        ]
        resume = self.request.resume
        if not all(done):
            names = self.views.names if self.views else ()
            with self._memory_explained():
                results = predict_group(
                    self.predictor, names, group, tables, resume=resume, boxes=boxes
                )
            for v in group:
                self._tell(v.video, results[v.view])
        elif resume:  # an interrupted run may not have come to them
            for table in tables.values():
                self.predictor.write_metrics(table)
        for v in set(group).difference(together):
            path = labeled_video_path(tables[v.view])
            if self.request.labeled_video and not (resume and is_newer(path, tables[v.view])):
                self.predictor.draw(v.video, tables[v.view], path)
                self.display.message("`litpose render` draws as you like")

    def _boxes(self, video: SessionVideo) -> Boxes | None:
        """The boxes of a video: asked for, named by a manifest, or beside it."""
        return boxes_of_video(self._config, video.video, self.request.boxes or video.boxes)

    def _tell(self, video: Path, result: VideoResult) -> None:
        frames = result.frames - result.resumed
        self.tally.videos += 1
        self.tally.frames += frames
        self.tally.seconds += result.seconds
        before = f" ({result.resumed} of them earlier)" if result.resumed else ""
        self.display.message(
            f"{video.name}: {result.frames} frames{before}, {frames / result.seconds:.0f} per "
            f"second -> {result.path}"
        )

    @property
    def _config(self) -> Config | None:
        return None if self.project is None else self.project.config

    def _memory_explained(self) -> AbstractContextManager[None]:
        """What to lower where the memory is not enough."""
        size = self.predictor.handler.chunk
        return explained_memory_errors(PredictionError, f"lower --batch-size (now {size})")

    def _is_done(
        self,
        table: Path,
        video: Path | None = None,
        boxes: Boxes | None = None,
        others: Sequence[Path] = (),
    ) -> bool:
        """Whether a table is there and is to stay."""
        if not table.exists() or self.request.overwrite:
            return False
        if video is not None:
            digest = boxes.digest if boxes else None
            check_source(table, video, self.predictor.handler.weights_digest, digest, others)
            if not all(own.exists() for own in member_tables(table, self.predictor.members)):
                return False
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
