"""Open a video to predict it: whole frames, or each frame cut to boxes."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path
from typing import Protocol, runtime_checkable

import torch
from jaxtyping import Bool
from torch import Tensor

from lp_core.batches import Prediction
from lp_core.regions import Region, collect, ownership
from lp_core.video import VideoSource
from lp_data.errors import BoxFileError
from lp_data.inference.handler import PredictionHandler
from lp_data.regions import Boxes, CutVideo
from lp_data.video.open import open_video


@runtime_checkable
class FramesPredictor(Protocol):
    """What finds the animal of each frame, where that is not simply the whole frame."""

    @property
    def read_size(self) -> tuple[int, int] | None:
        """(height, width) that frames are to be read at; None for their own."""
        ...

    def predict_frames(self, source: VideoSource, start: int = 0) -> Iterator[Prediction]:
        """One animal in each frame, as `PredictionHandler.predict_video` does."""
        ...


_log = logging.getLogger(__name__)

PredictFrom = Callable[[int], Iterator[Prediction]]
"""Predicts the frames of an open video from a `PredictionHandler.seam` on."""


@contextmanager
def opened_to_predict(
    handler: PredictionHandler,
    video: Path,
    *,
    reader: str = "auto",
    boxes: Boxes | None = None,
    animals: FramesPredictor | None = None,
) -> Iterator[tuple[VideoSource, PredictFrom]]:
    """Open a video, and give it with what predicts it.

    With boxes, the tracker runs on each box of each frame; what it finds becomes one row for each
    frame.

    Args:
        handler: Runs the tracker.
        video: The video.
        reader: A registered video reader, or ``auto``.
        boxes: Those of its frames; None for whole frames. See `lp_core.regions.collect`.
        animals: Finds the animal in each frame, where that is not simply the whole frame.

    Raises:
        VideoError: The video cannot be read.
        BoxFileError: The boxes are not those of the video.
        BoxFileError: The boxes are of several animals.
    """
    with ExitStack() as stack:
        size = animals.read_size if animals else handler.read_size
        size = size if boxes is None else None
        source = stack.enter_context(open_video(video, reader=reader, resize_to=size))
        if boxes is None:
            predict_video = handler.predict_video if animals is None else animals.predict_frames
            yield source, partial(predict_video, source)
            return
        tracks = boxes.of_video(len(source))
        first = [track[0] for track in tracks]
        _refuse_several(first, boxes)
        sources = [
            source,
            *(stack.enter_context(open_video(video, reader=reader)) for _ in tracks[1:]),
        ]
        cuts = [
            CutVideo(source, [region.box for region in track], handler.image_size)
            for source, track in zip(sources, tracks, strict=True)
        ]
        if over := sum(cut.number_over_edge for cut in cuts):
            _log.warning("%s: %d boxes reach over the edge of the frame, where their images are "
                         "black", video.name, over)  # fmt: skip
        owned = ownership(first, handler.tracker.options.keypoint_names)

        def predict(start: int) -> Iterator[Prediction]:
            parts = [_predict_cut(handler, cut, start) for cut in cuts]
            for found in zip(*parts, strict=True):
                yield _collected(found, owned)

        yield cuts[0], predict


def _collected(found: Sequence[Prediction], owned: Bool[Tensor, "regions keypoints"]) -> Prediction:
    """One row for each frame, from those of its regions."""
    if len(found) == 1:
        return found[0]
    confidences = torch.stack([each.confidences for each in found])
    keypoints = collect(torch.stack([each.keypoints for each in found]), confidences, owned)
    known = [each.covariance.flatten(2) for each in found if each.covariance is not None]
    covariance = collect(torch.stack(known), confidences, owned)[0] if known else None
    return Prediction(
        *keypoints,
        covariance=None if covariance is None else covariance.unflatten(2, (2, 2)),
        members=tuple(
            _collected(own, owned) for own in zip(*(each.members for each in found), strict=True)
        ),
    )


def _predict_cut(handler: PredictionHandler, video: CutVideo, start: int) -> Iterator[Prediction]:
    """The frames of a video that is cut to boxes.

    A tracker with context sees the neighbours of a frame in the box of this frame, as in training;
    where the box stays, every frame is looked at once.
    """
    if not handler.margin or not video.moves:
        yield from handler.predict_video(video, start)
        return
    size = max(1, handler.chunk // handler.tracker.context_frames)
    for first in range(start // size * size, len(video), size):
        frames = range(first, min(first + size, len(video)))
        windows = video.windows(frames, handler.margin)
        found = handler.predict_images(list(windows), video.to_frame(first, frames.stop))
        new = slice(max(0, start - first), None)
        yield found.rows(new)


def _refuse_several(regions: Sequence[Region], boxes: Boxes) -> None:
    names = sorted({str(region.individual) for region in regions})
    if len(names) > 1:
        raise BoxFileError(
            f"the boxes are of several individuals: {', '.join(names)}",
            where=boxes.files,
            remedy="predict them one by one, each with a file of its own boxes and another "
            "--output-dir",
        )
