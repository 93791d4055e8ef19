"""Predict several animals: find them in the whole frame, then look at each in a crop."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import partial
from pathlib import Path

from jaxtyping import Float, Int
from numpy import ndarray

from lp_analysis.metrics.duplicates import without_duplicates
from lp_analysis.prediction.finder import load_finder
from lp_analysis.prediction.strays import without_strays
from lp_analysis.tracks import Follower, FollowingOptions, LinkedRows, trace_back
from lp_core.batches import Prediction
from lp_core.poses import PoseTable, Skeleton
from lp_core.poses.centroids import bounding_boxes
from lp_core.poses.limbs import path_lengths
from lp_core.video import Frames, VideoSource
from lp_data.inference.crops import CropReader
from lp_data.inference.finder import AnimalFinder, Small
from lp_data.inference.handler import PredictionHandler
from lp_data.loading.runs import prefetch, video_runs, with_context
from lp_io.checkpoint import Manifest
from lp_io.model_directory import TOP_DOWN


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
        self._lengths = path_lengths(self.options.limbs, len(self.skeleton))
        self._crops = CropReader(handler, self.options.crop_size)
        told = self.options.several and handler.tracker.condition == "pose"
        self._following = FollowingOptions(self.options.body_length) if told else None

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
            yield Prediction.of_table(rows.table)

    def predict_frames(self, source: VideoSource, start: int = 0) -> Iterator[Prediction]:
        """One animal in each frame, as `PredictionHandler.predict_video` does."""
        for _, rows in self.predict_video(source, start):
            yield Prediction.of_table(rows.table)

    def predict_video(
        self, source: VideoSource, start: int = 0, before: LinkedRows | None = None
    ) -> Iterator[tuple[range, LinkedRows]]:
        """The rows of all frames from ``start`` on, some frames at a time.

        Args:
            source: The video, with frames at their own size.
            start: The frame to begin with, as `PredictionHandler.seam` gives it.
            before: The rows of the two frames before that.
        """
        runs = video_runs(source, self.handler.chunk, self.handler.margin, start)
        yield from self._predict(runs, start, before)

    def trace_back(
        self, source: VideoSource, table: PoseTable, link: Int[ndarray, " rows"]
    ) -> tuple[PoseTable, Int[ndarray, " traced"]]:
        """The rows of a whole video and their links, with animals that were found too late.

        Args:
            source: The video, with frames at their own size.
            table: The rows, in the order of the frames.
            link: For each row that which it goes on from; see `lp_analysis.tracks.trace_back`.
        """
        if self._following is None or self.handler.margin:
            return table, link
        frames = _Backwards(source, self.handler.chunk)
        return trace_back(
            table,
            link,
            lambda number, expected: self._again(frames.at(number), 0, expected),
            self._following,
        )

    def _predict(
        self, runs: Iterable[Frames], start: int, before: LinkedRows | None = None
    ) -> Iterator[tuple[range, LinkedRows]]:
        margin = self.handler.margin
        follower = Follower.going_on(self._following, start, before) if self._following else None
        for run, small in prefetch(
            (run, self.finder.resized(run[margin : len(run) - margin])) for run in runs
        ):
            numbers = range(start, start + len(small))
            yield numbers, self._rows(run, small, start, follower)
            start = numbers.stop

    def _rows(self, run: Frames, small: Small, start: int, follower: Follower | None) -> LinkedRows:
        place, centres, scores = self.finder.find(small, (run.shape[1], run.shape[2]))
        found = self._crops.look(run, place.tolist(), centres)
        points, confidence = self._believed(found)
        rows = PoseTable(
            self.skeleton,
            points,
            tuple((start + place).tolist()),
            individual=(None,) * len(place),
            score=scores * confidence.mean(axis=1) if len(place) else scores,
            confidence=confidence,
        )
        if follower is not None:
            numbers = range(start, start + len(small))
            return follower.follow(rows, numbers, partial(self._again, run))
        if self.options.several:
            rows = without_duplicates(rows, self.options.body_length)
        return LinkedRows.unlinked(rows)

    def _again(
        self, run: Frames, at: int, expected: Float[ndarray, "animals keypoints 2"]
    ) -> tuple[Float[ndarray, "animals keypoints 2"], Float[ndarray, "animals keypoints"]]:
        """Look again at animals of a frame of a run, which should be about at some places."""
        middles = bounding_boxes(expected).mean(axis=1)
        found = self._crops.look(run, [at] * len(expected), middles, expected)
        return self._believed(found, expected)

    def _believed(
        self, found: Prediction, expected: Float[ndarray, "animals keypoints 2"] | None = None
    ) -> tuple[Float[ndarray, "animals keypoints 2"], Float[ndarray, "animals keypoints"]]:
        """Keypoints in frame px and their confidences; NaN and 0 for those of another animal."""
        points, confidence = found.keypoints.double().numpy(), found.confidences.double().numpy()
        if not self.options.several:
            return points, confidence
        return without_strays(points, confidence, self._lengths, self.options.body_length, expected)


class _Backwards:
    """Frames of a video from the last to the first, read some at a time.

    Args:
        source: The video.
        size: How many are read at once.
    """

    def __init__(self, source: VideoSource, size: int) -> None:
        self.source, self.size = source, size
        self._block, self._start = source.read(0, 0), 0

    def at(self, number: int) -> Frames:
        """One frame (1, H, W, 3)."""
        place = number - self._start
        if not 0 <= place < len(self._block):
            self._start = max(0, number + 1 - self.size)
            self._block = self.source.read(self._start, number + 1)
            place = number - self._start
        return self._block[place : place + 1]
