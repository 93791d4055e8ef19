"""The videos of one session, read in step."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from types import TracebackType

import numpy as np
from jaxtyping import Bool
from numpy import ndarray

from lp_core.video import Frames, VideoSource
from lp_data.errors import SessionError
from lp_data.sessions.manifest import MANIFEST, SessionVideo


class ViewSet:
    """The videos of one session by view, whose frames of one moment are read together.

    Frame n of the session is frame n + offset of each video. A view that has no such frame, since
    its video begins later or ends earlier, is not present in it; nothing is shifted or stretched.

    Args:
        videos: The videos of one session.
        sources: For each of their views the open video; closed with this.

    Attributes:
        frames: The numbers of the frames of the session that any view has.

    Raises:
        SessionError: There is no video, or no moment at which two of them overlap.
    """

    def __init__(
        self,
        videos: Sequence[SessionVideo],
        sources: Mapping[str, VideoSource],
    ) -> None:
        self.videos = {video.view: video for video in videos}
        self.sources = sources
        lengths = {view: len(source) for view, source in sources.items()}
        self._ranges = ranges_of_views(videos, lengths)
        self.frames = range(
            min(each.start for each in self._ranges.values()),
            max(each.stop for each in self._ranges.values()),
        )

    def of_video(self, view: str) -> range:
        """The numbers of the session's frames that the video of a view shows, all in order."""
        return self._ranges[view]

    def frames_before(self, view: str, number: int) -> int:
        """How many frames of a view's video come before a frame of the session."""
        shown = self._ranges[view]
        return min(max(number - shown.start, 0), len(shown))

    def present(self, view: str, frames: range) -> Bool[ndarray, " frames"]:
        """Which of consecutive frames of the session a view has."""
        shown = self._ranges.get(view, range(0))
        return np.array([number in shown for number in frames], dtype=bool)

    def read(self, view: str, frames: range) -> Frames | None:
        """Consecutive frames of the session as one view shows them, black where it has none.

        Returns:
            (T, height, width, 3) in px of its source; None where it has none of them.

        Raises:
            VideoError: A frame cannot be decoded.
        """
        shown = self._ranges.get(view, range(0))
        start, stop = max(frames.start, shown.start), min(frames.stop, shown.stop)
        if start >= stop:
            return None
        offset = self.videos[view].offset
        read = self.sources[view].read(start + offset, stop + offset)
        if len(read) == len(frames):
            return read
        found = np.zeros((len(frames), *read.shape[1:]), np.uint8)
        found[start - frames.start : stop - frames.start] = read
        return found

    def close(self) -> None:
        """Close the videos."""
        with ExitStack() as stack:
            for source in self.sources.values():
                stack.callback(source.close)

    def __enter__(self) -> ViewSet:
        """Itself."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Close the videos."""
        self.close()


def ranges_of_views(videos: Sequence[SessionVideo], lengths: Mapping[str, int]) -> dict[str, range]:
    """For each view the numbers of the session's frames that its video shows.

    Args:
        videos: The videos of one session.
        lengths: For each view the number of frames of its video.

    Raises:
        SessionError: There is no video, or the frames of one are none of those of the others.
    """
    if not videos:
        raise SessionError("a session without any video")
    ranges = {v.view: range(-v.offset, lengths[v.view] - v.offset) for v in videos}
    for video in videos:
        shown = ranges[video.view]
        others = [other for view, other in ranges.items() if view != video.view]
        if others and not any(o.start < shown.stop and shown.start < o.stop for o in others):
            raise SessionError(
                f"with a frame offset of {video.offset} the video overlaps with no other of its "
                f"session '{video.session}'",
                where=video.video,
                remedy=f"correct frame_offset in {MANIFEST}",
            )
    return ranges


def shared_frames(ranges: Mapping[str, range]) -> range:
    """The frames of a session that all its videos show; empty where there is none."""
    start = max(each.start for each in ranges.values())
    return range(start, max(start, min(each.stop for each in ranges.values())))


def tell_lengths(videos: Sequence[SessionVideo], lengths: Mapping[str, int]) -> str | None:
    """What to say of the videos of a session that do not show the same frames; None where they do.

    Args:
        videos: The videos of one session.
        lengths: For each view the number of frames of its video.

    Raises:
        SessionError: As `ranges_of_views`.
    """
    ranges = ranges_of_views(videos, lengths)
    if len(set(ranges.values())) == 1:
        return None
    told = ", ".join(
        f"{v.video.name} {lengths[v.view]} frames"
        + (f" from frame {v.offset:+d} on" if v.offset else "")
        for v in videos
    )
    common = shared_frames(ranges)
    return (
        f"the videos of the session '{videos[0].session}' differ in length: {told}. All views are "
        f"present in frames {common.start} to {common.stop - 1}; elsewhere one or more are absent. "
        "Nothing is shifted: where a camera began later or lost frames, the views are not of one "
        f"moment unless frame_offset in {MANIFEST} says so"
    )
