"""What tells one trained tracker from another."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path

from torch import Tensor

from lp_core.errors import LPError
from lp_core.trackers.supervised import BaseSupervisedTracker
from lp_io.checkpoint.building import get_model_class
from lp_io.checkpoint.files import read_saved_model, without_losses
from lp_io.tensor_file import tensor_bytes


def weights_digest(tracker: BaseSupervisedTracker) -> str:
    """A digest of a tracker's class and of all weights and buffers that predictions depend on.

    It is the same right after training, when the tracker still has its losses, and after loading.
    """
    return _digest(type(tracker).__qualname__, tracker.state_dict())


def stored_weights_digest(folder: Path) -> str | None:
    """`weights_digest` of the tracker in a model directory, without building it.

    Returns:
        None where there is no model, or none that can be loaded here.
    """
    try:
        manifest, weights = read_saved_model(folder)
        return _digest(get_model_class(manifest).__qualname__, weights.tensors)
    except LPError:
        return None


def _digest(kind: str, weights: Mapping[str, Tensor]) -> str:
    digest = hashlib.sha256(kind.encode())
    for name, value in sorted(without_losses(weights).items()):
        digest.update(f"{name} {value.dtype} {tuple(value.shape)}".encode())
        digest.update(tensor_bytes(value))
    return digest.hexdigest()
