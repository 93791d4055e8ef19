"""A data loader that a stopped run can take up in the middle of an epoch."""

from __future__ import annotations

import gc
import os
import signal
from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

import cv2
import torch
from torch.utils.data import DataLoader

from lp_data.datasets.clips import ClipDataset
from lp_data.loading.sampler import EpochSampler

T = TypeVar("T")
Batch = TypeVar("Batch", covariant=True)
_MOST_WORKERS = 8


class ResumableLoader(DataLoader[Batch]):
    """A ``DataLoader`` over an `EpochSampler` whose state is the number of batches it gave.

    Lightning saves that state in a checkpoint, and brings it back. Batches that workers had
    prepared, but not taken, are not counted.
    """

    _given = 0
    _skip: tuple[int, int] | None = None

    def __iter__(self) -> Iterator[Any]:  # type: ignore[override]
        """The batches of an epoch.

        Nothing starts before the first batch is asked for: Lightning makes the iterator before it
        says which epoch it is.
        """
        self._given = self._begin()
        if self.num_workers:
            if isinstance(self.dataset, ClipDataset):
                self.dataset.close_videos()
            gc.collect()  # decoders in reference cycles; a worker could not free one
        for batch in self._batches():
            self._given += 1
            yield batch

    def _batches(self) -> Iterator[Any]:
        """The batches; from a thread where worker processes cannot load them."""
        batches = super().__iter__()
        if isinstance(self.dataset, ClipDataset) and not self.dataset.in_workers:
            return prefetch(_with_current_device(batches), ahead=1)
        return batches

    def _begin(self) -> int:
        """Move the sampler to where the run was stopped; how many batches that leaves out."""
        skip, self._skip = self._skip, None
        if skip is None or not isinstance(self.sampler, EpochSampler):
            return 0
        epoch, batches = skip
        if epoch != self.sampler.epoch:
            return 0
        self.sampler.begin_at(batches * (self.batch_size or 1))
        return batches

    def state_dict(self) -> dict[str, int]:
        """Where the epoch stands."""
        epoch = self.sampler.epoch if isinstance(self.sampler, EpochSampler) else 0
        return {"epoch": epoch, "batches": self._given}

    def load_state_dict(self, state: dict[str, int]) -> None:
        """Begin the next pass where ``state`` says, if that is the epoch which then runs."""
        self._skip = (int(state["epoch"]), int(state["batches"]))


class _End:
    """The iterable has ended."""


def prefetch(items: Iterable[T], ahead: int = 2) -> Iterator[T]:
    """The items in their order, made by a thread at most ``ahead`` items before they are used.

    If the user of the items stops early, the thread stops after the item that it is making.
    """
    iterator = iter(items)
    pool = ThreadPoolExecutor(1, thread_name_prefix="prefetch")
    try:
        ready = deque(pool.submit(next, iterator, _End()) for _ in range(ahead))
        while not isinstance(item := ready.popleft().result(), _End):
            ready.append(pool.submit(next, iterator, _End()))
            yield item
    finally:
        pool.shutdown(cancel_futures=True)


def _with_current_device(items: Iterable[T]) -> Iterator[T]:
    """The items, made on what is the current CUDA device now, by whichever thread takes them."""
    device = torch.cuda.current_device() if torch.cuda.is_available() else None

    def made() -> Iterator[T]:
        if device is not None:
            torch.cuda.set_device(device)
        yield from items

    return made()


def begin_worker(worker: int) -> None:
    """Make a forked process fit to load data.

    Garbage that it inherited, such as a video decoder in a reference cycle, is never freed in it:
    that would wait for the decoder's threads, which a fork does not copy. Ctrl-C is left to the
    process that trains, which may want one batch more. OpenCV is kept to one thread: the workers
    are the threads.
    """
    gc.freeze()
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    cv2.setNumThreads(0)


def default_num_workers(*, on_gpu: bool, processes: int = 1) -> int:
    """How many worker processes to load data with.

    Args:
        on_gpu: Whether the model runs on a GPU. Where it runs on the CPU, it needs every core for
            much longer than the loading does, so workers would only get in its way.
        processes: How many processes train on this machine, which share its cores.
    """
    if not on_gpu:
        return 0
    affinity = getattr(os, "sched_getaffinity", None)
    cores = len(affinity(0)) if affinity else os.cpu_count() or 1
    return max(1, min(cores // processes, _MOST_WORKERS))
