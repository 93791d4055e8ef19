"""What a prediction of a video depends on, and what became of it."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import torch

from lp_core.listing import file_marks
from lp_core.video import VideoSource
from lp_data.regions import Boxes
from lp_pipeline.prediction.handler import PredictionHandler


@dataclass(frozen=True)
class VideoResult:
    """What was written for one video.

    Attributes:
        path: The table of coordinates.
        frames: Rows written, which is the number of frames of the video.
        seconds: How long the frames that are not `resumed` took.
        damage: What is wrong with the file although its readable frames were predicted; or None.
        resumed: Of the rows, those that an interrupted run had predicted.
    """

    path: Path
    frames: int
    seconds: float
    damage: str | None
    resumed: int


def prediction_identity(
    handler: PredictionHandler, source: VideoSource, video: Path, boxes: Boxes | None = None
) -> str:
    """A text that differs where predictions of a video may differ in any bit.

    The number of threads is left out: a cluster may give a resumed job others.
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
            "video": file_marks(video),
            "boxes": boxes.digest if boxes else None,
        }
    )
