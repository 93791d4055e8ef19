"""The journal of edits: append-only, and on the disk before an edit is acknowledged.

Each line is one JSON object. A line without its end was being written when the process died: its
edit was not acknowledged, and it is cut off when the journal is opened again.
"""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from lp_core.atomic import flush_to_disk

_log = logging.getLogger(__name__)

Entry = dict[str, Any]
"""An edit of a frame, a choice of frames, or that the label files hold all edits up to here."""


class Journal:
    """A file of entries, opened for appending by one process at a time.

    Args:
        path: The file; it is made if it is missing.
    """

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self.path = path
        self._file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o644)
        self._cut_torn_line()
        flush_to_disk(path.parent)

    def _cut_torn_line(self) -> None:
        """Cut off a last line without end."""
        size = os.fstat(self._file).st_size
        kept = size
        while kept:
            start = max(0, kept - (1 << 16))
            block = os.pread(self._file, kept - start, start)
            end = block.rfind(b"\n")
            kept = start + end + 1
            if end >= 0:
                break
        if kept != size:
            os.ftruncate(self._file, kept)
            os.fsync(self._file)

    def append(self, entry: Entry) -> None:
        """Write an entry; it is on the disk when this returns.

        Raises:
            OSError: The disk is full or fails; what was written of the entry is cut off again.
        """
        line = json.dumps(entry, ensure_ascii=False, separators=(",", ":")).encode() + b"\n"
        before = os.fstat(self._file).st_size
        try:
            written = 0
            while written < len(line):
                written += os.write(self._file, line[written:])
            os.fsync(self._file)
        except OSError:
            os.ftruncate(self._file, before)
            raise

    def entries(self) -> Iterator[Entry]:
        """All entries, oldest first; a damaged line is left out and named in the log."""
        with self.path.open("rb") as file:
            for number, line in enumerate(file, 1):
                try:
                    entry = json.loads(line)
                except ValueError:
                    entry = None
                if isinstance(entry, dict) and isinstance(entry.get("kind"), str):
                    yield entry
                else:
                    _log.warning("%s, line %d: damaged, and left out", self.path, number)

    def close(self) -> None:
        """Give back the file."""
        if self._file >= 0:
            os.close(self._file)
            self._file = -1
