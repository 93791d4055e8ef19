"""Tables of predictions as what was observed, of one view or several, of one tracker or several."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int
from numpy import ndarray

from lp_analysis.confidence.calibration import ConfidenceCalibration
from lp_analysis.confidence.shown import ShownConfidence
from lp_analysis.errors import SmoothingError
from lp_analysis.smoothing.noise import (
    Kind,
    by_confidence,
    centre_and_variance,
    shrunk,
)
from lp_analysis.smoothing.parameters import STRETCH, stretches
from lp_analysis.smoothing.smoother import Observations
from lp_analysis.smoothing.storage import FrameArray, parts
from lp_analysis.triangulation.tables import ViewTables
from lp_core.poses import Animals, Content
from lp_core.poses.csv_reading import opened_pose_csv
from lp_data.sessions import ViewNames
from lp_io.predictions import read_predictions
from lp_io.predictions.formats import format_of
from lp_io.predictions.smoothed import EnsembleTable, holds_ensemble
from lp_io.predictions.video import frame_numbers

_LINES = 2048


@dataclass(frozen=True, eq=False)
class Layout:
    """Which keypoint of which table is which part of the body in which view.

    Attributes:
        parts: P names of parts of the body.
        views: V names.
        keypoints: (P, V) the column of the keypoint among those of its table; -1 where none is.
        mirrored: Whether all views are in one table, as keypoints of different names.
    """

    parts: tuple[str, ...]
    views: tuple[str, ...]
    keypoints: Int[ndarray, "parts views"]
    mirrored: bool

    def found_in(self, values: ndarray) -> ndarray:
        """Values (V', F, A, K, ...) of the tables as (F, A·P, V, ...); NaN where there is none."""
        chosen = np.full(
            (*values.shape[1:3], len(self.parts), len(self.views), *values.shape[4:]), np.nan
        )
        for view in range(len(self.views)):
            own = self.keypoints[:, view]
            table = values[0 if self.mirrored else view]
            chosen[:, :, own >= 0, view] = table[:, :, own[own >= 0]]
        return chosen.reshape(len(chosen), -1, *chosen.shape[3:])

    def put_back(
        self, values: Float[ndarray, "frames tracks views *any"], table: int, keypoints: int
    ) -> ndarray:
        """The opposite, for one of the tables: (F, A, K, ...) of (F, A·P, V, ...)."""
        by_part = values.reshape(len(values), -1, len(self.parts), *values.shape[2:])
        shape = (*by_part.shape[:2], keypoints, *values.shape[3:])
        placed = np.full(shape, np.nan, values.dtype)
        for view in range(len(self.views)) if self.mirrored else (table,):
            own = self.keypoints[:, view]
            placed[:, :, own[own >= 0]] = by_part[:, :, own >= 0, view]
        return placed


def layout_of(
    keypoint_names: Sequence[str], views: Sequence[str], mirrors: Sequence[str]
) -> Layout:
    """The layout of tables of several views, or of one table with the views of mirrors.

    Args:
        keypoint_names: K names.
        views: The names of the tables.
        mirrors: What the names of keypoints end in, after ``_``, in each of the views of one table;
            the longest that fits counts. Others are seen in one view only.

    Raises:
        SmoothingError: No keypoint is seen in two views of the mirrors.
    """
    K = len(keypoint_names)
    if not mirrors:
        every = np.tile(np.arange(K)[:, None], len(views))
        return Layout(tuple(keypoint_names), tuple(views), every, mirrored=False)
    names, found = ViewNames(tuple(mirrors)), dict[str, dict[int, int]]()
    for place, name in enumerate(keypoint_names):
        said = names.split(name)
        part, view = (name, 0) if said is None or not said.session else said
        number = view if isinstance(view, int) else names.names.index(view)
        found.setdefault(part, {})[number] = place
    if all(len(own) < 2 for own in found.values()):
        raise SmoothingError(
            f"no keypoint is in two of the views {', '.join(mirrors)}",
            remedy=f"names should end in them, such as paw_{mirrors[0]} and paw_{mirrors[-1]}",
        )
    grid = np.full((len(found), len(mirrors)), -1)
    for row, own in enumerate(found.values()):
        for number, place in own.items():
            grid[row, number] = place
    return Layout(tuple(found), tuple(mirrors), grid, mirrored=True)


class Read(NamedTuple):
    """What tables say.

    Attributes:
        observations: The points and their noise.
        confidence: (F, T, V) means of the members.
        kind: What the noise is from.
        layout: Which keypoint is which track: T = A·P.
        keypoint_names: K names, as in the tables.
        individuals: A names; empty for one animal.
        untracked: Whether rows that belong to no individual were left out.
    """

    observations: Observations
    confidence: FrameArray
    kind: Kind
    layout: Layout
    keypoint_names: tuple[str, ...]
    individuals: tuple[str, ...]
    untracked: bool = False


def read_tables(
    tables: Mapping[str, Sequence[Path]],
    *,
    mirrors: Sequence[str] = (),
    least_noise: float = 0.1,
) -> Read:
    """Read the tables of a video, or of the videos of a session.

    Args:
        tables: By view, one table, or one of each member of an ensemble.
        mirrors: See `layout_of`.
        least_noise: Standard deviation in px that the noise has at least, where it is known in px.

    Raises:
        PoseError: A table cannot be read.
        SmoothingError: The tables do not go together.
        TriangulationError: The keypoints of the tables differ, or none names an individual.
    """
    tables = {view: tuple(members) for view, members in tables.items()}
    one = next(iter(tables.values()))[0]
    if holds_ensemble(one):
        return _read_ensemble(tables, mirrors, least_noise)
    for path in (path for own in tables.values() for path in own):
        _refuse_images(path)
    names = {f"{view}/{n}": path for view, own in tables.items() for n, path in enumerate(own)}
    opened = ViewTables(names)
    for view, own in tables.items():
        _check_lengths(own, [opened.lengths[f"{view}/{n}"] for n in range(len(own))])
    if not opened.frames:
        raise SmoothingError("the table has a header, but no rows", where=one)
    members = [len(own) for own in tables.values()]
    calibrations = _calibrations(tables) if max(members) == 1 else None
    kind = Kind.MEMBERS if max(members) > 1 else Kind.CONFIDENCE
    kind = Kind.CALIBRATED if calibrations else kind
    layout = layout_of(opened.keypoint_names, tuple(tables), mirrors)
    read = _empty(opened.frames, layout, kind, opened.keypoint_names, opened.individuals)
    ends = np.cumsum(members)[:-1]
    spread = _Spread(read)
    for part in opened.parts():
        points, confidences = (np.split(each, ends) for each in (part.points, part.confidences))
        spread.take(part.first, points, confidences, calibrations)
    spread.finish(least_noise)
    return read._replace(untracked=opened.untracked)


def _refuse_images(path: Path) -> None:
    """Refuse rows that are not those of a video, which no time lies between."""
    if format_of(path).name == "csv":
        with opened_pose_csv(path, Content.PREDICTIONS, Animals(several=True)) as file:
            numbers = frame_numbers(islice(file.index(), 1), path)
    else:
        numbers = frame_numbers(read_predictions(path, several=True).frame[:1], path)
    if isinstance(numbers, int) and numbers:
        raise SmoothingError(
            "the rows are of images, and not of the frames of a video",
            where=path,
            remedy="give predictions of a video, whose first column counts its frames from 0",
        )


def _check_lengths(tables: Sequence[Path], lengths: Sequence[int]) -> None:
    for path, length in zip(tables, lengths, strict=True):
        if length != lengths[0]:
            raise SmoothingError(
                f"the tables have different numbers of frames: {lengths[0]} in {tables[0]}, "
                f"{length} in {path}",
                remedy="members of an ensemble are tables of one and the same video",
            )


def _calibrations(tables: Mapping[str, Sequence[Path]]) -> list[ConfidenceCalibration] | None:
    """Those of the models that predicted the tables; None unless all have one."""
    found = [ShownConfidence.of_table(own[0]).calibration for own in tables.values()]
    known = [each for each in found if each is not None]
    return known if len(known) == len(found) else None


def _empty(
    frames: int,
    layout: Layout,
    kind: Kind,
    keypoint_names: Sequence[str],
    individuals: Sequence[str],
) -> Read:
    tracks, views = max(len(individuals), 1) * len(layout.parts), len(layout.views)
    seen = Observations(frames, tracks, views)
    confidence = FrameArray(frames, (tracks, views))
    return Read(seen, confidence, kind, layout, tuple(keypoint_names), tuple(individuals))


class _Spread:
    """Takes in the tables part by part, and says how noisy they are once all of it is there."""

    def __init__(self, read: Read) -> None:
        self._read = read
        seen = read.observations
        self._count = FrameArray(seen.frames, (seen.tracks, seen.views), np.float32)

    def take(
        self,
        first: int,
        points: list[ndarray],
        confidences: list[ndarray],
        calibrations: list[ConfidenceCalibration] | None,
    ) -> None:
        """Take in frames of all views, each (M, F, A, K, ...)."""
        read = self._read
        found, variances, counts, means = [], [], [], []
        for view, (own, sure) in enumerate(zip(points, confidences, strict=True)):
            centre, variance, count = _centre(own)
            known = np.isfinite(sure)
            mean = np.where(known, sure, 0.0).sum(axis=0) / np.maximum(known.sum(axis=0), 1)
            mean = np.where(known.any(axis=0), mean, np.nan)
            if read.kind is Kind.CONFIDENCE:
                variance = np.stack([by_confidence(mean)] * 2, axis=-1)
            elif read.kind is Kind.CALIBRATED and calibrations:
                model = calibrations[view]
                variance = np.stack([model.deviation(mean) ** 2] * 2, axis=-1)
            found.append(centre)
            variances.append(variance)
            counts.append(count)
            means.append(mean)
        pose = read.layout.found_in
        read.observations.points.write(first, pose(np.stack(found)))
        read.observations.variance.write(first, pose(np.stack(variances)))
        self._count.write(first, pose(np.stack(counts)))
        read.confidence.write(first, pose(np.stack(means)))

    def finish(self, least_noise: float) -> None:
        """Make of the variances of members the noise."""
        read, seen = self._read, self._read.observations
        if not read.kind.absolute:
            return
        usual = np.zeros((seen.tracks, seen.views))
        if read.kind is Kind.MEMBERS:
            usual = self._usual()
        for frames in parts(seen.frames, 2 * seen.tracks * seen.views, 1):
            span = frames.start, frames.stop
            variance = seen.variance.read(*span)
            if read.kind is Kind.MEMBERS:
                variance = shrunk(variance, np.nan_to_num(self._count.read(*span)), usual)
                variance = variance * by_confidence(read.confidence.read(*span))[..., None]
            seen.variance.write(frames.start, np.maximum(variance, least_noise**2))
        self._count.close()

    def _usual(self) -> Float[ndarray, "tracks views"]:
        """The median variance of the members of each keypoint."""
        seen = self._read.observations
        found = np.concatenate(
            [seen.variance.read(part.start, part.stop) for part in stretches(seen.frames)]
        ).mean(axis=-1)
        usual = np.zeros(found.shape[1:])
        for track, view in np.ndindex(usual.shape):
            own = found[:, track, view]
            usual[track, view] = np.median(own[np.isfinite(own)]) if np.isfinite(own).any() else 0
        return usual


def _centre(members: ndarray) -> tuple[ndarray, ndarray, ndarray]:
    """`centre_and_variance` of members (M, F, A, K, 2)."""
    if len(members) == 1:
        known = np.isfinite(members[0]).all(axis=-1)
        return members[0], np.full_like(members[0], np.nan), known.astype(np.float64)
    return centre_and_variance(members)


def _read_ensemble(
    tables: Mapping[str, Sequence[Path]], mirrors: Sequence[str], least_noise: float
) -> Read:
    """What smoothed tables say was smoothed."""
    for own in tables.values():
        if len(own) > 1 or not holds_ensemble(own[0]):
            raise SmoothingError(
                "a table of an ensemble, with its medians and variances, is not one of its members",
                where=own[-1],
                remedy="give that table alone, or the members without it",
            )
    opened = [EnsembleTable(own[0]) for own in tables.values()]
    first = opened[0]
    for other in opened[1:]:
        said = (other.keypoint_names, other.individuals)
        if said != (first.keypoint_names, first.individuals):
            raise SmoothingError(
                f"this table has other keypoints or individuals than {first.path.name}",
                where=other.path,
            )
    layout = layout_of(first.keypoint_names, tuple(tables), mirrors)
    frames = max(table.frames for table in opened)
    read = _empty(frames, layout, Kind.GIVEN, first.keypoint_names, first.individuals)
    for part in _in_step(opened, frames):
        points, variance, confidence = map(layout.found_in, part[1:])
        read.observations.points.write(part[0], points)
        read.observations.variance.write(part[0], np.maximum(variance, least_noise**2))
        read.confidence.write(part[0], confidence)
    return read


def _in_step(
    tables: Sequence[EnsembleTable], frames: int
) -> Iterator[tuple[int, ndarray, ndarray, ndarray]]:
    """The first frame of some, and (V, F, A, K, ...) of all tables."""
    running = [table.parts(_LINES) for table in tables]
    shape = (max(len(tables[0].individuals), 1), len(tables[0].keypoint_names))
    empty = [np.full((0, *shape, *more), np.nan) for more in ((2,), (2,), ())]
    held = [list(empty) for _ in tables]
    for first in range(0, frames, _LINES):
        wanted = min(_LINES, frames - first)
        found = []
        for place, rows in enumerate(running):
            while len(held[place][0]) < wanted:
                part = next(rows, None)
                more = [np.full((wanted, *each.shape[1:]), np.nan) for each in empty]
                if part is not None:
                    more = list(part[1:])
                held[place] = [np.concatenate(pair) for pair in zip(held[place], more, strict=True)]
            found.append([each[:wanted] for each in held[place]])
            held[place] = [each[wanted:] for each in held[place]]
        points, variance, confidence = (np.stack(each) for each in zip(*found, strict=True))
        yield first, points, variance, confidence


def sampled(array: FrameArray) -> Float[ndarray, "stretches frames *any"]:
    """The values of the stretches that parameters are searched on, as long as each other."""
    length = min(STRETCH, array.frames)
    return np.stack(
        [array.read(part.start, part.start + length) for part in stretches(array.frames)]
    )


def by_view(
    tables: Sequence[Path], named: Sequence[tuple[str, Path]], cameras: Sequence[str] | None
) -> dict[str, list[Path]]:
    """Which tables are of which view; several of one are members of an ensemble.

    Args:
        tables: Tables whose names tell their views, if there are cameras, and are of one session;
            else all are of one view, which has no name.
        named: Views and tables of which it is said.
        cameras: The names of calibrated cameras; None without a calibration.

    Raises:
        SmoothingError: There is no table, a name ends in no view, or tables with and without a view
            are mixed.
    """
    found: dict[str, list[Path]] = {}
    for view, path in named:
        found.setdefault(view, []).append(path)
    if cameras is None:
        if tables and named:
            raise SmoothingError(
                "some tables are said to be of a view, and others not",
                where=", ".join(map(str, tables)),
                remedy="say it of all: --view VIEW=TABLE",
            )
        if tables:
            found[""] = [*tables]
    names = ViewNames(tuple(cameras or ()))
    for path in tables if cameras is not None else ():
        said = names.split(path.stem)
        if said is None:
            raise SmoothingError(
                "the name of this table ends in no view of the calibration",
                where=path,
                remedy=f"views: {', '.join(names.names)}; or say it: --view VIEW={path}",
            )
        found.setdefault(said.view, []).append(path)
    if not found:
        raise SmoothingError("there is no table to smooth", remedy="give at least one")
    return found
