"""Where a cache of images keeps its entries: shared memory, or files mapped into memory."""

from __future__ import annotations

import os
import time
from enum import IntEnum
from pathlib import Path
from typing import NamedTuple, Protocol, runtime_checkable

import numpy as np
import torch
from jaxtyping import Int64, UInt8
from numpy import ndarray

_SECONDS_KEPT = 30 * 24 * 3600


class Store(NamedTuple):
    """Where a cache keeps its entries.

    Attributes:
        images: (N, H, W, 3) in model px.
        records: (N, 4) of each image, in the order of `RecordColumn`.
    """

    images: UInt8[ndarray, "images height width 3"]
    records: Int64[ndarray, "images 4"]


class RecordColumn(IntEnum):
    """What a record holds; a stamp of 0 marks an empty entry."""

    STAMP = 0
    CHECKSUM = 1
    HEIGHT = 2
    WIDTH = 3


@runtime_checkable
class StoreOpener(Protocol):
    """Something small that can be sent to a worker process, and opens the same store there."""

    def open(self, shape: tuple[int, int, int, int]) -> Store:
        """The store for N images of (H, W, 3)."""
        ...


class SharedMemory:
    """A store in memory that this process shares with its workers.

    Args:
        shape: (N, H, W, 3).
    """

    def __init__(self, shape: tuple[int, int, int, int]) -> None:
        self._images = torch.empty(shape, dtype=torch.uint8).share_memory_()
        self._records = torch.zeros((shape[0], 4), dtype=torch.int64).share_memory_()

    def open(self, shape: tuple[int, int, int, int]) -> Store:
        """The store for N images of (H, W, 3)."""
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

    def open(self, shape: tuple[int, int, int, int]) -> Store:
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


def forget_unused(folder: Path) -> None:
    """Remove the files of stores in ``folder`` that were not opened for a month."""
    oldest = time.time() - _SECONDS_KEPT
    for path in [*folder.glob("*.images"), *folder.glob("*.records")]:
        try:
            if path.stat().st_mtime < oldest:
                path.unlink()
        except OSError:  # another process was quicker
            continue
