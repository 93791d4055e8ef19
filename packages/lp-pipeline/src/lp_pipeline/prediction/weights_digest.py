"""What tells one trained tracker from another."""

from __future__ import annotations

import hashlib

import torch

from lp_core.trackers.supervised import BaseSupervisedTracker
from lp_io.checkpoint.files import LOSS_PREFIXES


def weights_digest(tracker: BaseSupervisedTracker) -> str:
    """A digest of a tracker's class and of all weights and buffers that predictions depend on.

    It is the same right after training, when the tracker still has its losses, and after loading.
    """
    digest = hashlib.sha256(type(tracker).__qualname__.encode())
    for name, value in sorted(tracker.state_dict().items()):
        if name.startswith(LOSS_PREFIXES):
            continue
        digest.update(f"{name} {value.dtype} {tuple(value.shape)}".encode())
        plain = value.detach().cpu().contiguous().flatten().view(torch.uint8)
        digest.update(plain.numpy().data)
    return digest.hexdigest()
