"""An exported model, ready to predict; neither torch nor the training code is imported."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain, islice
from pathlib import Path
from typing import cast

import numpy as np
from jaxtyping import Float32, UInt8
from numpy import ndarray

from lp_core.display import SILENT, Display
from lp_core.listing import file_marks
from lp_core.registry import VIDEO_READERS, load_plugin
from lp_core.video import Frames, VideoSource
from lp_data.images import resize
from lp_data.loading.runs import prefetch, seam, video_runs, with_context
from lp_data.video.open import VideoReader, open_video
from lp_io.predictions import PredictionCsvWriter, scorer_name
from lp_io.predictions.source import check_source, write_source
from lp_runtime.contract import Found, Runtime, load_runtime
from lp_runtime.errors import ExportError
from lp_runtime.manifest import ExportManifest, read_exported

Frame = UInt8[ndarray, "height width 3"]

_LIGHT_READERS = (
    "image_folder",
    "image_stack",
    "pyav",
)  # the automatic choice loads all readers, some with torch


class ExportedModel:
    """A tracker that ``litpose export`` wrote.

    Args:
        manifest: What is known of it.
        runtime: What runs its graph.
    """

    def __init__(self, manifest: ExportManifest, runtime: Runtime) -> None:
        self.manifest = manifest
        self._runtime = runtime

    @classmethod
    def from_dir(
        cls, folder: str | Path, *, runtime: str = "onnxruntime", threads: int | None = None
    ) -> ExportedModel:
        """Load an exported model.

        Args:
            folder: What ``litpose export`` wrote.
            runtime: A name registered under ``lp.runtimes``.
            threads: Threads of one operation; None for the runtime's own choice.

        Raises:
            ExportError: The folder is not one, or is damaged; or the runtime is not installed.
        """
        manifest, graph = read_exported(Path(folder))
        return cls(manifest, load_runtime(runtime)(graph, threads))

    @property
    def keypoint_names(self) -> tuple[str, ...]:
        """The K keypoints, in the order of every output."""
        return self.manifest.keypoint_names

    def predict_frames(self, frames: Iterable[Frame]) -> Iterator[Found]:
        """Predictions of consecutive RGB frames of one size, some at a time, as they come.

        Yields:
            Keypoints in frame px and confidences; together one row for each frame.
        """
        frames = iter(frames)
        first = next(frames, None)
        if first is None:
            return
        for run in with_context(self._chunks(chain([first], frames)), self._margin):
            yield self._found(run, (first.shape[0], first.shape[1]))

    def _chunks(self, frames: Iterator[Frame]) -> Iterator[Frames]:
        """Frames at the size of the graph, some at a time."""
        while some := list(islice(frames, self.manifest.chunk)):
            yield np.stack([resize(frame, self.manifest.image_size) for frame in some])

    def predict_video(
        self, path: str | Path, *, reader: str = "auto"
    ) -> tuple[Float32[ndarray, "frames keypoints 2"], Float32[ndarray, "frames keypoints"]]:
        """Keypoints (N, K, 2) in frame px, and confidences (N, K), of all N frames of a video.

        Raises:
            VideoError: The file is not a video that can be read exactly.
        """
        with self._opened(Path(path), reader) as source:
            parts = list(self._predict(source, 0))
        return tuple(map(np.concatenate, zip(*parts, strict=True)))  # type: ignore[return-value]

    def write_video(
        self,
        video: Path,
        table: Path,
        *,
        reader: str = "auto",
        resume: bool = False,
        display: Display = SILENT,
    ) -> int:
        """Predict every frame of a video into a table, writing as it goes.

        Args:
            video: A video, a folder of images, or a stack of images.
            table: The CSV to write; it appears when it is complete. ``<stem>_source.json`` beside
                it says what video it is of.
            reader: A registered video reader, or ``auto``.
            resume: Go on where an interrupted run stopped; the file becomes the same.
            display: Where to report to.

        Returns:
            The rows of the table, as many as the video has frames.

        Raises:
            VideoError: The video cannot be read exactly.
            PoseError: The table cannot be written.
            ExportError: The number of rows is not the number of frames.
        """
        scorer = scorer_name(self.manifest.model_type)
        with self._opened(video, reader) as source:
            identity = self._identity(source, video)
            with (
                PredictionCsvWriter(
                    table, self.keypoint_names, scorer=scorer, identity=identity, resume=resume
                ) as writer,
                display.task(video.name, len(source)) as update,
            ):
                start = seam(writer.complete_rows, len(source), self.manifest.chunk, self._margin)
                writer.go_back(start)
                for found in self._predict(source, start):
                    writer.append(found.keypoints, found.confidences)
                    update(writer.complete_rows)
                if writer.complete_rows != len(source):
                    raise ExportError(
                        f"{writer.complete_rows} frames were predicted, but the video has "
                        f"{len(source)}",
                        where=video,
                        remedy="this is a fault of the video reader; please report it",
                    )
        write_source(table, video, self.manifest.weights_digest, self.manifest.calibration)
        return writer.complete_rows

    def _opened(self, path: Path, reader: str) -> VideoSource:
        """A video, read by the first of the light readers that does not refuse it."""
        if reader == "auto" and path.exists():
            for name in _LIGHT_READERS:
                if cast("VideoReader", load_plugin(VIDEO_READERS, name)).refusal(path) is None:
                    reader = name
                    break
        return open_video(path, reader=reader, resize_to=self.manifest.image_size)

    @property
    def _margin(self) -> int:
        return self.manifest.context_frames // 2

    def _predict(self, source: VideoSource, start: int) -> Iterator[Found]:
        runs = video_runs(source, self.manifest.chunk, self._margin, start)
        for run in prefetch(runs):
            yield self._found(run, source.size)

    def _found(self, run: Frames, frame_size: tuple[int, int]) -> Found:
        """The rows of a run of frames at the size of the graph, in frame px."""
        found = self._runtime.run(run.transpose(0, 3, 1, 2))
        scale = np.divide(frame_size[::-1], self.manifest.image_size[::-1], dtype=np.float32)
        keypoints = (found.keypoints + np.float32(0.5)) * scale - np.float32(0.5)
        return Found(keypoints, found.confidences)

    def _identity(self, source: VideoSource, video: Path) -> str:
        """A text that differs where predictions of a video may differ in any bit."""
        return json.dumps(
            {
                "graph": self.manifest.graph_sha256,
                "runtime": type(self._runtime).__qualname__,
                "reader": type(source).__qualname__,
                "video": file_marks(video),
            }
        )


def predict_videos(
    model: ExportedModel,
    videos: Sequence[Path],
    folder: Path,
    *,
    reader: str = "auto",
    overwrite: bool = False,
    resume: bool = False,
    display: Display = SILENT,
) -> None:
    """Predict videos one after the other, each into ``folder/<its name>.csv``.

    Args:
        model: What predicts.
        videos: Of different names.
        folder: Where the tables go.
        reader: A registered video reader, or ``auto``.
        overwrite: Predict again what is done.
        resume: Go on in the middle of videos that were interrupted.
        display: Where to report to.

    Raises:
        FileFormatError: A table of another video or model has the name.
        LPError: A video cannot be read, or a table cannot be written.
    """
    for video in videos:
        table = folder / f"{video.stem}.csv"
        if table.exists() and not overwrite:
            check_source(table, video, model.manifest.weights_digest)
            display.message(f"{table} is there already; --overwrite predicts it again")
            continue
        rows = model.write_video(video, table, reader=reader, resume=resume, display=display)
        display.message(f"{video.name}: {rows} frames -> {table}")
