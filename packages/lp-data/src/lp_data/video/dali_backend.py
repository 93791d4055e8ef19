"""What DALI can do on this machine (extra ``lp-data[dali]``)."""

from __future__ import annotations

import importlib.util
import os
from typing import Literal

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


def default_device() -> Device:
    """``"gpu"`` where PyTorch sees one, else ``"cpu"``."""
    import torch

    return "gpu" if torch.cuda.is_available() else "cpu"


def decodes(codec: str, device: Device) -> bool:
    """Whether DALI itself decodes ``codec`` (FFmpeg's name of it) on ``device``."""
    return codec in (_ON_GPU if device == "gpu" else _ON_CPU)


def pipeline_options(device: Device, threads: int | None = None) -> dict[str, int | None]:
    """Options of every DALI pipeline: one sample at a time, threads as there are cores.

    On a GPU it works on the CUDA device that is the current one, such as the local rank's.
    """
    return {
        "batch_size": 1,
        "num_threads": threads or os.cpu_count() or 1,
        "device_id": _current_device() if device == "gpu" else None,
    }


def _current_device() -> int:
    import torch

    return torch.cuda.current_device()


def reason(error: Exception) -> str:
    """The line of DALI's many that says what happened."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    if "encountered:" in lines[:-1]:
        return lines[lines.index("encountered:") + 1]
    return lines[0] if lines else type(error).__name__
