"""The torchcodec reader (extra ``lp-data[torchcodec]``)."""

from __future__ import annotations

import importlib.util
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float64
from numpy import ndarray

from lp_core.video import Frames
from lp_data.errors import VideoError
from lp_data.images import resize
from lp_data.video.index import FrameIndex
from lp_data.video.indexed import OTHER_READER, TimedSource

_AT_ONCE = 8  # full-sized frames that are held while they are resized
_SAME_SECONDS = 1e-5
_CANNOT_LOAD = (
    "torchcodec of lp-data[torchcodec] cannot decode here: it needs FFmpeg's shared libraries "
    "(libavcodec and others) on the system"
)


class TorchCodecSource(TimedSource):
    """Frames of a video file, decoded by torchcodec on the CPU.

    The time that torchcodec gives each frame is compared with the one in the file, so that a frame
    that it skips or repeats is an error, not a shift.

    Args:
        path: The video file.
        resize_to: (height, width) of the frames returned, or None for their own size.
        index: What ``build_index`` found in this very file, if that is known.

    Raises:
        VideoError: As `TimedSource`, or torchcodec cannot decode the file, finds another number of
            frames, or does not search this kind of file exactly.
    """

    priority = 30
    program = "torchcodec"

    @classmethod
    def refusal(cls, path: Path) -> str | None:
        """Why ``path`` cannot be read with this reader, or None."""
        return super().refusal(path) or _missing()

    def __init__(
        self,
        path: Path,
        *,
        resize_to: tuple[int, int] | None = None,
        index: FrameIndex | None = None,
    ) -> None:
        super().__init__(path, resize_to=resize_to, index=index)
        if not self.index.seeks_by_pts:
            raise self._refused("torchcodec does not search transport streams exactly")
        self._decoder = _open(path)
        if len(self._decoder) != len(self.index):
            raise self._refused(
                f"torchcodec finds {len(self._decoder)} frames, not the {len(self.index)} that "
                "can be decoded"
            )
        first, seconds = self._decoded([0])
        self._first_second = float(seconds[0])
        self._size = (first.shape[1], first.shape[2])

    @property
    def size(self) -> tuple[int, int]:
        """(height, width) in frame px of the frames as displayed, before any ``resize_to``."""
        return self._size

    def _release(self) -> None:
        self._decoder = None

    def _decode(self, indices: Sequence[int], out: Frames) -> None:
        for start in range(0, len(indices), _AT_ONCE):
            wanted = list(indices[start : start + _AT_ONCE])
            frames, seconds = self._decoded(wanted)
            for row, index in enumerate(wanted):
                expected = self._first_second + self.index.seconds(index)
                if abs(seconds[row] - expected) > _SAME_SECONDS:
                    raise self._refused(
                        f"torchcodec yields another frame in the place of {index}", index
                    )
                out[start + row] = resize(frames[row], self.output_size)

    def _decoded(self, indices: list[int]) -> tuple[Frames, Float64[ndarray, " frames"]]:
        """Frames of full size, and when torchcodec says that each is shown, in seconds."""
        try:
            batch = self._decoder.get_frames_at(indices)
        except RuntimeError as error:
            raise self._refused(
                f"torchcodec cannot decode this: {_first_line(error)}", indices[0]
            ) from error
        return batch.data.numpy(), np.asarray(batch.pts_seconds, np.float64)


def _open(path: Path) -> Any:
    from torchcodec.decoders import VideoDecoder

    try:
        return VideoDecoder(
            str(path), dimension_order="NHWC", seek_mode="exact", num_ffmpeg_threads=0
        )
    except (RuntimeError, ValueError) as error:
        raise VideoError(
            f"torchcodec cannot open the video: {_first_line(error)}",
            where=path,
            remedy=OTHER_READER,
        ) from error


def _missing() -> str | None:
    """What torchcodec lacks on this machine, or None."""
    if importlib.util.find_spec("torchcodec") is None:
        return "torchcodec is not installed: pip install 'lp-data[torchcodec]'"
    try:
        import torchcodec
    except (RuntimeError, ImportError, OSError) as error:
        return f"{_CANNOT_LOAD} ({_first_line(error)})"
    # Newer versions can be imported without FFmpeg; they only fail to decode.
    if getattr(torchcodec, "ffmpeg_major_version", None) is None:
        return _CANNOT_LOAD
    return None


def _first_line(error: Exception) -> str:
    return str(error).strip().split("\n")[0]
