"""The order in which samples are drawn, and a loader that a stopped run can take up within it."""

from __future__ import annotations

import gc
import os
import signal
from collections.abc import Iterator, Sequence
from functools import partial
from typing import Any, TypeVar

import cv2
import numpy as np
import torch
from torch.utils.data import DataLoader
from torch.utils.data.distributed import DistributedSampler

from lp_data.datasets.clips import ClipDataset
from lp_data.datasets.labeled import LabeledDataset
from lp_data.loading.runs import prefetch

Batch = TypeVar("Batch", covariant=True)
_MOST_WORKERS = 8


class EpochSampler(DistributedSampler[int]):
    """Draws rows of a dataset, in an order that only the seed and the epoch decide.

    Rows are drawn without replacement until each was drawn once, then again in another order, as
    often as it takes. The stream is dealt to the processes in turn, so that they train on different
    samples, and it can begin in its middle. Setting the epoch sets the dataset's epoch too;
    Lightning does that before each epoch. It is a ``DistributedSampler`` so that Lightning leaves
    it in place.

    Args:
        dataset: Draw ``d`` of row ``r`` is its sample ``r + d * len(dataset)``.
        rows: The rows to draw.
        num_samples: How many all processes draw in one epoch; by default each row once.
        shuffle: Draw in random order; else in the order of ``rows``.
        seed: The seed of the order.
        rank: The number of this process, from 0.
        num_replicas: How many processes there are.
    """

    def __init__(
        self,
        dataset: LabeledDataset | ClipDataset,
        rows: Sequence[int],
        *,
        num_samples: int | None = None,
        shuffle: bool,
        seed: int = 0,
        rank: int = 0,
        num_replicas: int = 1,
    ) -> None:
        super().__init__(dataset, num_replicas=num_replicas, rank=rank, shuffle=shuffle, seed=seed)
        self._source = dataset
        self._rows = np.asarray(rows, dtype=np.int64)
        wanted = len(rows) if num_samples is None else num_samples
        self.num_samples = -(-wanted // num_replicas) if len(rows) else 0
        self.total_size = self.num_samples * num_replicas
        self._first = 0

    def __len__(self) -> int:
        """How many samples this process draws in one epoch."""
        return self.num_samples

    def set_epoch(self, epoch: int) -> None:
        """Order and augment by another epoch, counted from 0."""
        super().set_epoch(epoch)
        self._source.set_epoch(epoch)

    def begin_at(self, sample: int) -> None:
        """Leave out the first ``sample`` samples of this process, the next time only."""
        self._first = sample

    def __iter__(self) -> Iterator[int]:
        """The samples of this process, in order.

        Lazily, since a loader with workers and without batches makes two iterators and uses one.
        """
        first, self._first = self._first, 0
        stream = self._stream()[self.rank :: self.num_replicas]
        yield from stream[first:].tolist()

    def _stream(self) -> np.ndarray:
        """The samples of all processes in one epoch."""
        if not self.total_size:
            return self._rows
        draws = -(-self.total_size // len(self._rows))
        passes = [self._order(draw) + draw * len(self._source) for draw in range(draws)]
        return np.concatenate(passes)[: self.total_size]

    def _order(self, draw: int) -> np.ndarray:
        if not self.shuffle:
            return self._rows
        seed = np.random.SeedSequence([self.seed, self.epoch, draw])
        raw = np.random.PCG64(seed).random_raw(len(self._rows))
        return self._rows[np.argsort(raw, kind="stable")]


class ResumableLoader(DataLoader[Batch]):
    """A ``DataLoader`` over an `EpochSampler` whose state is the number of batches it gave.

    Lightning saves that state in a checkpoint, and brings it back. Batches that workers had
    prepared, but not taken, are not counted.
    """

    _given = 0
    _skip = (0, 0)  # epoch, batches

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
        if not isinstance(self.dataset, ClipDataset) or self.dataset.in_workers:
            return batches
        same_device = None
        if torch.cuda.is_available():
            same_device = partial(torch.cuda.set_device, torch.cuda.current_device())
        return prefetch(batches, ahead=1, begin=same_device)

    def _begin(self) -> int:
        """Move the sampler to where the run was stopped; how many batches that leaves out."""
        (epoch, batches), self._skip = self._skip, (0, 0)
        if not isinstance(self.sampler, EpochSampler) or epoch != self.sampler.epoch:
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
    """How many worker processes to load data with, of ``processes`` that share the machine.

    A model on the CPU needs every core for much longer than the loading does, so workers would only
    get in its way.
    """
    if not on_gpu:
        return 0
    affinity = getattr(os, "sched_getaffinity", None)
    cores = len(affinity(0)) if affinity else os.cpu_count() or 1
    return max(1, min(cores // processes, _MOST_WORKERS))
