"""Rows of several animals of a video as they are found, on disk until they are tracked.

A binary file of records, one for each row and in the order of the frames; a frame without any
animal has one record without a position. It holds numbers only and is read by their places.

Each record has its link: the place of the same animal among the rows of the frame before, -1 where
that is not known; and whether the animal was seen, or is only taken to be there.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import TracebackType
from typing import BinaryIO

import numpy as np
from jaxtyping import Bool, Int
from numpy import ndarray

from lp_core.errors import PoseError, unwritable_as
from lp_core.poses import PoseTable, Skeleton, confidence_of

_AT_ONCE = 4096  # records


class RowFile:
    """The rows of a video, appended some frames at a time.

    A context manager. Where the block raises, or the machine fails, what was written stays; with
    ``resume`` the next one goes on there.

    Args:
        table: The table of predictions that the rows are for; they lie beside it, hidden.
        keypoint_names: K names.
        identity: What the rows depend on; rows are only taken over from a file with the same one.
        resume: Take over what an interrupted file holds.

    Raises:
        PoseError: The file cannot be written.
    """

    def __init__(
        self, table: Path, keypoint_names: Sequence[str], *, identity: str, resume: bool = False
    ) -> None:
        self.skeleton = Skeleton(tuple(keypoint_names))
        digest = hashlib.sha256(repr((self.skeleton.names, identity)).encode()).hexdigest()
        self._pattern = f".{table.name}.*.rows"
        self.path = table.with_name(f".{table.name}.{digest[:12]}.rows")
        self._resume = resume
        K = len(self.skeleton)
        self._record = np.dtype(
            [
                ("frame", "<i8"),
                ("link", "<i4"),
                ("seen", "<i4"),
                ("score", "<f4"),
                ("points", "<f4", (K, 2)),
                ("conf", "<f4", (K,)),
            ]
        )
        self._file: BinaryIO | None = None

    def __enter__(self) -> RowFile:
        with unwritable_as(PoseError, "the rows of the video", self.path):
            self.path.parent.mkdir(parents=True, exist_ok=True)
            if not self._resume:
                self.path.unlink(missing_ok=True)
            self._file = self.path.open("ab")
            whole = self.path.stat().st_size // self._record.itemsize
            self._file.truncate(whole * self._record.itemsize)
        return self

    @property
    def frames(self) -> int:
        """How many frames are complete; the last one of an interrupted file may not be."""
        records = self._records()
        return int(records["frame"][-1]) if len(records) else 0

    def keep(self, frames: int) -> None:
        """Drop the rows of all but the first frames."""
        assert self._file is not None
        records = self._records()
        rows = int(np.searchsorted(records["frame"], frames))
        del records
        with unwritable_as(PoseError, "the rows of the video", self.path):
            self._file.truncate(rows * self._record.itemsize)

    def append(
        self,
        rows: PoseTable,
        frames: range,
        link: Int[ndarray, " rows"] | None = None,
        seen: Bool[ndarray, " rows"] | None = None,
    ) -> None:
        """Write the rows of the next frames.

        Args:
            rows: Rows of these frames, in any order.
            frames: All frames that they are of; those without a row get an empty one.
            link: (R,) for each row the place of the same animal among the rows of the frame before,
                -1 where that is not known; None where it never is.
            seen: (R,) whether each animal was seen; None where all were.

        Raises:
            PoseError: The disk is full.
        """
        assert self._file is not None
        number = np.array(rows.frame, dtype=np.int64)
        empty = np.setdiff1d(np.array(frames, dtype=np.int64), number)
        records = np.zeros(len(number) + len(empty), self._record)
        records["frame"] = np.concatenate([number, empty])
        for field in ("score", "points", "conf"):
            records[field] = np.nan
        records["link"], records["seen"] = -1, 1
        found = records[: len(number)]
        found["points"], found["conf"] = rows.points, confidence_of(rows)
        if rows.score is not None:
            found["score"] = rows.score
        if link is not None:
            found["link"] = link
        if seen is not None:
            found["seen"] = seen
        with unwritable_as(PoseError, "the rows of the video", self.path):
            self._file.write(records[np.argsort(records["frame"], kind="stable")].tobytes())
            self._file.flush()

    def chunks(self) -> Iterator[PoseTable]:
        """All rows in the order of the frames, some whole frames at a time; memory stays constant.

        Yields:
            Tables without individuals; a frame without any animal has one row without a position.
        """
        records, start = self._records(), 0
        while start < len(records):
            stop = min(start + _AT_ONCE, len(records))
            stop = int(np.searchsorted(records["frame"], records["frame"][stop - 1], side="right"))
            yield self._table(records[start:stop])
            start = stop

    def last(self, frames: int) -> PoseTable:
        """The rows of the last frames, as `chunks` gives them."""
        return self._table(self._last(frames))

    def links(
        self, frames: int | None = None
    ) -> tuple[Int[ndarray, " rows"], Bool[ndarray, " rows"]]:
        """The links of rows, and whether they were seen, in the order of the tables.

        Args:
            frames: How many of the last frames; None for all.
        """
        records = self._records() if frames is None else self._last(frames)
        return records["link"].astype(np.int64), records["seen"].astype(bool)

    def _last(self, frames: int) -> ndarray:
        records = self._records()
        if not len(records):
            return records
        first = int(records["frame"][-1]) - frames + 1
        return records[int(np.searchsorted(records["frame"], first)) :]

    def remove(self) -> None:
        """Remove the file, and what was left of the same table by others."""
        for path in self.path.parent.glob(self._pattern):
            path.unlink(missing_ok=True)

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        file, self._file = self._file, None
        if file is not None:
            with unwritable_as(PoseError, "the rows of the video", self.path):
                file.close()

    def _records(self) -> ndarray:
        if not self.path.is_file() or self.path.stat().st_size < self._record.itemsize:
            return np.empty(0, self._record)
        whole = self.path.stat().st_size // self._record.itemsize
        return np.memmap(self.path, self._record, "r", shape=(whole,))

    def _table(self, records: ndarray) -> PoseTable:
        frame: Int[ndarray, " rows"] = records["frame"]
        return PoseTable(
            self.skeleton,
            records["points"].astype(np.float64),
            tuple(frame.tolist()),
            individual=(None,) * len(frame),
            score=records["score"].astype(np.float64),
            confidence=records["conf"].astype(np.float64),
        )
