"""Predict a video of which each frame is cut to boxes."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path

import torch

from lp_core.batches import Prediction
from lp_core.regions import Region, collect, ownership
from lp_data.regions import Boxes, CutVideo
from lp_data.video.open import open_video
from lp_pipeline.errors import PredictionError
from lp_pipeline.prediction.handler import PredictionHandler

_log = logging.getLogger(__name__)


class CutPredictor:
    """Runs the tracker on each box of each frame; what it finds becomes one row for each frame.

    Args:
        handler: Runs the tracker.
        video: The video.
        boxes: Those of its frames.
        stack: Closes what is opened.
        reader: A registered video reader, or ``auto``.

    Attributes:
        source: The video with its frames cut to the first of their boxes.

    Raises:
        VideoError: The video cannot be read.
        BoxFileError: The boxes are not those of the video.
        PredictionError: The boxes are of several animals.
    """

    def __init__(
        self,
        handler: PredictionHandler,
        video: Path,
        boxes: Boxes,
        stack: ExitStack,
        reader: str = "auto",
    ) -> None:
        self._handler = handler
        sources = [stack.enter_context(open_video(video, reader=reader))]
        tracks = boxes.of_video(len(sources[0]))
        self._refuse_several([track[0] for track in tracks], boxes)
        sources += [stack.enter_context(open_video(video, reader=reader)) for _ in tracks[1:]]
        self._cuts = [
            CutVideo(source, [region.box for region in track], handler.image_size)
            for source, track in zip(sources, tracks, strict=True)
        ]
        self._owned = ownership(
            [track[0] for track in tracks], handler.tracker.options.keypoint_names
        )
        self.source = self._cuts[0]
        over = sum(cut.number_over_edge for cut in self._cuts)
        if over:
            _log.warning("%s: %d boxes reach over the edge of the frame, where their images are "
                         "black", video.name, over)  # fmt: skip

    def predict(self, start: int = 0) -> Iterator[Prediction]:
        """As `PredictionHandler.predict_video`."""
        parts = [self._handler.predict_video(cut, start) for cut in self._cuts]
        for found in zip(*parts, strict=True):
            keypoints = torch.stack([each.keypoints for each in found])
            confidences = torch.stack([each.confidences for each in found])
            yield Prediction(*collect(keypoints, confidences, self._owned))

    def _refuse_several(self, regions: Sequence[Region], boxes: Boxes) -> None:
        names = sorted({str(region.individual) for region in regions})
        if len(names) > 1:
            raise PredictionError(
                f"the boxes are of several individuals: {', '.join(names)}",
                where=boxes.files,
                remedy="predict them one by one, each with a file of its own boxes and another "
                "--output-dir",
            )
