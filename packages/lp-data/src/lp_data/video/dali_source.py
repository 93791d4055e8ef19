"""The DALI reader (extra ``lp-data[dali]``)."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from functools import partial
from itertools import islice, takewhile
from pathlib import Path
from typing import Any

import numpy as np

from lp_core.video import Frames
from lp_data.errors import VideoError
from lp_data.images import resize
from lp_data.video import dali_backend
from lp_data.video.container import open_container
from lp_data.video.dali_backend import Device
from lp_data.video.decoder import Decoder
from lp_data.video.excerpt import excerpt
from lp_data.video.index import FrameIndex
from lp_data.video.indexed import OTHER_READER, IndexedSource
from lp_data.video.orientation import Orientation
from lp_data.video.rgb import Picture

_SEQUENCE = 16  # frames that DALI's reader decodes ahead at a time
_AT_ONCE = 16  # frames of one excerpt that are decoded at a time


class DALISource(IndexedSource):
    """Frames of a video file, decoded by NVIDIA DALI.

    On a CPU, DALI decodes VP8, VP9 and MJPEG; on a GPU also H.264, HEVC, MPEG-4 and AV1. Frames in
    order from the beginning come from its video reader; any others from its video decoder, which is
    given the few packets that they need. Frames are turned upright and resized on the CPU, as those
    of every other reader are.

    Attributes:
        orientation: How decoded frames are turned for display.

    Args:
        path: The video file.
        resize_to: (height, width) of the frames returned, or None for their own size.
        index: What ``build_index`` found in this very file, if that is known.
        device: Where DALI decodes; by default on a GPU where there is one.

    Raises:
        VideoError: The file is not a video, or DALI does not decode its codec there, or its packets
            do not tell which frame they hold.
    """

    priority = 35
    decodes_on_gpu = True

    @classmethod
    def refusal(cls, path: Path) -> str | None:
        """Why ``path`` cannot be read with this reader, or None."""
        return super().refusal(path) or dali_backend.missing()

    def __init__(
        self,
        path: Path,
        *,
        resize_to: tuple[int, int] | None = None,
        index: FrameIndex | None = None,
        device: Device | None = None,
    ) -> None:
        super().__init__(path, resize_to=resize_to, index=index)
        self.device: Device = device or dali_backend.default_device()
        self._refuse_inexact()
        with closing(Decoder(path, self.index.key, threaded=False)) as decoder:
            first = next(frame for _, frame in decoder.frames())
        self.orientation = Orientation.of(first)
        self._size = self.orientation.size(first.height, first.width)
        self._stream: Iterator[Picture] = iter(())
        self._next = -1
        self._decoding: Any = None

    @property
    def size(self) -> tuple[int, int]:
        """(height, width) in frame px of the frames as displayed, before any ``resize_to``."""
        return self._size

    def reopening(self) -> Callable[[], DALISource]:
        """What opens the same video once more, without reading it through."""
        index, device = self.index, self.device
        return partial(type(self), self.path, resize_to=self.resize_to, index=index, device=device)

    def _release(self) -> None:
        self._stream, self._decoding = iter(()), None

    def _refuse_inexact(self) -> None:
        container, stream = open_container(self.path)
        with closing(container):
            codec = stream.codec.canonical_name
        if not dali_backend.decodes(codec, self.device):
            raise self._error(f"DALI does not decode {codec} on a {self.device.upper()}")
        if self.damage:
            raise self._error(f"DALI is not asked to read damaged files ({self.damage})")
        if (np.diff(self.index.keys) <= 0).any():
            raise self._error("the file does not say when its frames are shown")

    def _error(self, problem: str, frame: int | None = None) -> VideoError:
        where = self.path if frame is None else f"{self.path}, frame {frame}"
        return VideoError(problem, where=where, remedy=OTHER_READER)

    def _decode(self, indices: Sequence[int], out: Frames) -> None:
        consecutive = indices[-1] - indices[0] == len(indices) - 1
        if consecutive and indices[0] in (0, self._next):
            frames = self._in_order(indices[0], len(indices))
        else:
            frames = self._anywhere(indices)
        row = 0
        for row, frame in enumerate(frames, start=1):
            upright = np.ascontiguousarray(self.orientation.apply(frame))
            out[row - 1] = resize(upright, self.output_size)
        if row < len(indices):
            raise self._error(f"DALI finds no frame {indices[row]}", indices[row])

    def _in_order(self, start: int, count: int) -> Iterator[Picture]:
        if start == 0:
            self._stream = self._read_through()
        self._next = start
        for frame in islice(self._stream, count):
            self._next += 1
            yield frame

    def _read_through(self) -> Iterator[Picture]:
        """All frames in order, through DALI's own reader."""
        pipeline = _reader(self.path, self.device)
        sequences = -(-len(self) // _SEQUENCE)
        found = pipeline.reader_meta("reader")["epoch_size"]
        if found != sequences:
            raise self._error(f"DALI finds {found} runs of {_SEQUENCE} frames, not {sequences}")
        for start in range(0, len(self), _SEQUENCE):
            frames, numbers = (_array(output) for output in self._run(pipeline, start))
            stop = min(start + _SEQUENCE, len(self))
            if numbers[numbers >= 0].tolist() != list(range(start, stop)):
                raise self._error("DALI counts the frames otherwise than they are", start)
            yield from frames[: stop - start]

    def _anywhere(self, indices: Sequence[int]) -> Iterator[Picture]:
        """The frames at ascending ``indices``, through excerpts of the file."""
        if self._decoding is None:
            self._decoding = _decoder(self.device)
        rest = list(indices)
        while rest:
            same = self._of_one_group(rest[:_AT_ONCE])
            rest = rest[len(same) :]
            part = excerpt(self.path, self.index, same[0], same[-1])
            self._decoding.feed_input("data", [part.data])
            self._decoding.feed_input("frames", [np.array(same, np.int32) - part.first])
            yield from _array(self._run(self._decoding, same[0])[0])

    def _of_one_group(self, indices: list[int]) -> list[int]:
        """The first of ``indices``, as far as they start from one keyframe."""
        start = self.index.start_for(indices[0])
        return list(takewhile(lambda index: self.index.start_for(index) == start, indices))

    def _run(self, pipeline: Any, frame: int) -> tuple[Any, ...]:
        try:
            outputs: tuple[Any, ...] = pipeline.run()
        except RuntimeError as error:
            self._decoding = None
            problem = f"DALI cannot decode this: {dali_backend.reason(error)}"
            raise self._error(problem, frame) from error
        return outputs


def _array(output: Any) -> np.ndarray:
    return np.array(output.as_cpu()[0])


def _reader(path: Path, device: Device) -> Any:
    from nvidia.dali import Pipeline, fn

    pipeline = Pipeline(**dali_backend.pipeline_options(device), prefetch_queue_depth=1)
    with pipeline:
        outputs: Any = fn.experimental.readers.video(
            name="reader",
            device=device,
            filenames=[str(path.absolute())],
            sequence_length=_SEQUENCE,
            step=_SEQUENCE,
            pad_mode="constant",
            enable_frame_num="sequence",
        )
        pipeline.set_outputs(*outputs)
    pipeline.build()
    return pipeline


def _decoder(device: Device) -> Any:
    from nvidia.dali import Pipeline, fn, types

    pipeline = Pipeline(**dali_backend.pipeline_options(device), prefetch_queue_depth=1)
    with pipeline:
        data = fn.external_source(name="data", dtype=types.UINT8, ndim=1)
        frames = fn.external_source(name="frames", dtype=types.INT32, ndim=1)
        where = "mixed" if device == "gpu" else "cpu"
        pipeline.set_outputs(fn.decoders.video(data, device=where, frames=frames))
    pipeline.build()
    return pipeline
