"""Write the predictions of a video as they come, and go on where an interrupted run stopped."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import BinaryIO, TypeVar

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from lp_core.atomic import put_in_place
from lp_core.errors import PoseError, unwritable
from lp_core.poses.csv_writing import header_lines, prediction_columns, value_lines

_ROWS_PER_SYNC = 1024


def scorer_name(model_type: str) -> str:
    """Who made the predictions, as prediction files name it."""
    return f"{model_type}_tracker"


Writer = TypeVar("Writer", bound="RowsCsvWriter")


class RowsCsvWriter:
    """Writes rows to a file beside the final one, which takes its name when all went well.

    A context manager. Memory does not grow with the number of rows. Where the block raises, or the
    machine fails, the rows that were written stay in the file beside; with ``resume`` the next
    writer takes them over.

    Args:
        path: The final file; an existing one is replaced at the end.
        header: Its header rows.
        cells: Numbers in a row, C, after that of the frame.
        identity: What the rows depend on; they are only taken over from a writer with the same one.
        resume: Take over the rows of an interrupted writer.

    Attributes:
        complete_rows: How many rows are in the file, those of the interrupted writer included.

    Raises:
        PoseError: The file cannot be written.
    """

    def __init__(
        self,
        path: str | Path,
        header: str,
        cells: int,
        *,
        identity: str = "",
        resume: bool = False,
    ) -> None:
        self.path = Path(path)
        self._header = header.encode()
        self._cells = cells
        self._resume = resume
        digest = hashlib.sha256(self._header + identity.encode()).hexdigest()
        self.partial_path = self.path.with_name(f".{self.path.name}.{digest[:12]}.partial")
        self._file: BinaryIO | None = None
        self.complete_rows = 0

    def __enter__(self: Writer) -> Writer:
        with self._errors():
            self.path.parent.mkdir(parents=True, exist_ok=True)
            end = self._usable_end() if self._resume else 0
            self._file = self.partial_path.open("r+b" if end else "wb")
            self._file.truncate(end)
            self._file.seek(end)
            if not end:
                self._file.write(self._header)
        return self

    def go_back(self, rows: int) -> None:
        """Drop all but the first rows, so that the next to be appended is row ``rows``.

        Raises:
            PoseError: There are not so many, or the file cannot be written.
        """
        if self._file is None or not 0 <= rows <= self.complete_rows:
            raise PoseError(f"there are not {rows} rows to keep, but {self.complete_rows}")
        with self._errors():
            self._file.flush()
            with self.partial_path.open("rb") as file:
                file.seek(len(self._header))
                end = len(self._header) + sum(len(line) for line in islice(file, rows))
            self._file.truncate(end)
            self._file.seek(end)
        self.complete_rows = rows

    def append_values(self, values: Float[ndarray, "rows cells"]) -> None:
        """Write the next N rows (N, C); NaN is an empty cell.

        Raises:
            PoseError: The disk is full, or the writer is used outside its block.
        """
        if self._file is None:
            raise PoseError("the writer is used outside its 'with' block")
        start = self.complete_rows
        numbered = enumerate(value_lines(values), start)
        text = "".join(f"{number},{line}\n" for number, line in numbered)
        with self._errors():
            self._file.write(text.encode())
            self.complete_rows += len(values)
            self._file.flush()
            if self.complete_rows // _ROWS_PER_SYNC > start // _ROWS_PER_SYNC:
                os.fsync(self._file.fileno())

    def __exit__(self, kind: type[BaseException] | None, *error: object) -> None:
        file, self._file = self._file, None
        if file is None:
            return
        with self._errors():
            file.close()
            if kind is None:
                put_in_place(self.partial_path, self.path)
                for other in self.path.parent.iterdir():  # of writers with another identity
                    if other.name.startswith(f".{self.path.name}.") and other.suffix == ".partial":
                        other.unlink()

    def _usable_end(self) -> int:
        """Where the whole rows of the interrupted writer end, in bytes; counts them."""
        if not self.partial_path.is_file():
            return 0
        with self.partial_path.open("rb") as file:
            if file.read(len(self._header)) != self._header:
                return 0
            end = len(self._header)
            for line in file:
                if not self._is_next_row(line):
                    break
                self.complete_rows += 1
                end += len(line)
        return end

    def _is_next_row(self, line: bytes) -> bool:
        """Whether a line is the whole row of the next frame; the last one may be torn."""
        first = b"%d," % self.complete_rows
        whole = line.endswith(b"\n") and line.count(b",") == self._cells
        return whole and line.startswith(first)

    @contextmanager
    def _errors(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            note = "what is written so far is kept, and --resume goes on there"
            kept, what = note if self.complete_rows else "", "the table of predictions"
            raise unwritable(PoseError, what, self.path, error, kept=kept) from error


class PredictionCsvWriter(RowsCsvWriter):
    """A table of predictions of one animal, written as `RowsCsvWriter` does.

    Args:
        path: The final file.
        keypoint_names: K names.
        scorer: Who makes the predictions; see `scorer_name`.
        identity: What the rows depend on.
        resume: Take over the rows of an interrupted writer.
    """

    def __init__(
        self,
        path: str | Path,
        keypoint_names: Sequence[str],
        *,
        scorer: str,
        identity: str = "",
        resume: bool = False,
    ) -> None:
        self.num_keypoints = len(keypoint_names)
        columns = prediction_columns(keypoint_names, scorer)
        header = header_lines(columns)
        super().__init__(path, header, len(columns), identity=identity, resume=resume)

    def append(
        self,
        keypoints: Float[ndarray, "rows keypoints 2"],
        confidences: Float[ndarray, "rows keypoints"],
    ) -> None:
        """Write the predictions of the next N frames; the keypoints are in frame px.

        Raises:
            PoseError: The disk is full, or the number of keypoints is another one.
        """
        if keypoints.shape != (*confidences.shape, 2) or keypoints.shape[1] != self.num_keypoints:
            raise PoseError(
                f"{self.num_keypoints} keypoint names do not go with keypoints of shape "
                f"{keypoints.shape} and confidences of shape {confidences.shape}"
            )
        kind = np.promote_types(keypoints.dtype, confidences.dtype)
        values = np.concatenate([keypoints, confidences[..., None]], axis=-1, dtype=kind)
        self.append_values(values.reshape(len(values), 3 * self.num_keypoints))
