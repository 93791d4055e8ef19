"""What DALI can do on this machine, and its pipelines (extra ``lp-data[dali]``)."""

from __future__ import annotations

import importlib.util
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Literal

import torch

from lp_data.errors import VideoError
from lp_data.video.indexed import OTHER_READER

Device = Literal["cpu", "gpu"]

# FFmpeg's names of the codecs that DALI decodes.
_ON_CPU = frozenset({"vp8", "vp9", "mjpeg"})
_ON_GPU = _ON_CPU | {"h264", "hevc", "mpeg4", "av1"}


def missing() -> str | None:
    """Why DALI cannot be used here, or None."""
    try:
        found = importlib.util.find_spec("nvidia.dali") is not None
    except ModuleNotFoundError:
        found = False
    if found:
        return None
    return "DALI is not installed: pip install 'lp-data[dali]' (Linux on x86-64 only)"


def chosen_device(device: Device | None) -> Device:
    """``device``; by default ``"gpu"`` where PyTorch sees one, else ``"cpu"``.

    Raises:
        VideoError: DALI is not installed.
    """
    problem = missing()
    if problem is not None:
        raise VideoError(problem)
    return device or ("gpu" if torch.cuda.is_available() else "cpu")


def decodes(codec: str, device: Device) -> bool:
    """Whether DALI itself decodes ``codec`` (FFmpeg's name of it) on ``device``."""
    return codec in (_ON_GPU if device == "gpu" else _ON_CPU)


def build_pipeline(device: Device, outputs: Callable[[], tuple[Any, ...]]) -> Any:
    """A pipeline of one sample at a time that gives the nodes which ``outputs`` makes.

    On a GPU it works on the CUDA device that is the current one, such as the local rank's.
    """
    from nvidia.dali import Pipeline

    pipeline = Pipeline(
        batch_size=1,
        num_threads=os.cpu_count() or 1,
        device_id=torch.cuda.current_device() if device == "gpu" else None,
        prefetch_queue_depth=1,
    )
    with pipeline:
        pipeline.set_outputs(*outputs())
    pipeline.build()
    return pipeline


def decoded_frames(device: Device) -> Any:
    """A node of decoded frames: those of the numbers ``frames`` of a video file, ``data``."""
    from nvidia.dali import fn, types

    data = fn.external_source(name="data", dtype=types.UINT8, ndim=1)
    numbers = fn.external_source(name="frames", dtype=types.INT32, ndim=1)
    where = "mixed" if device == "gpu" else "cpu"
    return fn.decoders.video(data, device=where, frames=numbers)


def run_pipeline(
    pipeline: Any, inputs: Mapping[str, Any], path: Path, frame: int
) -> tuple[Any, ...]:
    """The outputs for inputs by name.

    Raises:
        VideoError: The video at ``path`` cannot be decoded from ``frame`` on.
    """
    for name, value in inputs.items():
        pipeline.feed_input(name, [value])
    try:
        outputs: tuple[Any, ...] = pipeline.run()
    except RuntimeError as error:
        problem, where = f"DALI cannot decode this: {_reason(error)}", f"{path}, frame {frame}"
        raise VideoError(problem, where=where, remedy=OTHER_READER) from error
    return outputs


def _reason(error: Exception) -> str:
    """The line of DALI's many that says what happened."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    if "encountered:" in lines[:-1]:
        return lines[lines.index("encountered:") + 1]
    return lines[0] if lines else type(error).__name__
