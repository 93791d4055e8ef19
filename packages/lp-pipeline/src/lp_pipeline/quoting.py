"""Paths in the commands that messages suggest."""

from __future__ import annotations

import shlex
from pathlib import Path


def quoted(path: Path) -> str:
    """A path as a shell takes it, whatever signs are in it."""
    return shlex.quote(str(path))
