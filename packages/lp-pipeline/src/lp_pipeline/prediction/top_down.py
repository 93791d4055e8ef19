"""Predict several animals: find them in the whole frame, then look at each in a crop."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float, UInt8
from numpy import ndarray
from torch import Tensor

from lp_analysis.metrics.duplicates import without_duplicates
from lp_core.batches import Prediction
from lp_core.geometry import affine
from lp_core.options import OptionError, read_options
from lp_core.poses import PoseTable, Skeleton, confidence_of
from lp_core.regions import Box
from lp_core.video import Frames, VideoSource
from lp_data.images import resize
from lp_data.loading.runs import frames_before, prefetch, with_context
from lp_data.regions import centred_box, cut, cutting
from lp_io.checkpoint import Manifest, load_model
from lp_io.errors import CheckpointError
from lp_io.model_directory import DETECTOR_FOLDER, MANIFEST_NAME, TOP_DOWN
from lp_pipeline.prediction.handler import PredictionHandler

Small = UInt8[ndarray, "predicted down across 3"]
"""Frames at the size that a detector sees."""

SCORE_THRESHOLD = "score_threshold"
"""What the manifest of a detector keeps among its ``extra``."""


@dataclass(frozen=True)
class TopDownOptions:
    """What a model of several animals knows of them.

    Attributes:
        crop_size: (height, width) of the crops in frame px.
        body_length: Of the animals, in frame px.
        several: Whether a frame may show any number of animals; else it shows one.
        count: How many there are at most; None where that is not known.
        score_threshold: Score from which on a centroid is looked at, where there may be several.
    """

    crop_size: tuple[int, int]
    body_length: float
    several: bool
    count: int | None
    score_threshold: float


class TopDownPredictor:
    """Runs a detector of centroids on frames, and a tracker of one animal on crops around them.

    Args:
        detector: Runs the tracker that finds centroids.
        handler: Runs the tracker that sees one animal.
        options: About the animals.
        skeleton: How the keypoints belong together.
    """

    def __init__(
        self,
        detector: PredictionHandler,
        handler: PredictionHandler,
        options: TopDownOptions,
        skeleton: Skeleton | None = None,
    ) -> None:
        self.detector, self.handler, self.options = detector, handler, options
        self.skeleton = skeleton or Skeleton(handler.tracker.options.keypoint_names)

    @classmethod
    def of_model(
        cls, folder: Path, manifest: Manifest, handler: PredictionHandler
    ) -> TopDownPredictor | None:
        """What predicts with a model directory; None where its tracker looks at whole frames.

        Args:
            folder: The model directory.
            manifest: Its manifest.
            handler: Runs its tracker.

        Raises:
            CheckpointError: What finds the animals is missing or cannot be trusted.
        """
        known = manifest.extra.get(TOP_DOWN)
        if known is None:
            return None
        loaded = load_model(folder / DETECTOR_FOLDER)
        detector = PredictionHandler(
            loaded.tracker,
            device=handler.device.type,
            precision=handler.precision,
            chunk=handler.chunk,
        )
        found = {"score_threshold": loaded.manifest.extra.get(SCORE_THRESHOLD)}
        try:
            options = read_options(TopDownOptions, {**known, **found}, place=TOP_DOWN)
        except OptionError as error:
            raise CheckpointError(error.problem, where=folder / MANIFEST_NAME) from error
        return cls(detector, handler, options, manifest.skeleton)

    @property
    def digest(self) -> str:
        """What predictions depend on beside the tracker that looks at each animal."""
        return repr((self.detector.weights_digest, self.detector.image_size, self.options))

    def predict_one(self, source: VideoSource, start: int = 0) -> Iterator[Prediction]:
        """One animal in each frame, as `PredictionHandler.predict_video` gives it."""
        for _, rows in self.predict_video(source, start):
            yield Prediction(
                torch.from_numpy(rows.points).float(), torch.from_numpy(confidence_of(rows)).float()
            )

    def predict_video(
        self, source: VideoSource, start: int = 0
    ) -> Iterator[tuple[range, PoseTable]]:
        """The rows of all frames from ``start`` on, some frames at a time.

        Args:
            source: The video, with frames at their own size.
            start: The frame to begin with, as `PredictionHandler.seam` gives it.
        """
        margin, chunk = self.handler.margin, self.handler.chunk
        first = start + margin if start else 0
        before = frames_before(source, first, 2 * margin) if start and margin else None
        starts = range(first, len(source), chunk)
        chunks = (source.read(at, min(at + chunk, len(source))) for at in starts)
        yield from self._predict(with_context(chunks, margin, before), start)

    def predict_image(self, frames: Frames) -> PoseTable:
        """The rows of the middle one of F frames, which stand for its context; their frame is 0."""
        ((_, rows),) = self._predict([frames], 0)
        return rows

    def _predict(self, runs: Iterable[Frames], start: int) -> Iterator[tuple[range, PoseTable]]:
        for run, small in prefetch((run, self._small(run)) for run in runs):
            numbers = range(start, start + len(small))
            yield numbers, self._rows(run, small, start)
            start = numbers.stop

    def _small(self, run: Frames) -> Small:
        """The frames that are predicted, at the size that the detector sees."""
        middle = run[self.handler.margin : len(run) - self.handler.margin]
        return np.stack([resize(frame, self.detector.image_size) for frame in middle])

    def _rows(self, run: Frames, small: Small, start: int) -> PoseTable:
        place, centres, scores = self._find(run, small)
        size = (run.shape[1], run.shape[2])
        boxes = [centred_box(centre, self.options.crop_size) for centre in centres.tolist()]
        to_model = [cutting(size, box, self.handler.image_size) for box in boxes]
        to_frame = affine.invert(torch.stack(to_model)).float() if boxes else torch.empty(0, 2, 3)
        window = 2 * self.handler.margin + 1
        crops = [
            self._crops(run[at : at + window], box)
            for at, box in zip(place.tolist(), boxes, strict=True)
        ]
        found = self.handler.predict_images(crops, to_frame)
        confidence = found.confidences.double().numpy()
        rows = PoseTable(
            self.skeleton,
            found.keypoints.double().numpy(),
            tuple((start + place).tolist()),
            individual=(None,) * len(place),
            score=scores * confidence.mean(axis=1) if len(place) else scores,
            confidence=confidence,
        )
        if not self.options.several:
            return rows
        return without_duplicates(rows, self.options.body_length)

    def _find(
        self, run: Frames, small: Small
    ) -> tuple[ndarray, Float[ndarray, "animals 2"], Float[ndarray, " animals"]]:
        """The frame, the centroid in frame px and the score of each animal."""
        to_frame = affine.resizing(self.detector.image_size, (run.shape[1], run.shape[2])).float()
        found = self.detector.predict_images(
            [_channels_first(frame) for frame in small], to_frame.expand(len(small), 2, 3)
        )
        assert found.image is not None  # the detector finds any number of animals
        assert found.scores is not None
        scores = found.scores.double().numpy()
        place, points = found.image.numpy(), found.keypoints[:, 0].double().numpy()
        if self.options.several:
            kept = np.flatnonzero(scores >= self.options.score_threshold)
        else:  # the peaks of a frame come in the order of their scores
            kept = np.unique(place, return_index=True)[1]
        return place[kept], points[kept], scores[kept]

    def _crops(self, frames: Frames, box: Box) -> UInt8[Tensor, "*context 3 down across"]:
        """What the tracker sees of an animal: (3, H, W), or (F, 3, H, W) with context."""
        parts = [np.ascontiguousarray(cut(frame, box)) for frame in frames]
        crops = torch.stack(
            [_channels_first(resize(part, self.handler.image_size)) for part in parts]
        )
        return crops if self.handler.margin else crops[0]


def _channels_first(image: UInt8[ndarray, "h w 3"]) -> UInt8[Tensor, "3 h w"]:
    return torch.from_numpy(image).permute(2, 0, 1)
