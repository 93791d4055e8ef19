"""Predict several animals: find them in the whole frame, then look at each in a crop."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np
import torch
from jaxtyping import UInt8
from torch import Tensor

from lp_analysis.metrics.duplicates import without_duplicates
from lp_core.batches import Prediction
from lp_core.geometry import affine
from lp_core.poses import PoseTable, Skeleton
from lp_core.regions import Box
from lp_core.video import Frames, VideoSource
from lp_data.datasets.samples import channels_first
from lp_data.inference.finder import AnimalFinder, Small
from lp_data.inference.handler import PredictionHandler
from lp_data.loading.runs import prefetch, video_runs, with_context
from lp_data.regions import centred_box, cutting, resized_part
from lp_io.checkpoint import Manifest
from lp_io.model_directory import TOP_DOWN
from lp_pipeline.prediction.finder import load_finder


class TopDownPredictor:
    """Runs a detector of centroids on frames, and a tracker of one animal on crops around them.

    Args:
        finder: Finds centroids.
        handler: Runs the tracker that sees one animal.
        skeleton: How the keypoints belong together.
    """

    def __init__(
        self, finder: AnimalFinder, handler: PredictionHandler, skeleton: Skeleton | None = None
    ) -> None:
        self.finder, self.handler, self.options = finder, handler, finder.options
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
        device, precision, chunk = handler.device.type, handler.precision, handler.chunk
        finder = load_finder(folder, known, device=device, precision=precision, chunk=chunk)
        return cls(finder, handler, manifest.skeleton)

    @property
    def read_size(self) -> tuple[int, int] | None:
        """(height, width) that frames are to be read at: their own, which crops are cut from."""
        return None

    @property
    def digest(self) -> str:
        """What predictions depend on beside the tracker that looks at each animal."""
        detector = self.finder.handler
        return repr((detector.weights_digest, detector.image_size, self.options))

    def predict_one(self, chunks: Iterable[Frames]) -> Iterator[Prediction]:
        """One animal in each of consecutive frames, as `PredictionHandler.predict_frames` does."""
        for _, rows in self._predict(with_context(chunks, self.handler.margin), 0):
            yield Prediction.of_table(rows)

    def predict_frames(self, source: VideoSource, start: int = 0) -> Iterator[Prediction]:
        """One animal in each frame, as `PredictionHandler.predict_video` does."""
        for _, rows in self.predict_video(source, start):
            yield Prediction.of_table(rows)

    def predict_video(
        self, source: VideoSource, start: int = 0
    ) -> Iterator[tuple[range, PoseTable]]:
        """The rows of all frames from ``start`` on, some frames at a time.

        Args:
            source: The video, with frames at their own size.
            start: The frame to begin with, as `PredictionHandler.seam` gives it.
        """
        runs = video_runs(source, self.handler.chunk, self.handler.margin, start)
        yield from self._predict(runs, start)

    def _predict(self, runs: Iterable[Frames], start: int) -> Iterator[tuple[range, PoseTable]]:
        margin = self.handler.margin
        for run, small in prefetch(
            (run, self.finder.resized(run[margin : len(run) - margin])) for run in runs
        ):
            numbers = range(start, start + len(small))
            yield numbers, self._rows(run, small, start)
            start = numbers.stop

    def _rows(self, run: Frames, small: Small, start: int) -> PoseTable:
        size = (run.shape[1], run.shape[2])
        place, centres, scores = self.finder.find(small, size)
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

    def _crops(self, frames: Frames, box: Box) -> UInt8[Tensor, "*context 3 down across"]:
        """What the tracker sees of an animal: (3, H, W), or (F, 3, H, W) with context."""
        size = self.handler.image_size
        crops = channels_first(np.stack([resized_part(frame, box, size) for frame in frames]))
        return crops if self.handler.margin else crops[0]
