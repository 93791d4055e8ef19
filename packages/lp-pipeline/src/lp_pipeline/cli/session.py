"""What every command that computes does first."""

from __future__ import annotations

import ctypes
import logging
import platform
import warnings

from lp_pipeline.cli.messages import show_messages
from lp_pipeline.printing import printable

_M_TRIM_THRESHOLD, _M_MMAP_MAX = -1, -4
_LARGEST_INT = 2**31 - 1


_LOGGERS = ("pytorch_lightning", "lightning_fabric", "timm")
_MODULES = r"(pytorch_lightning|lightning_fabric|torch|timm)\b"


def start_session() -> None:
    """Tune memory for large buffers, show what lp logs, and quieten libraries."""
    keep_large_buffers()
    show_messages()
    quieten_libraries()
    warnings.formatwarning = _plain_warning


def _plain_warning(message: Warning | str, *place: object, **more: object) -> str:
    shown = printable(str(message), keep="\n")
    return f"warning: {shown}\n"


def quieten_libraries() -> None:
    """Keep from the terminal what libraries say about themselves; errors remain.

    Lightning sets its loggers' level when it is imported, so call this again after that.
    """
    warnings.filterwarnings("ignore", module=_MODULES)
    for name in _LOGGERS:
        logging.getLogger(name).setLevel(logging.ERROR)


def keep_large_buffers() -> bool:
    """Tell glibc to keep freed buffers for the next step instead of giving them back.

    A network's buffers are large enough that glibc maps and unmaps them anew in every step; on a
    CPU the page faults then cost more than the arithmetic.

    Returns:
        Whether there was a glibc to tell.
    """
    if platform.libc_ver()[0] != "glibc":
        return False
    libc = ctypes.CDLL(None)
    return bool(libc.mallopt(_M_MMAP_MAX, 0) and libc.mallopt(_M_TRIM_THRESHOLD, _LARGEST_INT))
