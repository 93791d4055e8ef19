"""Predictions of a video: each row belongs to the frame whose number is in its first column."""

from __future__ import annotations

import copy
import re
from array import array
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from itertools import groupby
from pathlib import Path
from typing import TypeVar

import numpy as np
from jaxtyping import Float, Int
from numpy import ndarray

from lp_core.errors import PoseError
from lp_core.poses import Content, PoseTable, Skeleton, confidence_of, read_pose_csv_chunks
from lp_core.poses.csv_reading import opened_pose_csv
from lp_io.predictions.formats import format_of, read_predictions

FrameNumbers = Int[ndarray, " _rows"]

_NUMBER = re.compile(r"\s*([+-]?\d+)(\.0*)?\s*", re.ASCII)
_LARGEST = 2**63 - 1
_MOST_LISTED = 5  # stretches of frames in a message
_ROWS = 1024

Likelihood = Float[ndarray, "_rows _keypoints"]
Chunk = tuple[Float[ndarray, "_frames _keypoints 2"], Float[ndarray, "_frames _keypoints"]]
"""Keypoints (n, K, 2) in frame px and confidences (n, K) of consecutive frames; NaN without row."""


Predictions = TypeVar("Predictions", bound="PlacedPredictions")


class PlacedPredictions:
    """A table of predictions whose rows are placed by their frame numbers.

    Args:
        path: The table; the ending of its name tells the format.
        confidence: What is taken for the confidence instead of the likelihood.

    Attributes:
        frames: The number of frames of the video.
    """

    frames: int
    _numbers: FrameNumbers

    def __init__(
        self, path: str | Path, confidence: Callable[[Likelihood], Likelihood] | None
    ) -> None:
        self.path = Path(path)
        self._confidence = confidence
        self._table: PoseTable | None = None

    def with_confidence(
        self: Predictions, confidence: Callable[[Likelihood], Likelihood]
    ) -> Predictions:
        """The same predictions with what ``confidence`` makes of their likelihoods."""
        mapped = copy.copy(self)
        mapped._confidence = confidence
        return mapped

    def _as_confidence(self, likelihood: Likelihood) -> Likelihood:
        return self._confidence(likelihood) if self._confidence else likelihood

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


class VideoPredictions(PlacedPredictions):
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
        PoseError: The table cannot be read or has no rows, frame numbers repeat or lie
            outside the video, or the rows have no numbers and are not as many as the frames.
    """

    def __init__(
        self,
        path: str | Path,
        frames: int | None = None,
        confidence: Callable[[Likelihood], Likelihood] | None = None,
    ) -> None:
        super().__init__(path, confidence)
        if format_of(self.path).name == "csv":
            with opened_pose_csv(self.path, Content.PREDICTIONS) as file:
                self.keypoint_names = file.layout.skeleton.names
                numbers = frame_numbers(file.index(), self.path)
        else:
            self._table = read_predictions(self.path)
            self.keypoint_names = self._table.keypoint_names
            numbers = frame_numbers(self._table.frame, self.path)
        if isinstance(numbers, int):
            if frames not in (None, numbers):
                raise PoseError(
                    f"the table has {numbers} rows without frame numbers, but the video {frames} "
                    "frames",
                    where=self.path,
                    remedy="check that the predictions are those of this video",
                )
            numbers = np.arange(numbers)
        self._numbers = numbers
        if frames and not len(self._numbers):
            raise PoseError("the table has a header, but no rows", where=self.path)
        check_frame_numbers(self._numbers, frames, self.path)
        self.frames = int(self._numbers.max(initial=-1)) + 1 if frames is None else frames
        if (self._numbers[1:] < self._numbers[:-1]).any():
            table = read_predictions(self.path) if self._table is None else self._table
            order = np.argsort(self._numbers)
            self._table, self._numbers = table.rows(order), self._numbers[order]

    def rows(self, size: int = _ROWS) -> Iterator[PoseTable]:
        """The rows in the order of their frames, at most ``size`` at a time.

        Positions and confidences have the precision of float32, in which they were predicted, so
        that what is computed from them is the same as at prediction.
        """
        whole, start = self._table, 0
        tables = (
            read_pose_csv_chunks(self.path, Content.PREDICTIONS, size)
            if whole is None
            else (whole.rows(slice(row, row + size)) for row in range(0, len(whole), size))
        )
        for table in tables:
            numbers = self._numbers[start : start + len(table)]
            start += len(table)
            likelihood = _as_predicted(confidence_of(table))
            yield replace(
                table,
                points=_as_predicted(table.points),
                confidence=self._as_confidence(likelihood),
                frame=tuple(numbers.tolist()),
            )

    def chunks(self, frames: range | None = None, size: int = _ROWS) -> Iterator[Chunk]:
        """All frames, or some consecutive ones, at most ``size`` at a time; NaN without a row."""
        frames = range(self.frames) if frames is None else frames
        rows, table = self.rows(size), None
        for start in range(frames.start, frames.stop, size):
            stop = min(start + size, frames.stop)
            keypoints, confidences = self._nothing(stop - start)
            while table is not None or (table := next(rows, None)) is not None:
                numbers = np.array(table.frame, dtype=np.int64)
                here = (numbers >= start) & (numbers < stop)
                keypoints[numbers[here] - start] = table.points[here]
                confidences[numbers[here] - start] = confidence_of(table)[here]
                if (numbers >= stop).any():
                    break
                table = None
            yield keypoints, confidences

    def _nothing(self, frames: int) -> Chunk:
        K = len(self.keypoint_names)
        return np.full((frames, K, 2), np.nan), np.full((frames, K), np.nan)

    def at(self, frames: Sequence[int]) -> PoseTable:
        """Some frames, in the order asked for; NaN where there is no row.

        Raises:
            PoseError: The video has no such frame.
        """
        beyond = [frame for frame in frames if not 0 <= frame < self.frames]
        if beyond:
            raise PoseError(
                f"there is no frame {beyond[0]} among the {self.frames} of the video",
                where=self.path,
            )
        wanted = np.array(frames, dtype=np.int64)
        keypoints, confidences = self._nothing(len(wanted))
        for table in self.rows():
            places = {frame: row for row, frame in enumerate(table.frame)}
            for place in np.flatnonzero(np.isin(wanted, table.frame)).tolist():
                row = places[int(wanted[place])]
                keypoints[place] = table.points[row]
                confidences[place] = confidence_of(table)[row]
        skeleton = Skeleton(self.keypoint_names)
        return PoseTable(skeleton, keypoints, tuple(wanted.tolist()), confidence=confidences)


def _as_predicted(values: Float[ndarray, ...]) -> Float[ndarray, ...]:
    return values.astype(np.float32).astype(np.float64)


def frame_numbers(cells: Iterable[object], where: Path) -> FrameNumbers | int:
    """The frames in the first cells of the rows; or how many rows there are, if those of images.

    Raises:
        PoseError: Some rows have a number and others have none.
    """
    numbers, other, row = array("q"), None, 0
    for row, cell in enumerate(cells, 1):
        number = _NUMBER.fullmatch(str(cell))
        if number is not None:
            numbers.append(max(min(int(number.group(1)), _LARGEST), -_LARGEST))
        elif other is None:
            other = f"'{cell}', the first cell of row {row}, is not a frame number"
    if other is None:
        return np.array(numbers, dtype=np.int64)
    if numbers:
        raise PoseError(
            other,
            where=where,
            remedy="number every row by its frame, counted from 0, or none of them",
        )
    return row


def check_frame_numbers(numbers: FrameNumbers, frames: int | None, where: Path) -> None:
    """Refuse frame numbers that repeat, or that a video of so many ``frames`` does not have."""
    found, counts = np.unique(numbers, return_counts=True)
    outside = (found < 0) if frames is None else (found < 0) | (found >= frames)
    problems = []
    if (counts > 1).any():
        problems.append(f"frame numbers repeat: {listed(found[counts > 1])}")
    if outside.any():
        video = "the video" if frames is None else f"the video of {frames} frames"
        problems.append(f"frame numbers lie outside {video}: {listed(found[outside])}")
    if problems:
        raise PoseError(
            ", and ".join(problems),
            where=where,
            remedy="check that the predictions are those of this video, and that the first column "
            "counts its frames from 0, each once",
        )


def in_frame_order(table: PoseTable, where: Path) -> PoseTable:
    """The rows in the order of their frame numbers; a table of images stays as it is.

    Raises:
        PoseError: Frame numbers repeat (in a table of several animals, for one animal), or are
            negative, or only some rows have one.
    """
    numbers = frame_numbers(table.frame, where)
    if isinstance(numbers, int):
        return table
    of_animal: dict[str | None, list[int]] = {}
    for row, name in enumerate(table.individual or (None,) * len(table)):
        of_animal.setdefault(name, []).append(row)
    if table.individual is not None:
        of_animal.pop(None, None)  # a frame may have any number without a track
    for rows in of_animal.values():
        check_frame_numbers(numbers[rows], None, where)
    order = np.argsort(numbers, kind="stable")
    return replace(table.rows(order), frame=tuple(numbers[order].tolist()))


def listed(numbers: Int[ndarray, " some"]) -> str:
    """Ascending numbers as people list them, ``3, 5 to 9``; the first ones where there are many."""
    runs = [
        [number for _, number in run]
        for _, run in groupby(enumerate(numbers.tolist()), lambda pair: pair[1] - pair[0])
    ]
    texts = [str(run[0]) if len(run) == 1 else f"{run[0]} to {run[-1]}" for run in runs]
    more = sum(map(len, runs[_MOST_LISTED:]))
    return ", ".join(texts[:_MOST_LISTED]) + (f" and {more} more" if more else "")
