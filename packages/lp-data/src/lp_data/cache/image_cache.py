"""Images of a list of files, or parts of them, at model size, each decoded once."""

from __future__ import annotations

import hashlib
import logging
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from lp_core.regions import Box
from lp_data.cache.stores import RecordColumn, Store, StoreOpener
from lp_data.errors import BoxFileError, ImageFileError
from lp_data.images import Image, read_image, resize
from lp_data.regions.cutting import cut, reaches_over

_log = logging.getLogger(__name__)


class CachedImage(NamedTuple):
    """An image at model size.

    Attributes:
        image: (H, W, 3) in model px; it may be a view of the cache, so never write to it.
        frame_size: (height, width) of the source in frame px.
    """

    image: Image
    frame_size: tuple[int, int]


class ImageCache:
    """Images of a list of files at model size.

    It can be sent to worker processes, which then share its entries.

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
        store: StoreOpener | None,
        boxes: Sequence[Box | None] | None = None,
    ) -> None:
        self._paths = tuple(paths)
        self._boxes = tuple(boxes or (None,) * len(paths))
        self._image_size = image_size
        self._opener = store
        self._opened: Store | None = None
        self._checked: set[int] = set()

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
        record = store.records[position]
        return CachedImage(
            store.images[position],
            (int(record[RecordColumn.HEIGHT]), int(record[RecordColumn.WIDTH])),
        )

    def _store(self) -> Store:
        if self._opened is None:
            assert self._opener is not None
            self._opened = self._opener.open((len(self._paths), *self._image_size, 3))
        return self._opened

    def _decoded(self, position: int) -> CachedImage:
        path, box = self._paths[position], self._boxes[position]
        image = read_image(path)
        frame_size = (image.shape[0], image.shape[1])
        if reaches_over(box, frame_size):
            _log.info("%s: %s reaches over the edge, where its image is black", path, box)
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
        record = store.records[position]
        whole = record[RecordColumn.STAMP] == stamp and record[RecordColumn.CHECKSUM] == zlib.crc32(
            store.images[position].data
        )
        if not whole:
            self._enter(store, position, stamp)
        self._checked.add(position)

    def _enter(self, store: Store, position: int, stamp: int) -> None:
        image, (height, width) = self._decoded(position)
        store.records[position, RecordColumn.STAMP] = 0
        store.images[position] = image
        checksum = zlib.crc32(store.images[position].data)
        store.records[position, 1:] = (checksum, height, width)
        store.records[position, RecordColumn.STAMP] = stamp
