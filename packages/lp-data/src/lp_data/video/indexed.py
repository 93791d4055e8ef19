"""What the readers of video files share: an index that was found without them."""

from __future__ import annotations

import logging
from collections.abc import Callable
from contextlib import closing
from fractions import Fraction
from functools import partial
from pathlib import Path

from lp_data.errors import VideoError
from lp_data.video.base import Source
from lp_data.video.container import VIDEO_FILES
from lp_data.video.decoder import Decoder, Key
from lp_data.video.index import FrameIndex, build_index
from lp_data.video.orientation import Orientation

_log = logging.getLogger(__name__)

OTHER_READER = "choose reader 'pyav'"
_FOLDER = "a folder is not a video file"


class IndexedSource(Source):
    """A video file whose frames are known before a reader decodes them.

    Args:
        path: The video file.
        resize_to: (height, width) of the frames returned, or None for their own size.
        index: What ``build_index`` found in this very file; give it where the same video is opened
            again, as by the workers of a data loader, to save reading the file through.

    Raises:
        VideoError: The file is not a video, or no frame of it can be decoded.
    """

    suffixes = VIDEO_FILES

    def __init__(
        self,
        path: Path,
        *,
        resize_to: tuple[int, int] | None = None,
        index: FrameIndex | None = None,
    ) -> None:
        super().__init__(path, resize_to)
        self.index = build_index(path) if index is None else index
        self.damage, self.rate_note = self.index.damage, self.index.rate_note
        if index is None and self.rate_note:
            _log.info("%s: %s", path, self.rate_note)

    @classmethod
    def refusal(cls, path: Path) -> str | None:
        """Why ``path`` cannot be read with this reader, or None."""
        return _FOLDER if path.is_dir() else None

    @property
    def fps(self) -> Fraction:
        """Average frames per second."""
        return self.index.fps

    def __len__(self) -> int:
        return len(self.index)

    def reopening(self) -> Callable[[], IndexedSource]:
        """What opens the same video once more, without reading it through: small and picklable.

        The file must not change in between.
        """
        return partial(type(self), self.path, resize_to=self.resize_to, index=self.index)


class TimedSource(IndexedSource):
    """A file read by a program whose frames are checked by the times that it tells.

    Args:
        path: The video file.
        resize_to: (height, width) of the frames returned, or None for their own size.
        index: What ``build_index`` found in this very file, if that is known.

    Raises:
        VideoError: As `IndexedSource`; or the program could not be checked, or would show the video
            otherwise than players do.
    """

    program = "this reader"

    def __init__(
        self,
        path: Path,
        *,
        resize_to: tuple[int, int] | None = None,
        index: FrameIndex | None = None,
    ) -> None:
        super().__init__(path, resize_to=resize_to, index=index)
        if self.index.key is not Key.PTS:
            raise self._refused(
                "the file does not say when its frames are shown, so that "
                f"{self.program} cannot be checked"
            )
        if self._is_mirrored():
            raise self._refused(
                f"the video's metadata asks for mirrored display, which {self.program} does not do"
            )

    def _refused(self, problem: str, frame: int | None = None) -> VideoError:
        where = self.path if frame is None else f"{self.path}, frame {frame}"
        return VideoError(problem, where=where, remedy=OTHER_READER)

    def _is_mirrored(self) -> bool:
        with closing(Decoder(self.path, self.index.key, threaded=False)) as decoder:
            return next((Orientation.of(frame).mirrors for _, frame in decoder.frames()), False)
