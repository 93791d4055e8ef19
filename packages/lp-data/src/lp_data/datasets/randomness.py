"""Chance that depends on the seed, the epoch and the sample, and on nothing else.

So a sample is augmented alike whatever the number of workers, and alike again when training is
resumed.
"""

from __future__ import annotations

import numpy as np
import torch


class Epoch:
    """The number of the epoch, seen by worker processes that live longer than one epoch."""

    def __init__(self) -> None:
        self._shared = torch.zeros(1, dtype=torch.int64).share_memory_()

    @property
    def number(self) -> int:
        """The epoch, from 0."""
        return int(self._shared[0])

    @number.setter
    def number(self, value: int) -> None:
        self._shared[0] = value


def sample_rng(seed: int, *numbers: int) -> np.random.Generator:
    """The generator of one sample.

    Args:
        seed: The seed of the run.
        *numbers: What tells the sample from others, such as epoch and index, each at least 0.
    """
    return np.random.default_rng([seed, *numbers])
