"""Random masks of training, on the device of the batch, each a function of its counters alone.

A mask depends on the seed, the step and the numbers of its image and patch, and on nothing that
came before. So it is the same on every device, and again after a training is resumed.
"""

from __future__ import annotations

from math import prod

import torch
from jaxtyping import Bool, Float
from torch import Tensor

_BITS = 0xFFFFFFFF


def uniform(
    shape: tuple[int, ...], counters: tuple[int, ...], device: torch.device
) -> Float[Tensor, "*shape"]:
    """Numbers from 0 to 1 of that shape, without 1, that the counters and their places determine.

    Each place is hashed together with each counter by Wellons's ``lowbias32``, in 64-bit integers
    of which 32 bits are kept, since torch cannot multiply unsigned ones.
    """
    value = _hashed(torch.arange(prod(shape), device=device))
    for counter in counters:
        # both halves of what may have more than 32 bits
        value = _hashed(value ^ (counter & _BITS))
        value = _hashed(value + ((counter >> 32) & _BITS) + 1)
    return ((value >> 8).float() / 2**24).reshape(shape)


def _hashed(value: Tensor) -> Tensor:
    value = value & _BITS
    value = ((value ^ (value >> 16)) * 0x7FEB352D) & _BITS
    value = ((value ^ (value >> 15)) * 0x846CA68B) & _BITS
    return value ^ (value >> 16)


def kept_patches(
    images: int,
    grid: tuple[int, int],
    ratio: float,
    counters: tuple[int, ...],
    device: torch.device,
) -> Bool[Tensor, "images rows columns"]:
    """Which patches of each image stay: all but floor(ratio · patches), drawn for each image."""
    rows, columns = grid
    order = uniform((images, rows * columns), counters, device).argsort(dim=1).argsort(dim=1)
    return (order >= int(ratio * rows * columns)).unflatten(1, grid)


def views_together(
    frames: int,
    views: int,
    dropout: float,
    counters: tuple[int, ...],
    device: torch.device,
) -> Bool[Tensor, "frames views views"]:
    """Which views of each frame are to see each other.

    Each view is set apart with the probability ``dropout``. Those set apart see each other and none
    of the rest, so that both groups learn to do with some of the cameras, and no label is lost.
    """
    apart = uniform((frames, views), counters, device) < dropout
    return apart.unsqueeze(2) == apart.unsqueeze(1)
