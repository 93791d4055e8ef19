"""Choose where a cache of images keeps its entries."""

from __future__ import annotations

import hashlib
import logging
import os
import shutil
from collections.abc import Sequence
from pathlib import Path

from lp_core.regions import Box
from lp_data.cache.image_cache import ImageCache
from lp_data.cache.stores import MappedFiles, SharedMemory, forget_unused

_log = logging.getLogger(__name__)

DEFAULT_BUDGET = 1 << 30
_FORMAT = b"lp-image-cache-1"


def open_cache(
    paths: Sequence[Path],
    image_size: tuple[int, int],
    *,
    budget: int = DEFAULT_BUDGET,
    folder: Path | None = None,
    processes: int = 1,
    boxes: Sequence[Box | None] | None = None,
) -> ImageCache:
    """A cache in memory where that is enough, else in a file mapped into memory.

    Args:
        paths: The image files.
        image_size: (height, width) in model px.
        budget: Bytes that one process may keep in memory.
        folder: Where files go; by default a folder for lp in the user's cache folder.
        processes: How many processes train together. Several share one file.
        boxes: For each image the part of it that is taken; None for whole images.

    Returns:
        The cache. Where there is room for it neither in memory nor on disk, it decodes every image
        at every access, and a warning says so.
    """
    size = len(paths) * image_size[0] * image_size[1] * 3
    if size == 0:
        return ImageCache(paths, image_size, None, boxes)
    shape = (len(paths), *image_size, 3)
    if processes == 1 and size <= budget and _has_shared_memory(size):
        return ImageCache(paths, image_size, SharedMemory(shape), boxes)
    store = _mapped_files(folder or default_folder(), paths, image_size, size, boxes)
    return ImageCache(paths, image_size, store, boxes)


def default_folder() -> Path:
    """Where caches go by default: ``lp/images`` in the user's cache folder."""
    base = os.environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache") / "lp" / "images"


def _has_shared_memory(size: int) -> bool:
    """Whether shared memory has room; containers often have but 64 MB of it."""
    device = Path("/dev/shm")  # noqa: S108 - not a temporary file: the system's shared memory
    return not device.is_dir() or shutil.disk_usage(device).free > 2 * size


def _mapped_files(
    folder: Path,
    paths: Sequence[Path],
    image_size: tuple[int, int],
    size: int,
    boxes: Sequence[Box | None] | None,
) -> MappedFiles | None:
    key = hashlib.blake2b(_FORMAT + repr(image_size).encode(), digest_size=16)
    if boxes is not None:
        key.update(repr(boxes).encode())
    for path in paths:
        key.update(str(path.absolute()).encode(errors="surrogateescape") + b"\0")
    try:
        store = MappedFiles(folder, key.hexdigest())
        forget_unused(folder)
        store.open((len(paths), *image_size, 3))
    except OSError as error:
        _log.warning(
            "no room to keep %.1f GB of decoded images (%s): every image is decoded again each "
            "time, which is slower. Set a cache folder with more room.",
            size / 1e9,
            error,
        )
        return None
    _log.info("decoded images (%.1f GB) are kept in %s", size / 1e9, folder)
    return store
