"""What several processes that train together agree on."""

from __future__ import annotations

import torch
import torch.distributed
from torch import Tensor


def number_of_processes() -> int:
    """How many processes train together; 1 where there is no other."""
    if not (torch.distributed.is_available() and torch.distributed.is_initialized()):
        return 1
    return torch.distributed.get_world_size()


def process_number() -> int:
    """The number of this process among them, from 0."""
    return torch.distributed.get_rank() if number_of_processes() > 1 else 0


@torch.no_grad()
def summed(value: Tensor) -> Tensor:
    """The sum of a tensor over all processes, without gradient.

    Every process must call it, with a tensor of the same shape and type.
    """
    total = value.detach().clone(memory_format=torch.contiguous_format)
    if number_of_processes() > 1:
        torch.distributed.all_reduce(total)
    return total
