"""Write smoothed predictions part by part, also in the layout of ensemble-kalman-smoother.

That has nine columns for each keypoint, see `lp_core.poses.columns.SMOOTHED`; every reader of
predictions takes the smoothed positions from it, and their variances. `EnsembleTable` takes what
was smoothed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from itertools import product, zip_longest
from pathlib import Path

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from lp_core.atomic import atomic_text
from lp_core.errors import PoseError, unwritable_as
from lp_core.poses import Animals, Content, PoseTable, read_pose_csv_chunks
from lp_core.poses.columns import SMOOTHED
from lp_core.poses.csv_reading import opened_pose_csv
from lp_core.poses.csv_writing import body_lines, header_lines
from lp_io.predictions.covariance import covariance_path, read_covariance
from lp_io.predictions.formats import format_of
from lp_io.predictions.video import check_frame_numbers, frame_numbers

PLAIN = SMOOTHED[:3]
"""The coordinates of predictions that were not smoothed."""

Append = Callable[[range, Float[ndarray, "frames animals keypoints coords"]], None]

_GIVEN = Animals(several=True, ensemble=True)


@contextmanager
def smoothed_writer(
    path: Path,
    keypoint_names: Sequence[str],
    individuals: Sequence[str],
    *,
    scorer: str,
    coords: Sequence[str] = PLAIN,
) -> Iterator[Append]:
    """A CSV file of predictions of a video, which appears when it is complete.

    Args:
        path: The file; an existing one is replaced.
        keypoint_names: K names.
        individuals: A names; empty for one animal, which has none.
        scorer: Who made the predictions.
        coords: C names, `PLAIN` or `SMOOTHED`.

    Yields:
        Call it with the next frames and their values (F, A, K, C); NaN is an empty cell. Numbers
        have the precision of float32.

    Raises:
        PoseError: The file cannot be written.
    """
    several = (individuals,) if individuals else ()
    columns = list(product((scorer,), *several, keypoint_names, coords))
    with unwritable_as(PoseError, "the predictions", path), atomic_text(path) as file:
        file.write(header_lines(columns))

        def append(
            frames: range, values: Float[ndarray, "frames animals keypoints coords"]
        ) -> None:
            flat = values.reshape(len(values), -1).astype(np.float32)
            file.writelines(f"{line}\n" for line in body_lines(map(str, frames), columns, flat))

        yield append


class EnsembleTable:
    """Positions with their variances: what an ensemble predicted, or what was smoothed.

    The first is a table with its covariances beside it, the second is a CSV file in the layout of
    ensemble-kalman-smoother, of which the medians are taken.

    Args:
        path: The file.

    Attributes:
        keypoint_names: K names.
        individuals: A names; empty for one animal.
        frames: The number of frames of the video: of those up to the last row.

    Raises:
        PoseError: It cannot be read, its rows are of images or out of order, or frames repeat.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        with opened_pose_csv(path, Content.PREDICTIONS, _GIVEN) as file:
            self.keypoint_names = file.layout.skeleton.names
            self.individuals = file.layout.individual or ()
            numbers = frame_numbers(file.index(), path)
        if isinstance(numbers, int) or not len(numbers):
            raise PoseError("no row is of a frame of a video", where=path)
        check_frame_numbers(numbers, None, path)
        if (np.diff(numbers) < 0).any():
            raise PoseError("the rows are not in the order of their frames", where=path)
        self.frames = int(numbers[-1]) + 1

    def parts(self, size: int) -> Iterator[tuple[range, ndarray, ndarray, ndarray]]:
        """All frames, about so many at a time.

        Yields:
            Frames, the medians (F, A, K, 2) in frame px, their variances (F, A, K, 2), and the
            likelihoods (F, A, K); NaN where there is no row.
        """
        start, animals = 0, max(len(self.individuals), 1)
        for table in self._tables(size):
            numbers = np.array(table.frame, dtype=np.int64)
            frames = range(start, int(numbers[-1]) + 1)
            start = frames.stop
            shape = (len(frames), animals, len(self.keypoint_names))
            points, variance = np.full((*shape, 2), np.nan), np.full((*shape, 2), np.nan)
            likelihood = np.full(shape, np.nan)
            slot = np.zeros(len(table), dtype=np.int64)
            if self.individuals and table.individual is not None:
                places = {name: place for place, name in enumerate(self.individuals)}
                slot = np.array([places.get(name or "", 0) for name in table.individual])
            at = numbers - frames.start, slot
            points[at] = table.points
            if table.covariance is not None:
                variance[at] = np.diagonal(table.covariance, axis1=-2, axis2=-1)
            if table.confidence is not None:
                likelihood[at] = table.confidence
            yield frames, points, variance, likelihood

    def _tables(self, size: int) -> Iterator[PoseTable]:
        """The rows, so many at a time, with their covariances."""
        tables = read_pose_csv_chunks(self.path, Content.PREDICTIONS, size, _GIVEN)
        if not covariance_path(self.path).is_file():
            yield from tables
            return
        beside = read_covariance(self.path, size)
        for table, covariance in zip_longest(tables, beside):
            if table is None or covariance is None or len(table) != len(covariance):
                raise PoseError(
                    "the table of covariances has other rows than the predictions",
                    where=covariance_path(self.path),
                    remedy="predict the video again with --overwrite",
                )
            yield replace(table, covariance=covariance)


def holds_ensemble(path: Path) -> bool:
    """Whether a table states variances, beside it or in ensemble-kalman-smoother's layout.

    Raises:
        PoseError: It cannot be read.
    """
    if format_of(path).name != "csv":
        return False
    if covariance_path(path).is_file():
        return True
    with opened_pose_csv(path, Content.PREDICTIONS, _GIVEN) as file:
        return file.layout.variances is not None
