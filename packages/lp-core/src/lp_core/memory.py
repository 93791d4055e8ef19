"""Tell what to lower when memory is not enough."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from lp_core.errors import LPError

_CPU_MESSAGES = ("can't allocate memory", "not enough memory", "std::bad_alloc")


@contextmanager
def explained_memory_errors(error: type[LPError], remedy: str) -> Iterator[None]:
    """Raise the out-of-memory errors of every device as ``error``, which says what to lower."""
    try:
        yield
    except (MemoryError, RuntimeError) as cause:  # torch.OutOfMemoryError is a RuntimeError
        device = _device_without_memory(cause)
        if device is None:
            raise
        raise error(f"the memory of the {device} is not enough", remedy=remedy) from cause


def _device_without_memory(cause: BaseException) -> str | None:
    """Which device's memory was not enough; None for any other error."""
    import torch

    text = str(cause)
    if isinstance(cause, torch.OutOfMemoryError) or "MPS backend out of memory" in text:
        return "GPU"
    if isinstance(cause, MemoryError) or any(message in text for message in _CPU_MESSAGES):
        return "computer"
    return None
