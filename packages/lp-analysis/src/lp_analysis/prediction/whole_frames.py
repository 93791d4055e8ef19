"""Predict several animals by a tracker that finds them all in the whole frame."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Int
from numpy import ndarray

from lp_analysis.metrics.duplicates import without_duplicates
from lp_analysis.metrics.score_threshold import MOST, match_animals
from lp_analysis.tracks import LinkedRows
from lp_core.batches import LabeledBatch, Prediction
from lp_core.options import OptionError, read_options
from lp_core.poses import PoseTable, Skeleton
from lp_core.video import Frames, VideoSource
from lp_data.images import resize
from lp_data.inference.handler import PredictionHandler
from lp_io.checkpoint import Manifest
from lp_io.errors import CheckpointError
from lp_io.model_directory import MANIFEST_NAME, SCORE_THRESHOLD, WHOLE_FRAME


@dataclass(frozen=True)
class WholeFrameOptions:
    """What a model that finds all animals of a frame knows of them.

    Attributes:
        body_length: Of the animals, in frame px.
        several: Whether a frame may show any number of animals; else it shows one.
        count: How many there are at most; None where that is not known.
        score_threshold: Score from which on a row is an animal; of a training that was stopped
            before it was calibrated, a careful one.
    """

    body_length: float
    several: bool
    count: int | None
    score_threshold: float = MOST


class WholeFramePredictor:
    """Runs a tracker of any number of animals on whole frames.

    Args:
        handler: Runs the tracker.
        options: About the animals.
        skeleton: How the keypoints belong together.
    """

    def __init__(
        self,
        handler: PredictionHandler,
        options: WholeFrameOptions,
        skeleton: Skeleton | None = None,
    ) -> None:
        self.handler, self.options = handler, options
        self.skeleton = skeleton or Skeleton(handler.tracker.options.keypoint_names)

    @classmethod
    def of_model(
        cls, folder: Path, manifest: Manifest, handler: PredictionHandler
    ) -> WholeFramePredictor | None:
        """What predicts with a model directory; None where its tracker finds one animal.

        Raises:
            CheckpointError: What the manifest says of the animals is damaged.
        """
        known = manifest.extra.get(WHOLE_FRAME)
        if known is None:
            return None
        given = {
            name: manifest.extra[name] for name in (SCORE_THRESHOLD,) if name in manifest.extra
        }
        try:
            options = read_options(WholeFrameOptions, {**known, **given}, place=WHOLE_FRAME)
        except OptionError as error:
            raise CheckpointError(error.problem, where=folder / MANIFEST_NAME) from error
        return cls(handler, options, manifest.skeleton)

    @property
    def read_size(self) -> tuple[int, int] | None:
        """(height, width) that frames are to be read at; None for their own."""
        return self.handler.read_size

    @property
    def digest(self) -> str:
        """What predictions depend on beside the tracker."""
        return repr(self.options)

    def trace_back(
        self, source: VideoSource, table: PoseTable, link: Int[ndarray, " rows"]
    ) -> tuple[PoseTable, Int[ndarray, " rows"]]:
        """The rows as they are: no frame is looked at again. See `TopDownPredictor.trace_back`."""
        return table, link

    def predict_video(
        self, source: VideoSource, start: int = 0, before: LinkedRows | None = None
    ) -> Iterator[tuple[range, LinkedRows]]:
        """The rows of all frames from ``start`` on, some frames at a time.

        Args:
            source: The video, opened with ``resize_to`` as `read_size` says.
            start: The frame to begin with, as `PredictionHandler.seam` gives it.
            before: Not needed: each frame is looked at by itself.
        """
        for numbers, found in self.handler.find_in_video(source, start):
            yield numbers, LinkedRows.unlinked(self.rows(found, numbers))

    def predict_frames(self, source: VideoSource, start: int = 0) -> Iterator[Prediction]:
        """One animal in each frame, as `PredictionHandler.predict_video` does; NaN without one."""
        for numbers, found in self.handler.find_in_video(source, start):
            yield _surest(found, len(numbers))

    def predict_one(self, chunks: Iterable[Frames]) -> Iterator[Prediction]:
        """`predict_frames` in consecutive frames of their own size."""
        for frames in chunks:
            size = self.read_size
            small = frames if size is None else np.stack([resize(each, size) for each in frames])
            found = self.handler.find_in_frames([small], (frames.shape[1], frames.shape[2]))
            yield from (_surest(part, len(numbers)) for numbers, part in found)

    def rows(self, found: Prediction, frames: range) -> PoseTable:
        """The animals among what was found in some frames."""
        assert found.image is not None  # the tracker finds any number of animals
        assert found.scores is not None
        kept = found.scores >= self.options.score_threshold
        numbers = (found.image[kept] + frames.start).tolist()
        rows = PoseTable(
            self.skeleton,
            found.keypoints[kept].double().numpy(),
            tuple(numbers),
            individual=(None,) * len(numbers),
            score=found.scores[kept].double().numpy(),
            confidence=found.confidences[kept].double().numpy(),
        )
        return without_duplicates(rows, self.options.body_length)

    def of_labels(self, batch: LabeledBatch, labels: PoseTable) -> Prediction:
        """What was found of each labelled animal of a batch, in the order of its rows.

        An animal that was not found has no position, and the confidence 0.

        Args:
            batch: Whole images with their rows.
            labels: The table of the rows, in frame px.
        """
        rows = self.rows(self.handler.predict_labeled(batch), range(len(batch["images"])))
        truth = labels.points[batch["table_row"].numpy()]
        points, confidences = np.full_like(truth, np.nan), np.zeros(truth.shape[:2])
        assert rows.confidence is not None
        frame = np.array(rows.frame, dtype=np.int64)
        for image in range(len(batch["images"])):
            own, there = np.flatnonzero(batch["image"] == image), np.flatnonzero(frame == image)
            match = match_animals(rows.points[there], truth[own], self.options.body_length / 2)
            seen, by = own[match >= 0], there[match[match >= 0]]
            points[seen], confidences[seen] = rows.points[by], rows.confidence[by]
        return Prediction(torch.from_numpy(points), torch.from_numpy(confidences))


def _surest(found: Prediction, frames: int) -> Prediction:
    """The first row of each frame, which is the surest; NaN for a frame without any."""
    assert found.image is not None  # the tracker finds any number of animals
    K = found.keypoints.shape[1]
    points, confidences = torch.full((frames, K, 2), torch.nan), torch.zeros(frames, K)
    for row in reversed(range(len(found.image))):
        points[found.image[row]] = found.keypoints[row]
        confidences[found.image[row]] = found.confidences[row]
    return Prediction(points, confidences)
