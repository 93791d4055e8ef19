"""Run a tracker that looks at all views of a frame together over the videos of a session."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor

from lp_core.batches import Prediction, UnlabeledBatch
from lp_core.errors import TrackerError
from lp_core.geometry import affine
from lp_core.regions import Box
from lp_core.video import VideoSource
from lp_data.errors import BoxFileError
from lp_data.inference.handler import PredictionHandler
from lp_data.loading.runs import prefetch
from lp_data.regions import Boxes, CutVideo
from lp_data.sessions.manifest import SessionVideo
from lp_data.sessions.view_set import ViewSet, tell_lengths
from lp_data.video.open import open_video

_log = logging.getLogger(__name__)


@contextmanager
def opened_session(
    videos: Sequence[SessionVideo],
    handler: PredictionHandler,
    boxes: Mapping[str, Boxes] | None = None,
    *,
    reader: str = "auto",
) -> Iterator[ViewSet]:
    """Open the videos of a session, to predict them together; that they differ is logged.

    Args:
        videos: The videos.
        handler: Says at what size their frames are read.
        boxes: By view the boxes of its frames; those without are whole.
        reader: A registered video reader, or ``auto``.

    Raises:
        VideoError: A video cannot be read.
        BoxFileError: Boxes are not those of their video, or of several parts of it.
        SessionError: The videos do not overlap in time.
    """
    with ExitStack() as stack:
        sources: dict[str, VideoSource] = {}
        for video in videos:
            own = (boxes or {}).get(video.view)
            size = handler.read_size if own is None else None
            source = stack.enter_context(open_video(video.video, reader=reader, resize_to=size))
            if own is not None:
                source = CutVideo(source, _one_track(own, len(source)), handler.image_size)
            sources[video.view] = source
        told = tell_lengths(videos, {view: len(source) for view, source in sources.items()})
        if told:
            _log.warning("%s", told)
        yield ViewSet(videos, sources)


def predict_together(
    handler: PredictionHandler,
    views: Sequence[str],
    videos: Mapping[str, Path],
    offsets: Mapping[str, int] | None = None,
    boxes: Mapping[str, Boxes] | None = None,
    *,
    reader: str = "auto",
) -> dict[str, Prediction]:
    """By view the predictions of all frames of its video, of the videos of one session.

    Args:
        handler: Runs the tracker.
        views: All views of the project.
        videos: By view those of the session.
        offsets: By view how many frames later its video shows a moment; 0 where left out.
        boxes: As for `opened_session`.
        reader: A registered video reader, or ``auto``.

    Raises:
        LPError: As for `opened_session`.
    """
    shifts = offsets or {}
    session = [
        SessionVideo("", view, videos[view], offset=shifts.get(view, 0))
        for view in views
        if view in videos
    ]
    with opened_session(session, handler, boxes, reader=reader) as opened:
        chunks = list(JointPredictor.of_session(handler, views, opened).predict(opened))
    parts = {v.view: [c.views[v.view] for c in chunks if v.view in c.views] for v in session}
    return {view: Prediction.joined(found) for view, found in parts.items()}


def _one_track(boxes: Boxes, frames: int) -> list[Box | None]:
    tracks = boxes.of_video(frames)
    if len(tracks) != 1:
        raise BoxFileError(
            f"a frame of one of several cameras has one box, here are {len(tracks)}",
            where=boxes.files,
        )
    return [region.box for region in tracks[0]]


class JointChunk(NamedTuple):
    """What is predicted of consecutive frames of a session.

    Attributes:
        frames: The numbers of the frames.
        views: For each view that has any of them its rows, in the order of its own frames: a frame
            that its video does not have has no row.
    """

    frames: range
    views: dict[str, Prediction]


class JointPredictor:
    """Predicts sessions with a tracker that looks at the views of a frame together.

    Args:
        handler: Runs the tracker.
        views: All views of the project, in the order in which the tracker learnt them.

    Raises:
        TrackerError: The tracker looks at frames before and after as well.
    """

    def __init__(self, handler: PredictionHandler, views: Sequence[str]) -> None:
        if handler.margin:
            raise TrackerError("a tracker of views together cannot look at several frames yet")
        self.handler, self.views = handler, tuple(views)
        self.chunk = max(1, handler.chunk // len(self.views))

    @classmethod
    def of_session(
        cls, handler: PredictionHandler, views: Sequence[str], session: ViewSet
    ) -> JointPredictor:
        """That of a session, which may lack views: then those that it has are looked at alone.

        The predictions are the same but for rounding, and take less time.

        Raises:
            TrackerError: As above.
        """
        known = [view for view in views if view in session.videos]
        if len(known) == len(views):
            return cls(handler, views)
        try:
            return cls(handler.for_views(known), known)
        except TrackerError:  # it needs an image of each
            return cls(handler, views)

    def seam(self, session: ViewSet, rows: Mapping[str, int]) -> int:
        """The frame of the session to go on with, where each view has so many rows already.

        The frames then go through the network in the same company as without an interruption.
        """
        first = session.frames.start
        known = [
            session.frames.stop if count == len(shown) else shown.start + count
            for view, count in rows.items()
            for shown in [session.of_video(view)]
        ]
        return first + max(0, min(known) - first) // self.chunk * self.chunk

    def predict(self, session: ViewSet, start: int | None = None) -> Iterator[JointChunk]:
        """The rows of all frames from ``start`` on, some frames at a time.

        Args:
            session: The videos, opened at the size that `PredictionHandler.read_size` says, or cut
                to boxes.
            start: A frame of the session that `seam` gave; None for its first.
        """
        first = session.frames.start if start is None else start
        runs = (
            range(at, min(at + self.chunk, session.frames.stop))
            for at in range(first, session.frames.stop, self.chunk)
        )
        for frames, batch in prefetch((run, self._batch(session, run)) for run in runs):
            found = self.handler.predict_labeled(batch)
            yield JointChunk(frames, self._of_views(session, frames, found))

    def _batch(self, session: ViewSet, frames: range) -> UnlabeledBatch:
        """The images of all views, those of one frame neighbours, black where one is absent."""
        numbers = torch.arange(len(frames)).repeat_interleave(len(self.views))
        known = [torch.from_numpy(session.present(view, frames)) for view in self.views]
        images = [self._images(session, view, frames) for view in self.views]
        maps = [self._maps(session, view, frames) for view in self.views]
        return {
            "frames": torch.stack(images, dim=1).flatten(0, 1),
            "to_frame": torch.stack(maps, dim=1).flatten(0, 1),
            "frame": frames.start + numbers,
            "view": torch.arange(len(self.views)).repeat(len(frames)),
            "present": torch.stack(known, dim=1).flatten(),
            "views": len(self.views),
        }

    def _images(self, session: ViewSet, view: str, frames: range) -> Tensor:
        """The frames (T, 3, H, W) of a view at model size: uint8, or as the tracker resizes."""
        tracker, size = self.handler.tracker, self.handler.image_size
        if (read := session.read(view, frames)) is None:
            kind = torch.float32 if tracker.resizes_frames else torch.uint8
            return torch.zeros(len(frames), 3, *size, dtype=kind)
        images = torch.from_numpy(read).permute(0, 3, 1, 2)
        return tracker.resize_frames(images) if tracker.resizes_frames else images

    def _maps(self, session: ViewSet, view: str, frames: range) -> Float[Tensor, "frames 2 3"]:
        """The maps of a view from model px to frame px."""
        source = session.sources.get(view)
        if isinstance(source, CutVideo):
            offset = session.videos[view].offset
            return source.to_frame(frames.start + offset, frames.stop + offset)
        size = self.handler.image_size if source is None else source.size
        return affine.resizing(self.handler.image_size, size).float().repeat(len(frames), 1, 1)

    def _of_views(
        self, session: ViewSet, frames: range, found: Prediction
    ) -> dict[str, Prediction]:
        """The rows of each view on the frames that it has."""
        rows = {}
        for number, view in enumerate(self.views):
            known = torch.from_numpy(session.present(view, frames))
            if known.any():
                own = slice(number, None, len(self.views))
                rows[view] = found.rows(own).rows(known)
        return rows
