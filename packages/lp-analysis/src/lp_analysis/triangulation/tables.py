"""Tables of the views of a session to a file of points in space, part by part."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from lp_analysis.errors import TriangulationError
from lp_analysis.triangulation.medians import RunningMedians
from lp_analysis.triangulation.pose_prior import PosePrior
from lp_analysis.triangulation.posed import fit_poses
from lp_analysis.triangulation.reprojection import (
    ReprojectedTable,
    reproject,
    reprojected_tables,
)
from lp_core.geometry.cameras import Rig, triangulate
from lp_core.poses import PoseTable, Skeleton
from lp_data.sessions import ViewNames
from lp_io.model_directory import TRIANGULATED
from lp_io.points3d import Points3D, points3d_writer
from lp_io.predictions import VideoPredictions, predictions_of_video
from lp_io.predictions.animals import AnimalPredictions
from lp_io.predictions.video import Likelihood

_POINTS = 2**16


@dataclass(frozen=True)
class TriangulationOptions:
    """How tables are put together.

    Attributes:
        min_confidence: Detections below it are not used; those above count by their confidence.
        noise: Standard deviation of good detections in frame px; None for 0.2 % of the diagonal of
            the images.
        offsets: By view, how many frames later its table has a moment than the session counts it,
            where that is not 0.
        fps: Frames per second, for movement's times.
        radius: Frame px that the likelihoods of reprojected points are about; see `reproject`.
        confidences: By view, what is taken for the confidence instead of the likelihood of its
            table, such as a calibration.
        individuals: The animals of several that have points; other rows are left out. None for all,
            and each row must be of one.
        prior: The poses that the animals take, which then count, and place what no view sees; see
            `lp_analysis.triangulation.posed`. None trusts what views see alone.

    Raises:
        TriangulationError: A value is out of range.
    """

    min_confidence: float = 0.0
    noise: float | None = None
    offsets: Mapping[str, int] | None = None
    fps: float | None = None
    radius: float | None = None
    confidences: Mapping[str, Callable[[Likelihood], Likelihood]] | None = None
    individuals: tuple[str, ...] | None = None
    prior: PosePrior | None = None

    def __post_init__(self) -> None:
        if not 0 <= self.min_confidence <= 1:
            raise TriangulationError(
                f"the least confidence must be from 0 to 1, got {self.min_confidence:g}"
            )
        if self.noise is not None and not self.noise > 0:
            raise TriangulationError(f"the noise must be above 0 px, got {self.noise:g}")


class Triangulated(NamedTuple):
    """What a file of points in space holds.

    Attributes:
        path: The file.
        frames: How many frames it has.
        detections: Detections that were used, of all views.
        points: Keypoints that have a point.
        wanted: Keypoints that at least one view saw.
        errors: By view, the median distance in frame px between the detections and the points that
            are projected back; NaN without any.
        notes: What else is to be said of how they were made, a line each.
    """

    path: Path
    frames: int
    detections: int
    points: int
    wanted: int
    errors: dict[str, float]
    notes: tuple[str, ...] = ()


class Tally:
    """Counts what is made of what views saw, part by part."""

    def __init__(self) -> None:
        self._errors: RunningMedians | None = None
        self._counts = np.zeros(3, dtype=int)

    def add(
        self,
        seen: Float[ndarray, "views rows keypoints 2"],
        made: Points3D,
        error: Float[ndarray, "views rows keypoints"],
    ) -> None:
        """Add some rows: what was seen, and what `triangulate_poses` made of it."""
        self._errors = self._errors or RunningMedians(len(error))
        self._errors.add(error.reshape(len(error), -1))
        wanted = np.isfinite(seen).all(axis=-1).any(axis=0)
        found = (made.table.has_position & wanted).sum()
        self._counts += [np.isfinite(error).sum(), found, wanted.sum()]

    def total(self, path: Path, frames: int, views: Sequence[str]) -> Triangulated:
        """All rows together, which are in a file."""
        known = self._errors or RunningMedians(len(views))
        medians = dict(zip(views, known.medians(), strict=True))
        detections, points, wanted = self._counts.tolist()
        return Triangulated(path, frames, detections, points, wanted, medians)


def views_of(tables: Sequence[Path], views: Sequence[str]) -> tuple[str, dict[str, Path]]:
    """Which table is of which view, by the end of its name; ``cam1`` is not ``cam10``.

    Args:
        tables: Files that are named ``<session>_<view>`` or ``<view>``.
        views: Names of the cameras.

    Returns:
        The session, and its tables by view, in the order of the views.

    Raises:
        TriangulationError: A name ends in no view, two tables are of one view, or of different
            sessions.
    """
    names = ViewNames(tuple(views))
    found: dict[str, Path] = {}
    sessions: dict[str, Path] = {}
    for table in tables:
        said = names.split(table.stem)
        if said is None:
            raise TriangulationError(
                "the name of this table ends in no view of the calibration",
                where=table,
                remedy=f"views: {', '.join(views)}; or say which it is: --view VIEW={table}",
            )
        if said.view in found:
            raise TriangulationError(
                f"two tables are of the view '{said.view}': {found[said.view]} and {table}"
            )
        found[said.view] = table
        sessions.setdefault(said.session, table)
    if len(sessions) > 1:
        one, other = list(sessions.values())[:2]
        raise TriangulationError(
            f"the tables are of different sessions: {one.name} and {other.name}",
            remedy="give those of one session; or say which is which: --view VIEW=TABLE",
        )
    return next(iter(sessions), ""), {view: found[view] for view in views if view in found}


class Detections(NamedTuple):
    """What the views saw in some frames.

    Attributes:
        first: The first of them.
        points: (V, F, A, K, 2) in frame px, NaN where there is none.
        confidences: (V, F, A, K).
    """

    first: int
    points: Float[ndarray, "views frames animals keypoints 2"]
    confidences: Float[ndarray, "views frames animals keypoints"]


class ViewTables:
    """The tables of some views of a session, in step.

    Args:
        tables: By view.
        options: Offsets, confidences and individuals count.

    Attributes:
        keypoint_names: K names, in the order of the first table.
        individuals: Names of several animals; empty for one.
        frames: Frames of the session: up to the last that a table has.
        lengths: By view, how many frames its table has.
        untracked: Whether there are rows that belong to no individual; they are left out.

    Raises:
        PoseError: A table cannot be read.
        TriangulationError: The keypoints of the tables differ, or a table of several animals names
            no individual.
    """

    def __init__(
        self, tables: Mapping[str, Path], options: TriangulationOptions | None = None
    ) -> None:
        options = options or TriangulationOptions()
        confidence = options.confidences or {}
        read = predictions_of_video if options.individuals is None else AnimalPredictions
        self._tables = [
            read(path, confidence=confidence.get(view)) for view, path in tables.items()
        ]
        self._offsets = [(options.offsets or {}).get(view, 0) for view in tables]
        self.lengths = {v: t.frames for v, t in zip(tables, self._tables, strict=True)}
        self.keypoint_names = tuple(self._tables[0].keypoint_names)
        for table in self._tables[1:]:
            if set(table.keypoint_names) != set(self.keypoint_names):
                raise TriangulationError(
                    f"this table has other keypoints than {self._tables[0].path.name}: "
                    f"{', '.join(sorted(set(table.keypoint_names) ^ set(self.keypoint_names)))}",
                    where=table.path,
                )
        lengths = zip(self._tables, self._offsets, strict=True)
        self.frames = max(table.frames - offset for table, offset in lengths)
        self.individuals = self._names() if options.individuals is None else options.individuals
        animals = (t.individuals for t in self._tables if isinstance(t, AnimalPredictions))
        self.untracked = any(None in names for names in animals)

    def _names(self) -> tuple[str, ...]:
        """Names of the animals of all tables, which are to be the same in all views."""
        several = [table for table in self._tables if isinstance(table, AnimalPredictions)]
        names: dict[str, None] = {}
        for table in several:
            if not any(table.individuals):
                raise TriangulationError(
                    "no row of this table belongs to an individual",
                    where=table.path,
                    remedy="name them alike in all views; litpose track tells individuals apart",
                )
            names |= dict.fromkeys(name for name in table.individuals if name is not None)
        if several and len(several) < len(self._tables):
            single = next(table for table in self._tables if table not in several)
            raise TriangulationError(
                "this table is of one animal, but those of other views are of several",
                where=single.path,
            )
        return tuple(names)

    def parts(self) -> Iterator[Detections]:
        """What the views saw, some frames at a time."""
        animals, K = max(len(self.individuals), 1), len(self.keypoint_names)
        size = max(1, _POINTS // (animals * K))
        pairs = zip(self._tables, self._offsets, strict=True)
        seen = [self._read(table, offset, size) for table, offset in pairs]
        for first in range(0, self.frames, size):
            parts = [next(part) for part in seen]
            points, confidences = (np.stack(each) for each in zip(*parts, strict=True))
            yield Detections(first, points, confidences)

    def _read(
        self, table: VideoPredictions | AnimalPredictions, offset: int, size: int
    ) -> Iterator[tuple[ndarray, ndarray]]:
        """The frames of the session that a table has, so many at a time; NaN where it has none."""
        order = [table.keypoint_names.index(name) for name in self.keypoint_names]
        shape = (max(len(self.individuals), 1), len(order))
        waiting, at = self._rows(table, max(offset, 0), size), 0
        kept: list[tuple[ndarray, ndarray]] = []
        if offset < 0:
            kept = [(np.full((-offset, *shape, 2), np.nan), np.full((-offset, *shape), np.nan))]
        for first in range(0, self.frames, size):
            wanted = min(size, self.frames - first)
            while sum(len(part[0]) for part in kept) - at < wanted:
                rows = next(waiting, None)
                if rows is None:
                    rows = np.full((wanted, *shape, 2), np.nan), np.full((wanted, *shape), np.nan)
                    kept.append(rows)
                    break
                kept.append((rows[0][..., order, :], rows[1][..., order]))
            points, confidences = (np.concatenate(each) for each in zip(*kept, strict=True))
            yield points[:wanted], confidences[:wanted]
            kept = [(points[wanted:], confidences[wanted:])]

    def _rows(
        self, table: VideoPredictions | AnimalPredictions, first: int, size: int
    ) -> Iterator[tuple[ndarray, ndarray]]:
        """The frames of a table from one on, (F, A, K, 2) and (F, A, K)."""
        frames = range(first, table.frames)
        if isinstance(table, VideoPredictions):
            for points, confidences in table.chunks(frames, size):
                yield points[:, None], confidences[:, None]
            return
        shape = (1, len(self.individuals), len(table.keypoint_names))
        for rows in table.of_frames(frames):
            points, confidences = np.full((*shape, 2), np.nan), np.full(shape, np.nan)
            for row, name in enumerate(rows.individual or ()):
                if name not in self.individuals:
                    continue  # only some animals are wanted, or it belongs to none
                place = self.individuals.index(name)
                points[0, place] = rows.points[row]
                if rows.confidence is not None:
                    confidences[0, place] = rows.confidence[row]
            yield points, confidences


def triangulate_poses(
    rig: Rig,
    points: Float[ndarray, "views rows keypoints 2"],
    confidences: Float[ndarray, "views rows keypoints"] | None,
    table: PoseTable,
    options: TriangulationOptions | None = None,
) -> tuple[Points3D, Float[ndarray, "views rows keypoints"]]:
    """Poses in space from what the cameras saw.

    Args:
        rig: V cameras.
        points: (V, R, K, 2) in frame px; NaN where a view has no detection.
        confidences: (V, R, K) from 0 to 1; NaN where it is not known, which counts as 1.
        table: Skeleton, frames and individuals of the R rows; its points are not looked at.
        options: How they are put together.

    Returns:
        The poses, and the error of each detection in frame px.

    Raises:
        TriangulationError: The prior is of other keypoints, or has another unit than the rig.
    """
    options = options or TriangulationOptions()
    V, R, K = points.shape[:3]
    weights = np.ones((V, R, K)) if confidences is None else np.nan_to_num(confidences, nan=1.0)
    weights = np.where(weights >= options.min_confidence, weights, 0.0)
    flat = points.reshape(V, R * K, 2)
    found = triangulate(rig, flat, weights.reshape(V, R * K), noise=options.noise)
    places, covariance = found.points.reshape(R, K, 3), found.covariance.reshape(R, K, 3, 3)
    error, views = found.error.reshape(V, R, K), found.views.reshape(R, K)
    used = np.isfinite(error)
    if options.prior is not None:
        prior = options.prior.of(table.skeleton.names, rig.unit)
        posed = fit_poses(rig, points, weights, prior, options.noise)
        row = posed.known[:, None]
        places = np.where(row[..., None], posed.points, places)
        covariance = np.where(row[..., None, None], posed.covariance, covariance)
        error = np.where(row, np.where(weights > 0, posed.error, np.nan), error)
        used = np.where(row, posed.agreed, used)
        views = np.where(row, posed.agreed.sum(axis=0), views)
    count = np.maximum(used.sum(axis=0), 1)
    known = used.any(axis=0)
    mean_error = np.where(known, np.where(used, error, 0.0).sum(axis=0) / count, np.nan)
    sure = np.where(used, weights, 0.0).sum(axis=0) / count
    confidence = np.where(known | np.isfinite(places).all(axis=-1), sure, np.nan)
    space = PoseTable(
        table.skeleton,
        places,
        table.frame,
        individual=table.individual,
        confidence=confidence,
        covariance=covariance,
        scorer=TRIANGULATED,
    )
    return Points3D(space, mean_error, views.astype(float), rig.unit), error


def triangulate_tables(
    rig: Rig,
    tables: Mapping[str, Path],
    output: Path,
    options: TriangulationOptions | None = None,
    *,
    reprojected: Mapping[str, Path] | None = None,
) -> Triangulated:
    """Put the predictions of several views of a session together to points in space.

    Frames that a table lacks, and views without a table, are ordinary: a point needs two views.
    Memory does not grow with the length of the session where the output is CSV.

    Args:
        rig: The cameras; more than there are tables may be in it.
        tables: By view, predictions of a video in any format.
        output: A file ``.csv``, ``.parquet`` or ``.nc``. CSV is written part by part.
        options: How they are put together.
        reprojected: By view, a table to write of what the points say that it shows; see
            `reproject`. All files appear when all are complete, that of the points last.

    Raises:
        CameraError: The rig has no camera of a view.
        PoseError: A table cannot be read, or a file cannot be written.
        TriangulationError: There are fewer than two tables, or they do not go together.
    """
    options = options or TriangulationOptions()
    if len(tables) < 2:
        raise TriangulationError(f"points in space need at least 2 views, got {len(tables)}")
    part_of = rig.subset(list(tables))
    views = ViewTables(tables, options)
    names, paths = views.individuals, reprojected or {}
    also = reprojected_tables(
        paths, views.keypoint_names, names, views.lengths, options.offsets or {}
    )
    tally = Tally()
    with points3d_writer(output, names, fps=options.fps) as writer, also as beside:
        for part in views.parts():
            points, seen, error = _triangulated(part_of, part, views, options)
            writer.write(points)
            tally.add(seen, points, error)
            if beside:
                _reproject_part(part_of, part, points, beside, options.radius)
    return tally.total(output, views.frames, list(tables))


def _triangulated(
    rig: Rig, part: Detections, views: ViewTables, options: TriangulationOptions
) -> tuple[
    Points3D, Float[ndarray, "views rows keypoints 2"], Float[ndarray, "views rows keypoints"]
]:
    """The points of some frames, what was seen of them, and the error of each detection."""
    V, F, A, K = part.confidences.shape
    rows = PoseTable(
        Skeleton(views.keypoint_names),
        np.full((F * A, K, 3), np.nan),
        tuple(part.first + frame for frame in range(F) for _ in range(A)),
        individual=views.individuals * F or None,
    )
    seen = part.points.reshape(V, F * A, K, 2)
    confidences = part.confidences.reshape(V, F * A, K)
    points, error = triangulate_poses(rig, seen, confidences, rows, options)
    return points, seen, error


def _reproject_part(
    rig: Rig,
    part: Detections,
    points: Points3D,
    tables: Mapping[str, ReprojectedTable],
    radius: float | None,
) -> None:
    """Add what the points of some frames say that the views show."""
    assert points.table.covariance is not None  # triangulated points have one
    shape, own = part.confidences.shape, rig.subset(list(tables))
    found = reproject(own, points.table.points, points.table.covariance, radius)
    for view, table in enumerate(tables.values()):
        table.write(
            part.first,
            found.points[view].reshape(*shape[1:], 2),
            found.likelihood[view].reshape(shape[1:]),
        )
