"""The torchcodec reader (extra ``lp-data[torchcodec]``)."""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from jaxtyping import Float, Float64, UInt8
from numpy import ndarray
from torch import Tensor
from torch.nn import functional

from lp_core.video import Frames
from lp_data.errors import VideoError
from lp_data.images import interpolation, resize
from lp_data.video.index import FrameIndex
from lp_data.video.indexed import OTHER_READER, TimedSource

_AT_ONCE = 8  # full-sized frames that are held while they are resized
_SAME_SECONDS = 1e-5
_CANNOT_LOAD = (
    "torchcodec of lp-data[torchcodec] cannot decode here: it needs FFmpeg's shared libraries "
    "(libavcodec and others) on the system"
)


class TorchCodecSource(TimedSource):
    """Frames of a video file, decoded by torchcodec on the CPU or on a CUDA device.

    The time that torchcodec gives each frame is compared with the one in the file, so that a frame
    that it skips or repeats is an error, not a shift. `read_tensor` leaves frames on the device;
    all other methods give arrays on the host.

    Args:
        path: The video file.
        resize_to: As for `IndexedSource`.
        index: As for `IndexedSource`.
        device: Where frames are decoded and resized: ``cpu``, or such as ``cuda:1``. A forked
            process cannot use CUDA.

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
        device: str | torch.device = "cpu",
    ) -> None:
        self.device = torch.device(device)
        super().__init__(path, resize_to=resize_to, index=index)

    def _open(self) -> None:
        super()._open()
        if not self.index.seeks_by_pts:
            raise self._refused("torchcodec does not search transport streams exactly")
        self._decoder = _opened(self.path, self.device)
        if len(self._decoder) != len(self.index):
            raise self._refused(
                f"torchcodec finds {len(self._decoder)} frames, not the {len(self.index)} that "
                "can be decoded"
            )
        first, seconds = self._decoded([0])
        self._first_second = float(seconds[0])
        self.size = (first.shape[2], first.shape[3])

    def _more_options(self) -> Mapping[str, Any]:
        return {"device": self.device}

    def read_tensor(
        self, start: int, stop: int
    ) -> UInt8[Tensor, "frames 3 output_height output_width"]:
        """The consecutive frames ``start`` to ``stop - 1``, resized, on `device`.

        Raises:
            IndexError: The range is not within 0 and ``len(self)``.
            VideoError: A frame of the range cannot be decoded.
        """
        self._check_range(start, stop)
        empty = torch.empty((0, 3, *self.output_size), dtype=torch.uint8, device=self.device)
        parts = (
            resize_on_device(part, self.output_size) for part in self._parts(range(start, stop))
        )
        return torch.cat([empty, *parts])

    def _release(self) -> None:
        self._decoder = None

    def _decode(self, indices: Sequence[int], out: Frames) -> None:
        row = 0
        for part in self._parts(indices):
            for frame in part.permute(0, 2, 3, 1).cpu().numpy():
                out[row] = resize(frame, self.output_size)
                row += 1

    def _parts(
        self, indices: Sequence[int]
    ) -> Iterator[UInt8[Tensor, "part 3 frame_height frame_width"]]:
        """The frames at ascending ``indices``, a few at a time, each checked by its time."""
        for start in range(0, len(indices), _AT_ONCE):
            wanted = list(indices[start : start + _AT_ONCE])
            frames, seconds = self._decoded(wanted)
            for index, shown in zip(wanted, seconds, strict=True):
                expected = self._first_second + self.index.seconds(index)
                if abs(shown - expected) > _SAME_SECONDS:
                    raise self._refused(
                        f"torchcodec yields another frame in the place of {index}", index
                    )
            yield frames

    def _decoded(
        self, indices: list[int]
    ) -> tuple[UInt8[Tensor, "part 3 frame_height frame_width"], Float64[ndarray, " part"]]:
        """Frames of full size, and when torchcodec says that each is shown, in seconds."""
        try:
            batch = self._decoder.get_frames_at(indices)
        except RuntimeError as error:
            raise self._refused(
                f"torchcodec cannot decode this: {_first_line(error)}", indices[0]
            ) from error
        return batch.data, np.asarray(batch.pts_seconds, np.float64)


def resize_on_device(
    frames: UInt8[Tensor, "frames 3 height width"], size: tuple[int, int]
) -> UInt8[Tensor, "frames 3 rows columns"]:
    """Resize frames (T, 3, H, W) to (height, width) ``size`` in model px, as images are.

    The map of coordinates is `lp_core.geometry.affine.resizing`. Gray levels may differ by 1 from
    those on the host, where OpenCV rounds in between.
    """
    source = (frames.shape[2], frames.shape[3])
    if source == size:
        return frames
    if interpolation(source, size) == cv2.INTER_AREA:
        rows = _area_weights(source[0], size[0]).to(frames.device, non_blocking=True)
        columns = _area_weights(source[1], size[1]).to(frames.device, non_blocking=True)
        resized = rows @ frames.float() @ columns.T
    else:
        resized = functional.interpolate(frames.float(), size, mode="bilinear")
    return resized.round_().clamp_(0, 255).to(torch.uint8)


def _area_weights(source: int, target: int) -> Float[Tensor, "target source"]:
    """The share that each pixel has of the area of each resized one."""
    scale = source / target
    starts = torch.arange(target, dtype=torch.float64)[:, None] * scale
    pixels = torch.arange(source, dtype=torch.float64)[None]
    overlap = torch.minimum(starts + scale, pixels + 1) - torch.maximum(starts, pixels)
    return (overlap.clamp(min=0) / scale).float()


def _opened(path: Path, device: torch.device) -> Any:
    from torchcodec.decoders import VideoDecoder

    try:
        return VideoDecoder(str(path), seek_mode="exact", num_ffmpeg_threads=0, device=device)
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
