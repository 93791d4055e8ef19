"""The order in which samples are drawn."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Protocol, runtime_checkable

import numpy as np
from torch.utils.data.distributed import DistributedSampler


@runtime_checkable
class EpochDataset(Protocol):
    """A dataset whose augmentation depends on the epoch."""

    def __len__(self) -> int:
        """The number of distinct samples."""
        ...

    def set_epoch(self, epoch: int) -> None:
        """Augment by another epoch."""
        ...


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
        dataset: EpochDataset,
        rows: Sequence[int],
        *,
        num_samples: int | None = None,
        shuffle: bool,
        seed: int = 0,
        rank: int = 0,
        num_replicas: int = 1,
    ) -> None:
        super().__init__(
            dataset,  # type: ignore[arg-type]  # only its length is asked for
            num_replicas=num_replicas,
            rank=rank,
            shuffle=shuffle,
            seed=seed,
        )
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
