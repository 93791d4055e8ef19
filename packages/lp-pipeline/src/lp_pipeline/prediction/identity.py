"""What the numbers of a video's predictions depend on, to tell whether they can be gone on with."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import torch

from lp_core.trackers.supervised import BaseSupervisedTracker
from lp_core.video import VideoSource
from lp_pipeline.prediction.handler import PredictionHandler


def prediction_identity(handler: PredictionHandler, source: VideoSource, video: Path) -> str:
    """A text that differs where predictions of a video may differ in any bit.

    The number of threads is left out: a cluster may give a resumed job others.

    Args:
        handler: Runs the tracker.
        source: The opened video.
        video: The file or the folder.
    """
    return json.dumps(
        {
            "weights": weights_digest(handler.tracker),
            "size": handler.image_size,
            "context": handler.tracker.context_frames,
            "chunk": handler.chunk,
            "device": handler.device.type,
            "precision": handler.precision,
            "torch": torch.__version__,
            "reader": type(source).__qualname__,
            "video": _file_marks(video),
        }
    )


def weights_digest(tracker: BaseSupervisedTracker) -> str:
    """A digest of a tracker's class, weights and buffers."""
    digest = hashlib.sha256(type(tracker).__qualname__.encode())
    for name, value in tracker.state_dict().items():
        digest.update(f"{name} {value.dtype} {tuple(value.shape)}".encode())
        plain = value.detach().cpu().contiguous().flatten().view(torch.uint8)
        digest.update(plain.numpy().data)
    return digest.hexdigest()


def _file_marks(video: Path) -> list[tuple[str, int, int]]:
    """Names, sizes and times of a file, or of those in a folder; reading them would take long."""
    files = sorted(video.iterdir()) if video.is_dir() else [video]
    stats = ((file.name, file.stat()) for file in files)
    return [(name, stat.st_size, stat.st_mtime_ns) for name, stat in stats]
