"""The contract of a reader plug-in."""

from __future__ import annotations

from pathlib import Path
from typing import Protocol, runtime_checkable

from lp_core.video import VideoSource

SPECIAL_FILES = 10
"""The priority of readers of special files, which refuse any usual video."""


@runtime_checkable
class VideoReader(Protocol):
    """What an entry point in the group ``lp.video_readers`` names: usually a class of sources.

    Attributes:
        priority: The automatic choice asks readers in ascending order: 10 for readers of special
            files, 20 for the default, more for those that are only to be chosen by name or in need.

    A reader of video files may also have ``suffixes``, the set of the endings of their names, in
    lower case with the dot: where a folder stands for its videos, as in ``litpose predict``, files
    with these endings are among them.

    A reader that decodes on a GPU where there is one may also have ``decodes_on_gpu = True``: where
    the automatic choice passes it by on such a machine, it says so.
    """

    priority: int

    def refusal(self, path: Path) -> str | None:
        """Why ``path`` cannot be read exactly here, such as a library that is missing.

        Returns:
            The reason; None if it can be read, as far as is known without reading it through.
        """
        ...

    def __call__(self, path: Path, *, resize_to: tuple[int, int] | None = None) -> VideoSource:
        """Open ``path``; frames are resized to (height, width) ``resize_to`` in model px.

        Raises:
            VideoError: The file cannot be read frame by frame.
        """
        ...
