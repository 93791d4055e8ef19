"""Decoded and resized images, kept so that no file is decoded twice.

The pixels of all images lie in one array: in memory that worker processes share, or, beyond a
budget or where several processes train together, in a file that is mapped into memory. An image is
decoded the first time that any process asks for it. Each entry carries a stamp of the source file's
path, size and time of change, so that an image that changed is decoded again.
"""

from __future__ import annotations

import hashlib
import logging
import math
import os
import shutil
import time
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Int64, UInt8
from numpy import ndarray

from lp_core.regions import Box
from lp_data.errors import BoxFileError, ImageFileError
from lp_data.images import Image, read_image, resize
from lp_data.regions.cutting import cut, reaches_over

_log = logging.getLogger(__name__)

DEFAULT_BUDGET = 1 << 30
_FORMAT = b"lp-image-cache-1"
_SECONDS_KEPT = 30 * 24 * 3600
_Shape = tuple[int, int, int, int]  # (N, H, W, 3)


class Store(NamedTuple):
    """Where a cache keeps its entries.

    Attributes:
        images: (N, H, W, 3) in model px.
        records: (N, 4) a stamp of the file, 0 for none; a checksum of the image; and the height and
            width of the file's image in frame px.
    """

    images: UInt8[ndarray, "images height width 3"]
    records: Int64[ndarray, "images 4"]


class SharedMemory:
    """A store in memory for N images of (H, W, 3), which this process shares with its workers."""

    def __init__(self, shape: _Shape) -> None:
        self._images = torch.empty(shape, dtype=torch.uint8).share_memory_()
        self._records = torch.zeros((shape[0], 4), dtype=torch.int64).share_memory_()

    def open(self, shape: _Shape) -> Store:
        """The store."""
        return Store(self._images.numpy(), self._records.numpy())


class MappedFiles:
    """A store in two files that any number of processes map into memory.

    Args:
        folder: The folder of the files; it is made if it is missing.
        key: What tells this store from others in the folder.
    """

    def __init__(self, folder: Path, key: str) -> None:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._images = folder / f"{key}.images"
        self._records = folder / f"{key}.records"

    def open(self, shape: _Shape) -> Store:
        """The store for N images of (H, W, 3); the files are made if they are missing."""
        images = _mapped(self._images, np.dtype(np.uint8), shape)
        return Store(images, _mapped(self._records, np.dtype(np.int64), (shape[0], 4)))


def _mapped(path: Path, kind: np.dtype, shape: tuple[int, ...]) -> np.memmap:
    size = int(np.prod(shape)) * kind.itemsize
    with path.open("ab") as file:
        os.utime(path)  # says that it is still in use
        if file.tell() != size:
            file.truncate(size)
            if hasattr(os, "posix_fallocate"):  # a full disk shows now, not as a crash later
                os.posix_fallocate(file.fileno(), 0, size)
    return np.memmap(path, dtype=kind, mode="r+", shape=shape)


class CachedImage(NamedTuple):
    """An image at model size.

    Attributes:
        image: (H, W, 3) in model px; it may be a view of the cache, so never write to it.
        frame_size: (height, width) of the source in frame px.
    """

    image: Image
    frame_size: tuple[int, int]


class ImageCache:
    """Images of a list of files at model size, whose entries worker processes share.

    Args:
        paths: The image files; a file may occur several times, with different boxes.
        image_size: (height, width) in model px.
        store: Where entries are kept; None decodes at every access.
        boxes: For each image the part of it that is taken; None for the whole one.
    """

    def __init__(
        self,
        paths: Sequence[Path],
        image_size: tuple[int, int],
        store: SharedMemory | MappedFiles | None,
        boxes: Sequence[Box | None] | None = None,
    ) -> None:
        self._paths = tuple(paths)
        self._boxes = tuple(boxes or (None,) * len(paths))
        self._image_size = image_size
        self._opener = store
        self._opened: Store | None = None
        self._checked: set[int] = set()
        self._said_over_edge = False

    def __len__(self) -> int:
        """The number of images."""
        return len(self._paths)

    def __getstate__(self) -> dict[str, object]:
        """All but the open store: every process opens its own."""
        return {**self.__dict__, "_opened": None, "_checked": set()}

    def __getitem__(self, position: int) -> CachedImage:
        """The image of the file at ``position`` of the list.

        Raises:
            ImageFileError: The file is missing or cannot be decoded.
        """
        if self._opener is None:
            return self._decoded(position)
        store = self._store()
        if position not in self._checked:
            self._check(store, position)
        _, _, height, width = store.records[position].tolist()
        return CachedImage(store.images[position], (height, width))

    def _store(self) -> Store:
        if self._opened is None:
            assert self._opener is not None
            self._opened = self._opener.open((len(self._paths), *self._image_size, 3))
        return self._opened

    def _decoded(self, position: int) -> CachedImage:
        path, box = self._paths[position], self._boxes[position]
        image = read_image(path)
        frame_size = (image.shape[0], image.shape[1])
        if reaches_over(box, frame_size) and not self._said_over_edge:
            self._said_over_edge = True  # of one image: most crops around animals do
            said = "%s: %s reaches over the edge, where its image is black; so may those of others"
            _log.info(said, path, box)
        try:
            part = np.ascontiguousarray(cut(image, box))
        except BoxFileError as error:
            raise BoxFileError(error.problem, where=path, remedy=error.remedy) from error
        return CachedImage(resize(part, self._image_size), frame_size)

    def _stamp(self, position: int) -> int:
        """A number that changes when the file does; never 0."""
        path = self._paths[position]
        try:
            status = path.stat()
        except OSError as error:
            raise ImageFileError("there is no such image", where=path) from error
        words = f"{path}|{status.st_size}|{status.st_mtime_ns}|{self._image_size}"
        digest = hashlib.blake2b(words.encode(errors="surrogateescape"), digest_size=7).digest()
        return int.from_bytes(digest, "little") + 1

    def _check(self, store: Store, position: int) -> None:
        """Make sure that the entry is of the file as it is now, and whole.

        Once in each process is enough: another process, or a run that was cut off, may have left an
        entry half written, or an image may have changed since; this process leaves it as it is.
        """
        stamp = self._stamp(position)
        entered, checksum, _, _ = store.records[position].tolist()
        if entered != stamp or checksum != zlib.crc32(store.images[position].data):
            self._enter(store, position, stamp)
        self._checked.add(position)

    def _enter(self, store: Store, position: int, stamp: int) -> None:
        image, (height, width) = self._decoded(position)
        store.records[position, 0] = 0
        store.images[position] = image
        checksum = zlib.crc32(store.images[position].data)
        store.records[position, 1:] = (checksum, height, width)
        store.records[position, 0] = stamp


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

    Where there is room for neither, every image is decoded at every access, and a warning says so.

    Args:
        paths: As for `ImageCache`.
        image_size: As for `ImageCache`.
        budget: Bytes that one process may keep in memory.
        folder: Where files go; by default ``lp/images`` in the user's cache folder.
        processes: How many processes train together. Several share one file.
        boxes: As for `ImageCache`.
    """
    size = len(paths) * math.prod(image_size) * 3
    store: SharedMemory | MappedFiles | None = None
    if size and processes == 1 and size <= budget and _has_shared_memory(size):
        store = SharedMemory((len(paths), *image_size, 3))
    elif size:
        store = _mapped_files(folder or _default_folder(), paths, image_size, boxes)
    return ImageCache(paths, image_size, store, boxes)


def _default_folder() -> Path:
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
    boxes: Sequence[Box | None] | None,
) -> MappedFiles | None:
    shape = (len(paths), *image_size, 3)
    key = hashlib.blake2b(_FORMAT + repr(image_size).encode(), digest_size=16)
    if boxes is not None:
        key.update(repr(boxes).encode())
    for path in paths:
        key.update(str(path.absolute()).encode(errors="surrogateescape") + b"\0")
    try:
        store = MappedFiles(folder, key.hexdigest())
        _forget_unused(folder)
        store.open(shape)
    except OSError as error:
        _log.warning(
            "no room to keep %.1f GB of decoded images (%s): every image is decoded again each "
            "time, which is slower. Set a cache folder with more room.",
            math.prod(shape) / 1e9,
            error,
        )
        return None
    _log.info("decoded images (%.1f GB) are kept in %s", math.prod(shape) / 1e9, folder)
    return store


def _forget_unused(folder: Path) -> None:
    """Remove the files of stores in ``folder`` that were not opened for a month."""
    oldest = time.time() - _SECONDS_KEPT
    for path in [*folder.glob("*.images"), *folder.glob("*.records")]:
        try:
            if path.stat().st_mtime < oldest:
                path.unlink()
        except OSError:  # another process was quicker
            continue
