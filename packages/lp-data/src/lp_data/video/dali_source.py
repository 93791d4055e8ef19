"""The DALI reader (extra ``lp-data[dali]``)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from itertools import islice, takewhile
from pathlib import Path
from typing import Any

import numpy as np

from lp_core.video import Frames
from lp_data.errors import VideoError
from lp_data.images import resize
from lp_data.video import dali_backend
from lp_data.video.container import open_container
from lp_data.video.convert import Orientation, Picture
from lp_data.video.dali_backend import Device
from lp_data.video.decoder import Decoder
from lp_data.video.excerpt import excerpt
from lp_data.video.index import FrameIndex
from lp_data.video.indexed import IndexedSource

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
        resize_to: As for `IndexedSource`.
        index: As for `IndexedSource`.
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
        self.device: Device = dali_backend.chosen_device(device)
        super().__init__(path, resize_to=resize_to, index=index)

    def _open(self) -> None:
        self._refuse_inexact()
        with closing(Decoder(self.path, self.index.key, threaded=False)) as decoder:
            first = next(frame for _, frame in decoder.frames())
        self.orientation = Orientation.of(first)
        self.size = self.orientation.size(first.height, first.width)
        self._stream: Iterator[Picture] = iter(())
        self._next = -1
        self._decoding: Any = None

    def _more_options(self) -> Mapping[str, Any]:
        return {"device": self.device}

    def _release(self) -> None:
        self._stream, self._decoding = iter(()), None

    def _refuse_inexact(self) -> None:
        container, stream = open_container(self.path)
        with closing(container):
            codec = stream.codec.canonical_name
        if not dali_backend.decodes(codec, self.device):
            raise self._refused(f"DALI does not decode {codec} on a {self.device.upper()}")
        if self.damage:
            raise self._refused(f"DALI is not asked to read damaged files ({self.damage})")
        if (np.diff(self.index.keys) <= 0).any():
            raise self._refused("the file does not say when its frames are shown")

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
            raise self._refused(f"DALI finds no frame {indices[row]}", indices[row])

    def _in_order(self, start: int, count: int) -> Iterator[Picture]:
        if start == 0:
            self._stream = self._read_through()
        self._next = start
        for frame in islice(self._stream, count):
            self._next += 1
            yield frame

    def _read_through(self) -> Iterator[Picture]:
        """All frames in order, through DALI's own reader."""
        pipeline = dali_backend.build_pipeline(self.device, self._reader)
        sequences = -(-len(self) // _SEQUENCE)
        found = pipeline.reader_meta("reader")["epoch_size"]
        if found != sequences:
            raise self._refused(f"DALI finds {found} runs of {_SEQUENCE} frames, not {sequences}")
        for start in range(0, len(self), _SEQUENCE):
            frames, numbers = map(_array, self._run(pipeline, {}, start))
            stop = min(start + _SEQUENCE, len(self))
            if numbers[numbers >= 0].tolist() != list(range(start, stop)):
                raise self._refused("DALI counts the frames otherwise than they are", start)
            yield from frames[: stop - start]

    def _reader(self) -> tuple[Any, ...]:
        """The nodes of DALI's reader: runs of frames, and their numbers."""
        from nvidia.dali import fn

        outputs: Any = fn.experimental.readers.video(
            name="reader",
            device=self.device,
            filenames=[str(self.path.absolute())],
            sequence_length=_SEQUENCE,
            step=_SEQUENCE,
            pad_mode="constant",
            enable_frame_num="sequence",
        )
        return tuple(outputs)

    def _anywhere(self, indices: Sequence[int]) -> Iterator[Picture]:
        """The frames at ascending ``indices``, through excerpts of the file."""
        if self._decoding is None:
            self._decoding = dali_backend.build_pipeline(
                self.device, lambda: (dali_backend.decoded_frames(self.device),)
            )
        rest = list(indices)
        while rest:
            same = self._of_one_group(rest[:_AT_ONCE])
            rest = rest[len(same) :]
            part = excerpt(self.path, self.index, same[0], same[-1])
            inputs = {"data": part.data, "frames": np.array(same, np.int32) - part.first}
            yield from _array(self._run(self._decoding, inputs, same[0])[0])

    def _of_one_group(self, indices: list[int]) -> list[int]:
        """The first of ``indices``, as far as they start from one keyframe."""
        start = self.index.start_for(indices[0])
        return list(takewhile(lambda index: self.index.start_for(index) == start, indices))

    def _run(self, pipeline: Any, inputs: Mapping[str, Any], frame: int) -> tuple[Any, ...]:
        try:
            return dali_backend.run_pipeline(pipeline, inputs, self.path, frame)
        except VideoError:
            self._decoding = None
            raise


def _array(output: Any) -> np.ndarray:
    return np.array(output.as_cpu()[0])
