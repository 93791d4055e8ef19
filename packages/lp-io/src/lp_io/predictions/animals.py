"""Predictions of a video with several animals: the rows of each of its frames."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from lp_core.errors import PoseError
from lp_core.poses import Animals, Content, PoseTable, confidence_of, read_pose_csv_chunks
from lp_core.poses.csv_reading import opened_pose_csv
from lp_core.poses.grid import SINGLE, is_untracked
from lp_io.predictions.formats import format_of, read_predictions
from lp_io.predictions.video import (
    FrameNumbers,
    Likelihood,
    PlacedPredictions,
    VideoPredictions,
    check_frame_numbers,
    frame_numbers,
)

_SEVERAL = Animals(several=True)
_LINES, _VALUES = 256, 2**20  # of a CSV file at once


class AnimalPredictions(PlacedPredictions):
    """A table of several animals, in any of the formats, as the rows of each frame of a video.

    Frames may be in any order, and may be without a row. The memory it takes does not grow with the
    length of a CSV file whose frames are in order, but for 8 bytes per frame. Any other table is
    read whole.

    Args:
        path: The table; the ending of its name tells the format.
        frames: The number of frames of the video; None where the video is not at hand.
        confidence: What is taken for the confidence instead of the likelihood, from 0 to 1 of any
            shape: such as a calibration.

    Attributes:
        skeleton: K keypoints, with edges where the table states them.
        individuals: The names of the animals; None is last, and stands for rows without a track.
        frames: The number of frames of the video; without it, of those up to the last row.

    Raises:
        PoseError: The table cannot be read or has no rows, its rows are of images, or frame numbers
            repeat in a CSV file or lie outside the video.
    """

    def __init__(
        self,
        path: str | Path,
        frames: int | None = None,
        confidence: Callable[[Likelihood], Likelihood] | None = None,
    ) -> None:
        super().__init__(path, confidence)
        numbers, table = self._read()
        if not len(numbers):
            raise PoseError("the table has a header, but no rows", where=self.path)
        check_frame_numbers(numbers, frames, self.path)
        self.frames = int(numbers.max()) + 1 if frames is None else frames
        self._numbers = np.sort(numbers)
        if table is None and (numbers[1:] < numbers[:-1]).any():
            table = read_predictions(self.path, several=True)
        self._table = table

    def _read(self) -> tuple[FrameNumbers, PoseTable | None]:
        """Take the names; the frames that have a row, and the table where it is read whole."""
        table: PoseTable | None = None
        if format_of(self.path).name == "csv":
            with opened_pose_csv(self.path, Content.PREDICTIONS, _SEVERAL) as file:
                self.skeleton = file.layout.skeleton
                given = file.layout.individual or ()
                names = [None if is_untracked(name) else name for name in given]
                found = frame_numbers(file.index(), self.path)
        else:
            table = read_predictions(self.path, several=True)
            self.skeleton = table.skeleton
            names = [*(_placed(table).individual or ())]
            found = frame_numbers(dict.fromkeys(table.frame), self.path)
        known = dict.fromkeys(name for name in names if name is not None)
        self.individuals = (*known, *((None,) if None in names else ()))
        if isinstance(found, int):
            raise PoseError(
                "the rows are of images, and not of the frames of a video",
                where=self.path,
                remedy="give a table whose first column counts the frames of the video from 0",
            )
        return found, table

    @property
    def keypoint_names(self) -> tuple[str, ...]:
        """K names."""
        return self.skeleton.names

    def of_frames(self, frames: range | None = None) -> Iterator[PoseTable]:
        """The rows of each of all frames, or of some consecutive ones, in their order.

        Yields:
            For each frame its animals with a position, each with an individual, which is None
            where it has no track, and a confidence; no row where the frame has none.
        """
        frames = range(self.frames) if frames is None else frames
        found, end = self._frames(frames.start), (self.frames, self._nothing)
        number, rows = next(found, end)
        for frame in frames:
            while number < frame:
                number, rows = next(found, end)
            yield rows if number == frame else self._nothing

    @property
    def _nothing(self) -> PoseTable:
        K = len(self.skeleton)
        return PoseTable(
            self.skeleton, np.empty((0, K, 2)), (), individual=(), confidence=np.empty((0, K))
        )

    def at(self, frames: Sequence[int]) -> list[PoseTable]:
        """The rows of each of some frames, as `of_frames` gives them."""
        found = {}
        for table in self.tables():
            numbers = np.array(table.frame, dtype=np.int64)
            for frame in set(frames).intersection(table.frame):
                found[frame] = table.rows(np.flatnonzero(numbers == frame))
        return [found.get(frame, self._nothing) for frame in frames]

    def _frames(self, start: int) -> Iterator[tuple[int, PoseTable]]:
        """The frames from ``start`` on that have a row in their order, and their rows."""
        for table in self.tables():
            for frame, rows in table.by_frame():
                if int(frame) >= start:
                    yield int(frame), table.rows(rows)

    def tables(self) -> Iterator[PoseTable]:
        """The rows with a position in the order of their frames, some whole frames at a time.

        Yields:
            Tables with frame numbers, individuals (None where a row has no track) and confidences.
        """
        for table in map(_placed, self._parts()):
            confidence = self._as_confidence(confidence_of(table))
            numbers = np.array([int(float(frame)) for frame in table.frame], dtype=np.int64)
            order = np.argsort(numbers, kind="stable")
            frame = tuple(numbers.tolist())
            yield replace(table, frame=frame, confidence=confidence).rows(order)

    def _parts(self) -> Iterator[PoseTable]:
        """The table as it is, in parts of whole frames."""
        if self._table is not None:
            yield self._table
            return
        columns = 3 * len(self.individuals) * len(self.skeleton)
        lines = min(_LINES, max(1, _VALUES // columns))
        yield from read_pose_csv_chunks(self.path, Content.PREDICTIONS, lines, _SEVERAL)


def _placed(table: PoseTable) -> PoseTable:
    """The rows with a position, each with an individual, which may be None."""
    named = replace(table, individual=table.individual or (None,) * len(table))
    return named.rows(np.flatnonzero(table.has_position.any(axis=1)))


def holds_several(path: str | Path) -> bool:
    """Whether a table of predictions holds more than one animal.

    Raises:
        PoseError: It cannot be read.
    """
    if format_of(Path(path)).name == "csv":
        with opened_pose_csv(path, Content.PREDICTIONS, _SEVERAL) as file:
            return len(set(file.layout.individual or ()) - {SINGLE}) > 1
    table = read_predictions(path, several=True)
    if table.individual is None:
        return False
    placed = _placed(table)
    names = placed.individual or ()
    rows = [row for row, name in enumerate(names) if name != SINGLE]
    frames = {placed.frame[row] for row in rows}
    return len({names[row] for row in rows}) > 1 or len(frames) < len(rows)


def predictions_of_video(
    path: str | Path,
    frames: int | None = None,
    confidence: Callable[[Likelihood], Likelihood] | None = None,
) -> VideoPredictions | AnimalPredictions:
    """The predictions of a video, of one animal or several; see the two classes.

    Raises:
        PoseError: The table cannot be read, or is not of that video.
    """
    kind = AnimalPredictions if holds_several(path) else VideoPredictions
    return kind(path, frames, confidence)
