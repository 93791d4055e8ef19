"""Weights of a tracker: those that its predictions depend on, and a digest of them."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from lp_core.trackers.supervised import BaseSupervisedTracker

LOSS_PREFIXES = ("losses.", "unsupervised_losses.")
"""What the names of the losses' tensors begin with; nothing else of a tracker does."""


def without_losses(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The tensors that predictions depend on."""
    return {name: value for name, value in tensors.items() if not name.startswith(LOSS_PREFIXES)}


def tensor_bytes(tensor: Tensor) -> bytes | memoryview:
    """The elements of a tensor as a safetensors file holds them; no copy of one on the CPU."""
    if not tensor.numel():
        return b""
    flat = tensor.detach().to("cpu").contiguous().reshape(-1)
    return flat.view(torch.uint8).numpy().data


def weights_digest(tracker: BaseSupervisedTracker) -> str:
    """A digest of a tracker's class and of all weights and buffers that predictions depend on."""
    return digest_of(type(tracker), tracker.state_dict())


def digest_of(kind: type, weights: Mapping[str, Tensor]) -> str:
    """`weights_digest` of a tracker of a class with these weights, without building it."""
    digest = hashlib.sha256(kind.__qualname__.encode())
    for name, value in sorted(without_losses(weights).items()):
        digest.update(f"{name} {value.dtype} {tuple(value.shape)}".encode())
        digest.update(tensor_bytes(value))
    return digest.hexdigest()


def digest_of_members(members: Sequence[str], combination: Mapping[str, Any] | None) -> str:
    """The digest of an ensemble: of those of its members, and of how they are combined."""
    said = json.dumps([list(members), combination], sort_keys=True)
    return hashlib.sha256(said.encode()).hexdigest()
