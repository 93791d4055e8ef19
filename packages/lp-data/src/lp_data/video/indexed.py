"""What the readers of video files share: an index that was found without them."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import Any

from lp_data.errors import VideoError
from lp_data.video.base import Source
from lp_data.video.container import VIDEO_FILES
from lp_data.video.convert import Orientation
from lp_data.video.decoder import Decoder, Key
from lp_data.video.index import FrameIndex, build_index

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
        self.fps = self.index.fps
        self.damage, self.rate_note = self.index.damage, self.index.rate_note
        if index is None and self.rate_note:
            _log.info("%s: %s", path, self.rate_note)
        self._open()

    def _open(self) -> None:
        """Open the decoder, and learn the size of the frames."""

    @classmethod
    def refusal(cls, path: Path) -> str | None:
        """Why ``path`` cannot be read with this reader, or None."""
        return _FOLDER if path.is_dir() else None

    def __len__(self) -> int:
        return len(self.index)

    def reopening(self) -> Callable[[], IndexedSource]:
        """What opens the same video once more, without reading it through: small and picklable.

        The file must not change in between.
        """
        known = {"resize_to": self.resize_to, "index": self.index, **self._more_options()}
        return partial(type(self), self.path, **known)

    def _more_options(self) -> Mapping[str, Any]:
        """What a reader takes besides, to open the same video once more."""
        return {}

    def _refused(self, problem: str, frame: int | None = None) -> VideoError:
        return self._error(problem, frame, OTHER_READER)


class TimedSource(IndexedSource):
    """A file read by a program whose frames are checked by the times that it tells.

    Raises:
        VideoError: As `IndexedSource`; or the program could not be checked, or would show the video
            otherwise than players do.
    """

    program = "this reader"

    def _open(self) -> None:
        if self.index.key is not Key.PTS:
            raise self._refused(
                "the file does not say when its frames are shown, so that "
                f"{self.program} cannot be checked"
            )
        with closing(Decoder(self.path, self.index.key, threaded=False)) as decoder:
            mirrors = next((Orientation.of(frame).mirrors for _, frame in decoder.frames()), False)
        if mirrors:
            raise self._refused(
                f"the video's metadata asks for mirrored display, which {self.program} does not do"
            )
