"""Write smoothed tables, what lies beside them, and points in space, part by part."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float
from numpy import ndarray

from lp_analysis.metrics.metric_files import MetricRows, metric_file, metric_path
from lp_analysis.smoothing.parameters import Parameters
from lp_analysis.smoothing.projections import Projection
from lp_analysis.smoothing.smoother import Smoother
from lp_analysis.smoothing.source import Read
from lp_analysis.smoothing.storage import FrameArray, parts
from lp_core.geometry.cameras import Rig
from lp_core.poses import PoseTable, Skeleton
from lp_core.poses.columns import SMOOTHED
from lp_io.points3d import Points3D, points3d_writer
from lp_io.points3d.writing import Points3DWriter
from lp_io.predictions.smoothed import PLAIN, Append, smoothed_writer

SCORER = "lp_smoother"


@dataclass(frozen=True)
class Outputs:
    """Which files to write.

    Attributes:
        tables: A CSV file for each view; for one with mirrors, of the one table.
        nine_columns: Write the layout of ensemble-kalman-smoother, with the variances. Otherwise a
            table is like any of predictions, and ``<stem>_posterior_sd.csv`` beside it has the
            standard deviation of each position, the root mean square of x and y.
        points3d: A file of points in space, if there are cameras.
    """

    tables: Mapping[str, Path]
    nine_columns: bool = False
    points3d: Path | None = None

    @classmethod
    def of(
        cls,
        tables: Mapping[str, Sequence[Path]],
        output: Path | None = None,
        *,
        nine_columns: bool = False,
        space: bool = False,
    ) -> Outputs:
        """The usual names: ``<table>_smoothed.csv`` and ``smoothed_points3d.csv``.

        Args:
            tables: By view, what is read.
            output: The file of one view, or the folder of several; None writes next to the tables.
            nine_columns: See the attribute.
            space: Whether there are cameras.
        """
        folders = {
            view: own[0].parent if output is None else output for view, own in tables.items()
        }
        names = {
            view: folders[view] / f"{own[0].stem}_smoothed.csv" for view, own in tables.items()
        }
        if output is not None and len(tables) == 1:
            return cls(dict.fromkeys(tables, output), nine_columns)
        first = next(iter(names.values()))
        return cls(names, nine_columns, first.with_name("smoothed_points3d.csv") if space else None)

    @property
    def paths(self) -> list[Path]:
        """All files that are named."""
        return [*self.tables.values(), *filter(None, [self.points3d])]


def near_observations(observed: FrameArray, max_gap: int) -> FrameArray:
    """Whether each frame has an observation, or lies in a gap that is not too long.

    Args:
        observed: (F, T) bool.
        max_gap: Frames without an observation.

    Returns:
        (F, T) bool; False before the first observation and after the last.
    """
    frames, (tracks,) = observed.frames, observed.shape
    last = np.full(tracks, -np.inf)
    before = FrameArray(frames, (tracks,))
    spans = [*parts(frames, tracks, 1)]
    for span in spans:
        here = observed.read(span.start, span.stop)
        numbers = np.array(span)[:, None]
        seen = np.maximum.accumulate(np.vstack([last, np.where(here, numbers, -np.inf)]))[1:]
        before.write(span.start, seen)
        last = seen[-1]
    near, following = FrameArray(frames, (tracks,), bool, False), np.full(tracks, np.inf)
    for span in reversed(spans):
        here = observed.read(span.start, span.stop)
        numbers = np.array(span)[:, None]
        later = np.where(here, numbers, np.inf)[::-1]
        later = np.minimum.accumulate(np.vstack([following, later]))[1:][::-1]
        near.write(span.start, later - before.read(span.start, span.stop) <= max_gap + 1)
        following = later[0]
    before.close()
    return near


class _Part(NamedTuple):
    """Frames as they are written, (F, T, V, ...)."""

    points: ndarray
    confidence: ndarray
    given: ndarray
    noise: ndarray
    posterior: ndarray


class Writing:
    """Writes what was smoothed.

    Args:
        read: What was read.
        smoother: The smoothed states.
        projection: How they are seen.
        found: The parameters.
        usual: (T, V) the usual variance of the observations, before its scale.
        max_gap: See `lp_analysis.smoothing.files.SmoothingOptions`.
    """

    def __init__(
        self,
        read: Read,
        smoother: Smoother,
        projection: Projection,
        found: Parameters,
        usual: Float[ndarray, "tracks views"],
        max_gap: int,
    ) -> None:
        self._read, self._smoother, self._projection = read, smoother, projection
        self._usual, self._found, self._max_gap = usual, found, max_gap

    def write(self, outputs: Outputs, rig: Rig | None) -> tuple[ndarray, ndarray]:
        """Write all files; (T,) how many observations each track has, and how many were dropped."""
        seen = self._read.observations
        near, counts = self._near()
        with ExitStack() as stack:
            tables = [
                stack.enter_context(self._table(path, nine_columns=outputs.nine_columns))
                for path in outputs.tables.values()
            ]
            space = None
            if rig is not None and outputs.points3d is not None:
                space = stack.enter_context(
                    points3d_writer(outputs.points3d, self._read.individuals)
                )
            for frames in parts(seen.frames, 8 * seen.tracks * seen.views, 1):
                shown = near.read(frames.start, frames.stop)
                part = self._part(frames, shown)
                for number, table in enumerate(tables):
                    table(frames, part, number)
                if space is not None and rig is not None:
                    self._space(space, frames, shown, rig.unit)
        near.close()
        return counts

    def _near(self) -> tuple[FrameArray, tuple[ndarray, ndarray]]:
        """Which tracks have a position in each frame, and the counts of `write`."""
        seen = self._read.observations
        observed = FrameArray(seen.frames, (seen.tracks,), bool, False)
        total, dropped = np.zeros(seen.tracks, int), np.zeros(seen.tracks, int)
        for frames in parts(seen.frames, 2 * seen.tracks * seen.views, 1):
            span = frames.start, frames.stop
            known = np.isfinite(seen.points.read(*span)).all(axis=-1)
            known &= np.isfinite(seen.variance.read(*span)).all(axis=-1)
            gated = seen.gated.read(*span) & known
            total, dropped = total + known.sum(axis=(0, 2)), dropped + gated.sum(axis=(0, 2))
            observed.write(frames.start, (known & ~gated).any(axis=-1))
        near = near_observations(observed, self._max_gap)
        observed.close()
        return near, (total, dropped)

    def _part(self, frames: range, shown: Bool[ndarray, "frames tracks"]) -> _Part:
        seen, span = self._read.observations, (frames.start, frames.stop)
        points, spread = self._projection.seen(self._smoother.states(*span))
        wide = self._found.widening[:, None, None]
        posterior = wide * np.diagonal(spread, axis1=-2, axis2=-1) + self._lasting(span)
        hidden = ~shown[..., None, None]
        given = seen.points.read(*span)
        filled = shown[..., None] & np.isnan(given).any(axis=-1)
        return _Part(
            np.where(hidden, np.nan, points),
            np.where(filled, 0.0, self._read.confidence.read(*span)),
            given,
            seen.noise(*span),
            np.where(hidden, np.nan, posterior),
        )

    def _lasting(self, span: tuple[int, int]) -> ndarray:
        """The variance of what does not change from frame to frame, and is not averaged out.

        Where the error of observations is known in px, and the search finds less of it between
        frames, the rest is taken to be the same in neighbouring frames.
        """
        rest = np.maximum(1 - self._found.scale, 0.0)[:, None, None]
        if not self._read.kind.absolute:
            return np.zeros(())
        variance = self._read.observations.variance.read(*span)
        return rest * np.where(np.isfinite(variance), variance, self._usual[..., None])

    @contextmanager
    def _table(self, path: Path, *, nine_columns: bool) -> Iterator[_TableWriter]:
        read = self._read
        coords = SMOOTHED if nine_columns else PLAIN
        names = _column_names(read)
        with ExitStack() as stack:
            append = stack.enter_context(
                smoothed_writer(
                    path, read.keypoint_names, read.individuals, scorer=SCORER, coords=coords
                )
            )
            deviations = None
            if not nine_columns:
                deviations = stack.enter_context(
                    metric_file(metric_path(path, "posterior_sd"), names)
                )
            yield _TableWriter(read, append, deviations)

    def _space(
        self,
        writer: Points3DWriter,
        frames: range,
        shown: Bool[ndarray, "frames tracks"],
        unit: str,
    ) -> None:
        """Write points in space."""
        read, span = self._read, (frames.start, frames.stop)
        states = self._smoother.states(*span)
        points, _ = read.observations.believed(*span)
        K = len(read.layout.parts)
        rows = len(frames) * max(len(read.individuals), 1)
        expected, _ = self._projection.seen(states)
        off = np.linalg.norm(points - expected, axis=-1)
        count = np.isfinite(off).sum(axis=-1)
        error = np.where(np.isfinite(off), off, 0.0).sum(axis=-1) / np.maximum(count, 1)
        place = np.where(shown[..., None], states.mean[:3].transpose(1, 2, 0), np.nan)
        covariance = states.covariance[:3, :3].transpose(2, 3, 0, 1)
        covariance = self._found.widening[:, None, None] * covariance
        covariance = np.where(shown[..., None, None], covariance, np.nan)
        table = PoseTable(
            Skeleton(read.keypoint_names),
            place.reshape(rows, K, 3),
            tuple(frame for frame in frames for _ in range(rows // len(frames))),
            individual=read.individuals * len(frames) or None,
            covariance=covariance.reshape(rows, K, 3, 3),
            scorer=SCORER,
        )
        error = np.where(shown & (count > 0), error, np.nan).reshape(rows, K)
        writer.write(Points3D(table, error, count.reshape(rows, K).astype(float), unit))


def _column_names(read: Read) -> tuple[str, ...]:
    if not read.individuals:
        return read.keypoint_names
    return tuple(f"{one} {name}" for one in read.individuals for name in read.keypoint_names)


class _TableWriter:
    """Writes the table of a view, and what lies beside it."""

    def __init__(self, read: Read, append: Append, deviations: MetricRows | None) -> None:
        self._read, self._append, self._deviations = read, append, deviations

    def __call__(self, frames: range, part: _Part, table: int) -> None:
        read = self._read
        points, confidence, given, noise, posterior = (
            read.layout.put_back(values, table, len(read.keypoint_names)) for values in part
        )
        first = [points, confidence[..., None]]
        if self._deviations is None:
            first += [given, noise, posterior]
        else:
            deviation = np.sqrt(posterior.mean(axis=-1))
            self._deviations.append(deviation.reshape(len(frames), -1))
        self._append(frames, np.concatenate(first, axis=-1))
