"""What the numbers of a video's predictions depend on, to tell whether they can be gone on with."""

from __future__ import annotations

import json
from pathlib import Path

import torch

from lp_core.listing import visible
from lp_core.video import VideoSource
from lp_data.regions import Boxes
from lp_pipeline.prediction.handler import PredictionHandler


def prediction_identity(
    handler: PredictionHandler, source: VideoSource, video: Path, boxes: Boxes | None = None
) -> str:
    """A text that differs where predictions of a video may differ in any bit.

    The number of threads is left out: a cluster may give a resumed job others.

    Args:
        handler: Runs the tracker.
        source: The opened video.
        video: The file or the folder.
        boxes: Those of its frames; None for whole frames.
    """
    return json.dumps(
        {
            "weights": handler.weights_digest,
            "size": handler.image_size,
            "context": handler.tracker.context_frames,
            "chunk": handler.chunk,
            "device": handler.device.type,
            "precision": handler.precision,
            "torch": torch.__version__,
            "reader": type(source).__qualname__,
            "video": _file_marks(video),
            "boxes": boxes.digest if boxes else None,
        }
    )


def _file_marks(video: Path) -> list[tuple[str, int, int]]:
    """Names, sizes and times of a file, or of those in a folder; reading them would take long."""
    files = visible(video) if video.is_dir() else [video]
    stats = ((file.name, file.stat()) for file in files)
    return [(name, stat.st_size, stat.st_mtime_ns) for name, stat in stats]
