"""The state of every random generator of this process."""

from __future__ import annotations

import random
from typing import Any

import numpy as np
import torch


def capture_random_state() -> dict[str, Any]:
    """The states of Python's, NumPy's and torch's global generators, on every device in use."""
    version, words, spare = random.getstate()
    state: dict[str, Any] = {
        "python": [version, torch.tensor(words), spare],
        "numpy": _numpy_state(),
        "torch": torch.get_rng_state(),
    }
    if torch.cuda.is_available() and torch.cuda.is_initialized():
        state["cuda"] = torch.cuda.get_rng_state_all()
    if torch.backends.mps.is_available():
        state["mps"] = torch.mps.get_rng_state()
    return state


def restore_random_state(state: dict[str, Any]) -> None:
    """Bring back what `capture_random_state` gave, as far as the devices are there."""
    version, words, spare = state["python"]
    random.setstate((version, tuple(words.tolist()), spare))
    numpy = state["numpy"]
    key = numpy["state"]["key"].astype(np.uint32)
    np.random.set_state({**numpy, "state": {**numpy["state"], "key": key}})
    torch.set_rng_state(state["torch"])
    if "cuda" in state and torch.cuda.is_available():
        devices = min(len(state["cuda"]), torch.cuda.device_count())
        for device, cuda_state in enumerate(state["cuda"][:devices]):
            torch.cuda.set_rng_state(cuda_state, device)
    if "mps" in state and torch.backends.mps.is_available():
        torch.mps.set_rng_state(state["mps"])


def _numpy_state() -> dict[str, Any]:
    """NumPy's state, in numbers that a file of tensors can hold."""
    state: Any = np.random.get_state(legacy=False)
    key = state["state"]["key"].astype(np.int64)
    return {**state, "state": {**state["state"], "key": key}}
