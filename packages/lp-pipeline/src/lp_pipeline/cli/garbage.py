"""Keep Python's garbage collector out of the start and the end of a command.

It looks for objects that only refer to each other, and for that goes through all that there are,
again and again while the libraries are imported and once more when Python ends. Those of the
libraries live as long as the process, so there is nothing to find. Python itself recommends
`gc.freeze` for them: what is frozen is not looked at again.
"""

from __future__ import annotations

import atexit
import gc
import sys
from collections.abc import Iterator
from contextlib import contextmanager

_ACCOUNTANTS = ("triton",)
"""Modules that print a list of what was not freed in the end."""


@contextmanager
def nothing_collected() -> Iterator[None]:
    """Collect nothing within, and what is there at the end only when the process ends, if ever."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        if enabled:
            gc.enable()


def end_without_collecting() -> None:
    """Let the process end without a last look for garbage; its memory is freed all the same."""
    atexit.register(_freeze_unless_missed)


def _freeze_unless_missed() -> None:
    if any(name in sys.modules for name in _ACCOUNTANTS):
        gc.unfreeze()
    else:
        gc.freeze()
