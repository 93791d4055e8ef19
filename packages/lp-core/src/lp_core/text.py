"""Text for people: names shown as they are, and paths in suggested commands."""

from __future__ import annotations

import shlex
from pathlib import Path


def printable(text: str, *, keep: str = "") -> str:
    """The text with a replacement mark for each character, but for ``keep``, that does not show.

    Those are control characters, line ends, marks that turn the direction of writing, and halves of
    surrogate pairs, which stand in file names that are not valid UTF-8 and which no font, page or
    terminal accepts.
    """
    return "".join(c if c.isprintable() or c in keep else "\ufffd" for c in text)


def quoted(path: Path) -> str:
    """A path as a shell takes it, whatever characters are in it."""
    return shlex.quote(str(path))
