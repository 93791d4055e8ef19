"""Predictions of a video: each row belongs to the frame whose number is in its first column."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from jaxtyping import Float, Int
from numpy import ndarray

from lp_io.errors import PredictionFileError
from lp_io.predictions.formats import format_of, read_predictions
from lp_io.predictions.frame_numbers import (
    FrameNumbers,
    check_frame_numbers,
    frame_numbers,
    listed,
    some_rows,
)
from lp_io.predictions.reading import read_prediction_chunks, read_prediction_index
from lp_io.predictions.table import PredictionTable

_ROWS = 1024

Likelihood = Float[ndarray, "_rows _keypoints"]
Chunk = tuple[Float[ndarray, "_frames _keypoints 2"], Float[ndarray, "_frames _keypoints"]]
"""Keypoints (n, K, 2) in frame px and confidences (n, K) of consecutive frames; NaN without row."""


class VideoPredictions:
    """A table of predictions, in any of the formats, whose rows are placed by their frame numbers.

    Rows may be in any order, and frames may be without a row. A table whose first column holds no
    numbers, such as one of images, is taken in the order of its rows.

    The memory it takes does not grow with the length of a CSV file whose rows are in order, but for
    8 bytes per row. Any other table is read whole.

    Args:
        path: The table; the ending of its name tells the format.
        frames: The number of frames of the video; None where the video is not at hand.
        confidence: What is taken for the confidence instead of the likelihood, from 0 to 1 of any
            shape: such as a calibration.

    Attributes:
        keypoint_names: K names.
        frames: The number of frames of the video; without it, of those up to the last row.

    Raises:
        PredictionFileError: The table cannot be read or has no rows, frame numbers repeat or lie
            outside the video, or the rows have no numbers and are not as many as the frames.
    """

    def __init__(
        self,
        path: str | Path,
        frames: int | None = None,
        confidence: Callable[[Likelihood], Likelihood] | None = None,
    ) -> None:
        self.path = Path(path)
        self._confidence = confidence
        self._table: PredictionTable | None = None
        if format_of(self.path).name == "csv":
            self.keypoint_names = next(read_prediction_chunks(self.path, 1)).keypoint_names
            numbers = frame_numbers(read_prediction_index(self.path), self.path)
        else:
            self._table = read_predictions(self.path)
            self.keypoint_names = self._table.keypoint_names
            numbers = frame_numbers(self._table.index, self.path)
        self._numbers = self._positions(frames) if numbers is None else numbers
        if frames and not len(self._numbers):
            raise PredictionFileError("the table has a header, but no rows", where=self.path)
        check_frame_numbers(self._numbers, frames, self.path)
        self.frames = int(self._numbers.max(initial=-1)) + 1 if frames is None else frames
        if (self._numbers[1:] < self._numbers[:-1]).any():
            table = read_predictions(self.path) if self._table is None else self._table
            order = np.argsort(self._numbers)
            self._table, self._numbers = some_rows(table, order), self._numbers[order]

    def _positions(self, frames: int | None) -> FrameNumbers:
        """The frames of rows without numbers: their positions."""
        whole = self._table
        index = read_prediction_index(self.path) if whole is None else whole.index
        rows = sum(1 for _ in index)
        if frames not in (None, rows):
            raise PredictionFileError(
                f"the table has {rows} rows without frame numbers, but the video {frames} frames",
                where=self.path,
                remedy="check that the predictions are those of this video",
            )
        return np.arange(rows)

    def with_confidence(self, confidence: Callable[[Likelihood], Likelihood]) -> VideoPredictions:
        """The same predictions with what ``confidence`` makes of their likelihoods."""
        mapped = copy.copy(self)
        mapped._confidence = confidence
        return mapped

    @property
    def without_row(self) -> Int[ndarray, " missing"]:
        """The frames of the video that have no row."""
        return np.setdiff1d(np.arange(self.frames), self._numbers, assume_unique=True)

    @property
    def note(self) -> str | None:
        """Which frames have no row, in a sentence; None where all have one."""
        missing = self.without_row
        if not len(missing):
            return None
        share = f"{len(missing)} of {self.frames} frames"
        return f"{share} have no row in {self.path.name}: {listed(missing)}"

    def rows(self, size: int = _ROWS) -> Iterator[PredictionTable]:
        """The rows in the order of their frames, at most ``size`` at a time.

        Positions and confidences have the precision of float32, in which they were predicted, so
        that what is computed from them is the same as at prediction.
        """
        whole, start = self._table, 0
        tables = read_prediction_chunks(self.path, size) if whole is None else _parts(whole, size)
        for table in tables:
            numbers = self._numbers[start : start + len(table)]
            start += len(table)
            likelihood = _as_predicted(table.confidences)
            yield replace(
                table,
                keypoints=_as_predicted(table.keypoints),
                confidences=self._confidence(likelihood) if self._confidence else likelihood,
                index=tuple(numbers.tolist()),
            )

    def chunks(self, frames: range | None = None, size: int = _ROWS) -> Iterator[Chunk]:
        """All frames, or some consecutive ones, at most ``size`` at a time; NaN without a row."""
        frames = range(self.frames) if frames is None else frames
        rows, table = self.rows(size), None
        for start in range(frames.start, frames.stop, size):
            stop, K = min(start + size, frames.stop), len(self.keypoint_names)
            keypoints = np.full((stop - start, K, 2), np.nan)
            confidences = np.full((stop - start, K), np.nan)
            while table is not None or (table := next(rows, None)) is not None:
                numbers = np.array(table.index, dtype=np.int64)
                here = (numbers >= start) & (numbers < stop)
                keypoints[numbers[here] - start] = table.keypoints[here]
                confidences[numbers[here] - start] = table.confidences[here]
                if (numbers >= stop).any():
                    break
                table = None
            yield keypoints, confidences

    def at(self, frames: Sequence[int]) -> PredictionTable:
        """Some frames, in the order asked for; NaN where there is no row.

        Raises:
            PredictionFileError: The video has no such frame.
        """
        beyond = [frame for frame in frames if not 0 <= frame < self.frames]
        if beyond:
            raise PredictionFileError(
                f"there is no frame {beyond[0]} among the {self.frames} of the video",
                where=self.path,
            )
        wanted, K = np.array(frames, dtype=np.int64), len(self.keypoint_names)
        keypoints = np.full((len(wanted), K, 2), np.nan)
        confidences = np.full((len(wanted), K), np.nan)
        for table in self.rows():
            places = {frame: row for row, frame in enumerate(table.index)}
            for place in np.flatnonzero(np.isin(wanted, table.index)).tolist():
                row = places[int(wanted[place])]
                keypoints[place], confidences[place] = table.keypoints[row], table.confidences[row]
        return PredictionTable(self.keypoint_names, keypoints, confidences, tuple(wanted.tolist()))


def _as_predicted(values: Float[ndarray, ...]) -> Float[ndarray, ...]:
    return values.astype(np.float32).astype(np.float64)


def _parts(table: PredictionTable, size: int) -> Iterator[PredictionTable]:
    for start in range(0, len(table), size):
        yield some_rows(table, np.arange(start, min(start + size, len(table))))
