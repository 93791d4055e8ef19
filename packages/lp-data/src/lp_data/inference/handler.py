"""Run a tracker over frames, whatever their number, with constant memory."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import cached_property
from typing import cast

import torch
from jaxtyping import Float, UInt8
from torch import Tensor

from lp_core.batches import LabeledBatch, Prediction, UnlabeledBatch
from lp_core.devices import Precision, autocast, choose_device, default_chunk
from lp_core.errors import TrackerError
from lp_core.geometry.affine import resizing
from lp_core.trackers.folding import with_folded_backbone
from lp_core.trackers.supervised import BaseSupervisedTracker
from lp_core.trackers.weights import weights_digest
from lp_core.video import Frames, VideoSource
from lp_data.loading.runs import prefetch, seam, video_runs, with_context
from lp_data.regions import CutVideo


class PredictionHandler:
    """Predicts streams of frames and batches of labelled images with one tracker.

    Args:
        tracker: A trained tracker; it is moved to the device and put into evaluation mode. Its
            weights may be copied: train it no further.
        device: ``auto``, ``cpu``, ``cuda``, ``mps``.
        precision: Of the network.
        chunk: Frames that go through the network at once; None takes
            `lp_core.devices.default_chunk`.

    Raises:
        DeviceError: The device is not there.
    """

    def __init__(
        self,
        tracker: BaseSupervisedTracker,
        *,
        device: str = "auto",
        precision: Precision = "32-true",
        chunk: int | None = None,
    ) -> None:
        self.device = choose_device(device)
        self.precision = precision
        self.chunk = chunk or default_chunk(self.device, tracker.options.image_size)
        self.tracker = tracker.to(self.device).eval()
        on_cpu = self.device.type == "cpu"
        self._network = with_folded_backbone(self.tracker) if on_cpu else self.tracker
        self._network.backbone.to(memory_format=torch.channels_last)

    def with_tracker(self, tracker: BaseSupervisedTracker) -> PredictionHandler:
        """One that runs another tracker in the same way."""
        return PredictionHandler(
            tracker, device=str(self.device), precision=self.precision, chunk=self.chunk
        )

    def for_views(self, views: Sequence[str]) -> PredictionHandler:
        """One for sessions that lack views.

        Raises:
            TrackerError: The tracker needs an image of each.
        """
        return self.with_tracker(self.tracker.for_views(views))

    @cached_property
    def weights_digest(self) -> str:
        """`lp_core.trackers.weights.weights_digest` of the tracker."""
        return weights_digest(self.tracker)

    @property
    def image_size(self) -> tuple[int, int]:
        """(H, W) in model px of the frames that the tracker takes."""
        return self.tracker.options.image_size

    @property
    def read_size(self) -> tuple[int, int] | None:
        """(height, width) that frames are to be read at; None for their own."""
        return None if self.tracker.resizes_frames else self.image_size

    @property
    def margin(self) -> int:
        """Frames of context that the tracker looks at on each side of a frame."""
        return self.tracker.context_frames // 2

    def predict_video(self, source: VideoSource, start: int = 0) -> Iterator[Prediction]:
        """Predictions of the frames of a video, in order, some at a time.

        Args:
            source: Opened with ``resize_to`` as `read_size` says.
            start: The frame to begin with, which `seam` gave.

        Yields:
            Keypoints in frame px and confidences, on the CPU; together exactly one row for each
            frame from ``start`` on, with the same bits from whichever seam they start.
        """
        self.check_finds_one()
        self._check_looks_alone()
        maps = source.to_frame if isinstance(source, CutVideo) else None
        runs = video_runs(source, self.chunk, self.margin, start)
        return (found for _, found in self._predict_runs(runs, source.size, maps, start))

    def find_in_video(
        self, source: VideoSource, start: int = 0
    ) -> Iterator[tuple[range, Prediction]]:
        """What a tracker of many animals finds in the frames of a video, some at a time.

        Args:
            source: Opened with ``resize_to`` as `read_size` says.
            start: The frame to begin with, which `seam` gave.

        Yields:
            Frames, and the rows of these; ``image`` counts from the first of them.
        """
        runs = video_runs(source, self.chunk, self.margin, start)
        return self._predict_runs(runs, source.size, start=start)

    def find_in_frames(
        self, chunks: Iterable[Frames], frame_size: tuple[int, int]
    ) -> Iterator[tuple[range, Prediction]]:
        """`find_in_video` in consecutive frames, given as to `predict_frames`."""
        return self._predict_runs(with_context(chunks, self.margin), frame_size)

    def seam(self, rows: int, frames: int) -> int:
        """`lp_data.loading.runs.seam` of a video of which ``rows`` were predicted already."""
        return seam(rows, frames, self.chunk, self.margin)

    def predict_frames(
        self, chunks: Iterable[Frames], frame_size: tuple[int, int]
    ) -> Iterator[Prediction]:
        """Predictions of consecutive frames, some at a time.

        Args:
            chunks: Consecutive frames of the size that `read_size` says, uint8 RGB.
            frame_size: (height, width) of the frames before they were resized, in frame px.

        Yields:
            Keypoints in frame px and confidences, on the CPU; one row per frame.

        Raises:
            TrackerError: The tracker finds several animals per image.
        """
        self.check_finds_one()
        self._check_looks_alone()
        runs = with_context(chunks, self.margin)
        return (found for _, found in self._predict_runs(runs, frame_size))

    def _predict_runs(
        self,
        runs: Iterable[Frames],
        frame_size: tuple[int, int],
        maps: Callable[[int, int], Float[Tensor, "frames 2 3"]] | None = None,
        start: int = 0,
    ) -> Iterator[tuple[range, Prediction]]:
        """The numbers of frames and their predictions; the first one is number ``start``.

        ``runs`` are frames with their context. ``maps`` gives the maps from model px to frame px of
        a range of frames, which may reach over both ends; None where they are whole frames.
        """
        matrix = resizing(self.image_size, frame_size).float()
        started: deque[tuple[range, Callable[[], Prediction]]] = deque()
        for frames in prefetch(map(self._on_host, runs)):
            numbers = range(start, start + len(frames) - 2 * self.margin)
            first, start = start - self.margin, numbers.stop
            whole = matrix.expand(len(frames), 2, 3).contiguous()
            to_frame = maps(first, first + len(frames)) if maps else whole
            started.append((numbers, self._start(self._clip(frames, to_frame))))
            # while the results of one batch are written, an asynchronous device computes the next
            if len(started) > self._asynchronous:
                numbers, result = started.popleft()
                yield numbers, result()
        for numbers, result in started:
            yield numbers, result()

    @property
    def _asynchronous(self) -> bool:
        """Whether the device computes while this process goes on."""
        return self.device.type == "cuda"

    def _on_host(self, run: Frames) -> UInt8[Tensor, "frames 3 height width"]:
        """A run of frames as a tensor that the device can fetch by itself."""
        frames = torch.from_numpy(run)
        if self._asynchronous:
            frames = frames.pin_memory()
        return frames.permute(0, 3, 1, 2)

    def _clip(
        self, frames: UInt8[Tensor, "frames 3 height width"], to_frame: Float[Tensor, "frames 2 3"]
    ) -> UnlabeledBatch:
        """What the network takes: frames at the size of model px, and their maps to frame px."""
        if self.tracker.resizes_frames:
            frames = self.tracker.resize_frames(frames.to(self.device, non_blocking=True))
        return {"frames": frames, "to_frame": to_frame}

    def _check_looks_alone(self) -> None:
        """Refuse a tracker that looks at several views together for the video of one."""
        if self.tracker.views == "jointly":
            raise TrackerError(
                f"{type(self.tracker).__name__} looks at several views of a frame together",
                remedy="predict the videos of a session together",
            )

    def check_finds_one(self) -> None:
        """Refuse a tracker that finds any number of animals in an image.

        Raises:
            TrackerError: It is such a tracker.
        """
        if self.tracker.instances == "many":
            raise TrackerError(
                f"{type(self.tracker).__name__} finds several animals per image, and tables of "
                "predictions hold one",
                remedy="call its predict_step",
            )

    def predict_images(
        self,
        images: Sequence[UInt8[Tensor, ...]],
        to_frame: Float[Tensor, "images 2 3"],
        condition: Float[Tensor, "images keypoints 2"] | None = None,
    ) -> Prediction:
        """Predictions of independent images, on the CPU.

        Args:
            images: Each (3, H, W) in model px, or (F, 3, H, W) with its context.
            to_frame: Their maps from model px to frame px.
            condition: About where the keypoints of the animal that is meant are, model px; see
                `lp_core.batches.LabeledBatch`.
        """
        K = self.tracker.num_keypoints
        if not images:
            return Prediction(torch.empty(0, K, 2), torch.empty(0, K))
        starts = range(0, len(images), self.chunk)
        parts = []
        for start in starts:
            some = torch.stack(list(images[start : start + self.chunk]))
            maps = to_frame[start : start + self.chunk].contiguous()
            batch = cast("LabeledBatch", {"images": some, "to_frame": maps})
            if condition is not None:
                batch["condition"] = condition[start : start + self.chunk].contiguous()
            parts.append(self.predict_labeled(batch))
        return Prediction.joined(parts, starts)

    @torch.inference_mode()
    def features(self, frames: Frames) -> Float[Tensor, "frames channels"]:
        """The backbone's features of independent frames, averaged over the image, on the CPU.

        Args:
            frames: Of the size that `read_size` says, uint8 RGB.
        """
        images = torch.from_numpy(frames).permute(0, 3, 1, 2).to(self.device)
        if self.tracker.resizes_frames:
            images = self.tracker.resize_frames(images)
        with autocast(self.device, self.precision):
            maps = self._network.encode(images)
        return maps.float().mean(dim=(2, 3)).cpu()

    def predict_labeled(self, batch: LabeledBatch | UnlabeledBatch) -> Prediction:
        """Predictions of a labelled batch or a clip, on the CPU."""
        return self._start(batch)()

    @torch.inference_mode()
    def _start(self, batch: LabeledBatch | UnlabeledBatch) -> Callable[[], Prediction]:
        """Send one batch through the network; call what it gives for the prediction, on the CPU."""
        moved = {
            name: value.to(self.device, non_blocking=True) if isinstance(value, Tensor) else value
            for name, value in batch.items()
        }
        with autocast(self.device, self.precision):
            found = self._network.predict_step(moved)  # type: ignore[arg-type]
        prediction = Prediction(
            self._on_cpu(found.keypoints.float()),
            self._on_cpu(found.confidences.float()),
            None if found.image is None else self._on_cpu(found.image),
            None if found.scores is None else self._on_cpu(found.scores.float()),
        )
        if not self._asynchronous:
            return lambda: prediction
        copied = torch.cuda.Event()
        copied.record(torch.cuda.current_stream(self.device))

        def wait() -> Prediction:
            copied.synchronize()
            return prediction

        return wait

    def _on_cpu(self, values: Tensor) -> Tensor:
        return values.to("cpu", non_blocking=self._asynchronous)
