"""A trained tracker, from Python."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from itertools import chain, islice
from pathlib import Path

import numpy as np
from jaxtyping import Float, UInt8
from numpy import ndarray

from lp_analysis.confidence.stored import stored_calibration
from lp_analysis.ensembles.members import load_handler
from lp_analysis.prediction.animals import AnimalPredictor, animal_predictor
from lp_analysis.prediction.space import SpaceOptions
from lp_analysis.tracks import (
    AppearanceReader,
    LinkedRows,
    TrackingOptions,
    sized,
    surest_rows,
    track_offline,
    with_tracks,
)
from lp_analysis.triangulation import SessionPrediction, triangulate_predictions
from lp_core.batches import Prediction
from lp_core.devices import Precision
from lp_core.errors import suggestion
from lp_core.geometry.cameras import Rig
from lp_core.poses import PoseTable
from lp_core.trackers.supervised import BaseSupervisedTracker
from lp_data.images import resize
from lp_data.inference.cuts import opened_to_predict
from lp_data.inference.handler import PredictionHandler
from lp_data.inference.joint import predict_together
from lp_data.regions import read_boxes
from lp_data.sessions import ViewNames
from lp_data.video.open import open_video
from lp_io.calibration import read_rig
from lp_io.checkpoint import Manifest
from lp_io.model_directory import VIEWS
from lp_io.predictions import scorer_name
from lp_pipeline.errors import PredictionError

Frame = UInt8[ndarray, "height width 3"]


class Model:
    """A tracker that was trained by ``litpose train``, ready to predict.

    Args:
        tracker: The tracker, or what runs it.
        manifest: What its model directory says of it.
        device: ``auto``, ``cpu``, ``cuda`` or ``mps``.
        precision: Of the network.
        chunk: Frames that go through the network at once; None takes 32, on a GPU up to 128.

    Attributes:
        manifest: What its model directory says of it.
        handler: What runs the tracker.
        calibration: From its confidences to probabilities; None where it carries none.
        animals: What finds the animals, where the tracker looks at each in a crop, or finds any
            number; else None.
    """

    def __init__(
        self,
        tracker: BaseSupervisedTracker | PredictionHandler,
        manifest: Manifest,
        *,
        device: str = "auto",
        precision: Precision = "32-true",
        chunk: int | None = None,
    ) -> None:
        self.manifest = manifest
        self.calibration = stored_calibration(manifest)
        if not isinstance(tracker, PredictionHandler):
            tracker = PredictionHandler(tracker, device=device, precision=precision, chunk=chunk)
        self.handler = tracker
        self.animals: AnimalPredictor | None = None

    @classmethod
    def from_dir(
        cls,
        folder: str | Path,
        *,
        device: str = "auto",
        precision: Precision = "32-true",
        chunk: int | None = None,
    ) -> Model:
        """Load a model directory, of one model or of an ensemble.

        Predictions of an ensemble have ``covariance`` (N, K, 2, 2) in px², and ``members``.

        Raises:
            CheckpointError: The directory is not one, or its files cannot be trusted.
            DeviceError: The device is not there.
            TrackerError: The members of an ensemble do not go together.
        """
        handler, manifest = load_handler(
            Path(folder), device=device, precision=precision, chunk=chunk
        )
        model = cls(handler, manifest)
        model.animals = animal_predictor(Path(folder), manifest, handler)
        return model

    @property
    def tracker(self) -> BaseSupervisedTracker:
        """The tracker itself."""
        return self.handler.tracker

    @property
    def views(self) -> ViewNames | None:
        """The cameras that it was trained on; None for one."""
        return ViewNames.from_dict(self.manifest.extra.get(VIEWS))

    @property
    def scorer(self) -> str:
        """What the first header row of its tables says."""
        return scorer_name(self.manifest.model_type)

    @property
    def keypoint_names(self) -> tuple[str, ...]:
        """The K keypoints, in the order of every output."""
        return self.tracker.options.keypoint_names

    def predict_frame(
        self, frame: Frame
    ) -> tuple[Float[ndarray, "keypoints 2"], Float[ndarray, " keypoints"]]:
        """Keypoints (K, 2) in frame px, and confidences (K,), of one RGB frame."""
        prediction = next(iter(self.predict_frames([frame])))
        return prediction.keypoints[0].numpy(), prediction.confidences[0].numpy()

    def predict_frames(self, frames: Iterable[Frame]) -> Iterator[Prediction]:
        """Predictions of consecutive RGB frames of one size, some at a time, as they come.

        Raises:
            PredictionError: The model finds several animals, so that frames are not rows.
        """
        self._refuse_several()
        frames = iter(frames)
        first = next(frames, None)
        if first is None:
            return iter(())
        chunks = self._chunks(chain([first], frames))
        if self.animals is not None:
            return self.animals.predict_one(chunks)
        return self.handler.predict_frames(chunks, (first.shape[0], first.shape[1]))

    def _chunks(self, frames: Iterator[Frame]) -> Iterator[UInt8[ndarray, "frames h w 3"]]:
        """The frames at the size that the tracker takes, some at a time."""
        size = None if self.animals else self.handler.read_size
        while some := list(islice(frames, self.handler.chunk)):
            yield np.stack([frame if size is None else resize(frame, size) for frame in some])

    def predict_video(
        self, path: str | Path, *, reader: str = "auto", boxes: str | Path | None = None
    ) -> Prediction:
        """Keypoints (N, K, 2) in frame px, and confidences (N, K), of all N frames of a video.

        For a video too long for memory, use ``litpose predict``, which writes as it goes.

        Args:
            path: The video.
            reader: A registered video reader, or ``auto``.
            boxes: A file of boxes to cut its frames to; None for whole frames.

        Raises:
            VideoError: The file is not a video that can be read exactly.
            BoxFileError: The boxes cannot be read, or are not those of the video.
            PredictionError: The model finds several animals: see `predict_animals`.
        """
        found = None if boxes is None else read_boxes([Path(boxes)])
        if found is None:
            self._refuse_several()
        animals = None if found else self.animals
        with opened_to_predict(
            self.handler, Path(path), reader=reader, boxes=found, animals=animals
        ) as (_, predict):
            return Prediction.joined(list(predict(0)))

    def predict_session(
        self,
        videos: Mapping[str, str | Path],
        *,
        offsets: Mapping[str, int] | None = None,
        reader: str = "auto",
        boxes: Mapping[str, str | Path] | None = None,
        rig: str | Path | Rig | None = None,
    ) -> SessionPrediction:
        """Predictions of the videos of one session, filmed by several cameras.

        Args:
            videos: By view the video; views may be absent.
            offsets: By view how many frames later its video shows a moment; 0 where left out.
            reader: A registered video reader, or ``auto``.
            boxes: By view a file of boxes to cut its frames to; whole frames where left out.
            rig: The cameras, or the file of their calibration, for points in space.

        Returns:
            By view the keypoints (N, K, 2) in px of its frames, and confidences (N, K), of all N
            frames of its video; with a rig, ``points`` in space, and the points ``reprojected``.

        Raises:
            LPError: The file of cameras cannot be read, or lacks a view.
            VideoError: A file is not a video that can be read exactly.
            BoxFileError: Boxes cannot be read, or are not those of the video.
            PredictionError: The model was trained on one camera, or on others.
        """
        views = self.views
        if views is None:
            raise PredictionError(
                "the model was trained on one camera", remedy="use predict_video instead"
            )
        for view in videos:
            if view not in views.names:
                hint = suggestion(view, views.names)
                raise PredictionError(f"the model knows no view '{view}'", remedy=hint)
        cameras = rig if rig is None or isinstance(rig, Rig) else read_rig(Path(rig))
        given = boxes or {}
        if self.tracker.views == "each":
            found = {
                view: self.predict_video(video, reader=reader, boxes=given.get(view))
                for view, video in videos.items()
            }
        else:
            paths = {view: Path(video) for view, video in videos.items()}
            own = {view: read_boxes([Path(file)]) for view, file in given.items()}
            found = predict_together(self.handler, views.names, paths, offsets, own, reader=reader)
        how = SpaceOptions.of_model(self.manifest).of_views(found, offsets)
        return triangulate_predictions(cameras, found, self.keypoint_names, how)

    def predict_animals(self, path: str | Path, *, reader: str = "auto") -> PoseTable:
        """All animals of a video, a row for each in each frame, named by their tracks.

        A frame in which none was found has no row.

        Args:
            path: The video.
            reader: A registered video reader, or ``auto``.

        Raises:
            VideoError: The file is not a video that can be read exactly.
            PredictionError: The model was not trained on several animals.
        """
        if self.animals is None:
            raise PredictionError(
                "the model looks for one animal", remedy="use predict_video instead"
            )
        with open_video(path, reader=reader, resize_to=self.animals.read_size) as source:
            known, parts = self.animals.options, []
            looks = AppearanceReader(source, self.animals.skeleton, known.body_length)
            for numbers, part in self.animals.predict_video(looks.video):
                looks.add(numbers, part)
                parts.append(part)
            found = LinkedRows.joined(parts).found()
            rows, links = self.animals.trace_back(source, *found)
        options = sized(TrackingOptions(animals=known.count), rows, known.body_length)
        named = with_tracks(
            rows, track_offline(rows, options, None, looks.of(rows), link=links).track
        )
        return named if known.count is None else named.rows(surest_rows(named, known.count))

    def _refuse_several(self) -> None:
        if self.animals is not None and self.animals.options.several:
            raise PredictionError(
                "the model finds several animals, so that a frame is not a row",
                remedy="use predict_animals",
            )

    def calibrated(self, confidences: Float[ndarray, ...]) -> Float[ndarray, ...]:
        """The probability that a keypoint lies within its ``calibration.radii_of`` of the truth.

        Args:
            confidences: What it predicted, of any shape.

        Returns:
            From 0 to 1, of the same shape.

        Raises:
            PredictionError: The model carries no calibration.
        """
        if self.calibration is None:
            raise PredictionError(
                "the model carries no calibration of its confidences",
                remedy="train with more labelled frames for validation (training.val_prob)",
            )
        return self.calibration.probability(confidences)
