"""Open any video with the reader that suits it, and what a reader is."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Protocol, cast, runtime_checkable

from lp_core.paths import foreign_path_hint
from lp_core.registry import VIDEO_READERS, load_plugin, registered
from lp_core.video import VideoSource
from lp_data.errors import VideoError

_log = logging.getLogger(__name__)

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


def open_video(
    path: str | Path, *, reader: str = "auto", resize_to: tuple[int, int] | None = None
) -> VideoSource:
    """Open a video file, a folder of images, or an image stack.

    Args:
        path: A file, or a folder of images in natural order (``img2`` before ``img10``).
        reader: The name of a reader registered in the entry-point group ``lp.video_readers``, or
            ``"auto"``: the first, in order of their ``priority``, that can read ``path`` here. The
            choice is logged in a line, which also names a reader of all kinds of videos that had to
            be passed by, and one that would decode on this machine's GPU.
        resize_to: (height, width) in model px that every frame is resized to, as training images
            are; None for the frames' own size.

    Returns:
        The source; close it, or use it in a ``with`` block.

    Raises:
        VideoError: ``path`` is not a readable video, or the reader that was asked for cannot read
            it frame by frame; the message says why.
        UnknownNameError: No reader is registered under that name.
    """
    path = Path(path)
    if reader == "auto":
        return _open_first(path, resize_to)
    chosen = _reader(reader)
    reason = chosen.refusal(path)
    if reason is not None:
        raise VideoError(
            f"the reader '{reader}' cannot read this video: {reason}",
            where=path,
            remedy="choose reader 'auto', or another one",
        )
    return chosen(path, resize_to=resize_to)


def _open_first(path: Path, resize_to: tuple[int, int] | None) -> VideoSource:
    """Open with the first reader by priority that does not refuse; its own errors are final."""
    if not path.exists():
        hint = foreign_path_hint(str(path)) or "check the path"
        raise VideoError("no such video", where=path, remedy=hint)
    refusals: dict[str, str] = {}
    unusual: dict[str, str] = {}
    readers = {name: _reader(name) for name in registered(VIDEO_READERS)}
    for name in sorted(readers, key=lambda name: (readers[name].priority, name)):
        reason = readers[name].refusal(path)
        if reason is None:
            told = unusual | _left_on_gpu(readers, name, path)
            _log.info("%s: read with '%s'%s", path, name, _reasons(told))
            return readers[name](path, resize_to=resize_to)
        refusals[name] = reason
        if readers[name].priority != SPECIAL_FILES:  # which usually refuse
            unusual[name] = reason
    raise VideoError("no reader can read this video", where=f"{path}{_reasons(refusals)}")


def _reasons(why: Mapping[str, str]) -> str:
    return "".join(f"; not with '{name}': {reason}" for name, reason in why.items())


def _left_on_gpu(readers: Mapping[str, VideoReader], chosen: str, path: Path) -> dict[str, str]:
    """Readers that decode on this machine's GPU, and why they do not; none where it has none."""
    import torch

    on_gpu = {name for name, each in readers.items() if getattr(each, "decodes_on_gpu", False)}
    if chosen in on_gpu or not torch.cuda.is_available():
        return {}
    by_name = "it decodes on the GPU, and is used where it is asked for by name"
    return {name: readers[name].refusal(path) or by_name for name in sorted(on_gpu)}


def _reader(name: str) -> VideoReader:
    return cast("VideoReader", load_plugin(VIDEO_READERS, name))
