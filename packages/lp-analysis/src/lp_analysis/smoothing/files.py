"""Tables of predictions, smoothed: what `litpose smooth` does."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from lp_analysis.errors import SmoothingError
from lp_analysis.smoothing.dynamics import Dynamics, Motion
from lp_analysis.smoothing.parameters import (
    Parameters,
    Sample,
    Search,
    find_parameters,
)
from lp_analysis.smoothing.projections import CameraViews, OneView, Projection
from lp_analysis.smoothing.smoother import Gate, Smoother
from lp_analysis.smoothing.source import Read, read_tables, sampled
from lp_analysis.smoothing.storage import parts
from lp_analysis.smoothing.views import fit_views
from lp_analysis.smoothing.writing import Outputs, Writing
from lp_core.geometry.cameras import Rig


@dataclass(frozen=True)
class SmoothingOptions:
    """How tables are smoothed.

    Attributes:
        dynamics: How keypoints move, see `lp_analysis.smoothing.dynamics.Dynamics`.
        smoothness: The q of all keypoints, the smaller the smoother: the variance of a step from
            frame to frame in px², or in squared world units with cameras. The noise is then taken
            as it is. None searches for the most likely q and scale of the noise of each keypoint.
        gate: Squared distance, in variances, from what all other observations predict, above which
            one is dropped; None drops none.
        max_gap: A keypoint has no position in longer gaps without an observation, in frames.
        least_noise: Standard deviation in px that the noise has at least.

    Raises:
        SmoothingError: A value is out of range.
    """

    dynamics: Dynamics = "position"
    smoothness: float | None = None
    gate: float | None = 20.0
    max_gap: int = 30
    least_noise: float = 0.1

    def __post_init__(self) -> None:
        if self.dynamics not in ("position", "velocity"):
            raise SmoothingError(
                f"there are no dynamics '{self.dynamics}'", remedy="known: position, velocity"
            )
        for name in ("smoothness", "gate", "least_noise"):
            value = getattr(self, name)
            if value is not None and not (np.isfinite(value) and value > 0):
                raise SmoothingError(f"{name} must be above 0, got {value:g}")
        if self.max_gap < 0:
            raise SmoothingError(f"max_gap must be at least 0, got {self.max_gap}")


class SmoothedKeypoint(NamedTuple):
    """What was chosen for a keypoint, and what became of its observations.

    Attributes:
        name: Its name, after that of its individual if there are several.
        smoothness: q.
        noise: Median standard deviation of its observations, px; NaN where it was never seen.
        seen: Its observations, of all views.
        gated: How many of them were dropped.
    """

    name: str
    smoothness: float
    noise: float
    seen: int
    gated: int


class SmoothedFiles(NamedTuple):
    """What was written.

    Attributes:
        paths: The tables, by view.
        frames: Rows of each.
        kind: What the noise is known from, in words.
        keypoints: One for each keypoint of each individual.
        points3d: The file of points in space, with cameras.
        untracked: Whether rows that belong to no individual were left out.
    """

    paths: dict[str, Path]
    frames: int
    kind: str
    keypoints: list[SmoothedKeypoint]
    points3d: Path | None
    untracked: bool

    @property
    def told(self) -> Iterator[str]:
        """It in lines."""
        yield f"{self.frames} frames; the noise is known from {self.kind}"
        for one in self.keypoints:
            chosen = f"smoothness {one.smoothness:.3g}, noise {one.noise:.2f} px"
            share = 100 * one.gated / max(one.seen, 1)
            yield f"{one.name}: {chosen}, {share:.2g} % of {one.seen} dropped"
        if self.untracked:
            yield "rows that belong to no individual are left out"
        for path in (*self.paths.values(), *filter(None, [self.points3d])):
            yield f"written: {path}"


def smooth_tables(
    tables: Mapping[str, Sequence[Path]],
    outputs: Outputs,
    options: SmoothingOptions | None = None,
    *,
    rig: Rig | None = None,
    mirrors: Sequence[str] = (),
) -> SmoothedFiles:
    """Smooth the predictions of a video, or of the videos of a session together.

    Rows are those of all frames up to the last, whatever order the tables had.

    Args:
        tables: By view, one table, or one of each member of an ensemble. One view may have any
            name.
        outputs: The files to write; none may be a file that is read.
        options: How.
        rig: The cameras of the views; without it, several views are taken for affine ones.
        mirrors: See `lp_analysis.smoothing.source.layout_of`.

    Raises:
        CameraError: The rig has no camera of a view.
        PoseError: A table cannot be read or written.
        SmoothingError: The tables do not go together, or a file would be overwritten that is read.
        TriangulationError: The keypoints of the tables differ, or none names an individual.
    """
    options = options or SmoothingOptions()
    _check_files(tables, outputs)
    if rig is not None and (mirrors or len(tables) < 2):
        raise SmoothingError("cameras need the tables of at least 2 views")
    cameras = None if rig is None else rig.subset([*tables])
    read = read_tables(tables, mirrors=mirrors, least_noise=options.least_noise)
    variance = sampled(read.observations.variance)
    sample, projection = _sample(read, variance, cameras)
    smoother, found = _smoothed(read, sample, projection, options)
    usual = _medians(variance)
    writing = Writing(read, smoother, projection, found, usual, options.max_gap)
    counts = writing.write(outputs, rig)
    smoother.close()
    noise = np.sqrt(np.maximum(usual * found.scale[:, None], read.observations.least))
    keypoints = [
        SmoothedKeypoint(
            name,
            float(found.noise[track]),
            float(np.median(noise[track])) if counts[0][track] else np.nan,
            int(counts[0][track]),
            int(counts[1][track]),
        )
        for track, name in enumerate(_names(read))
    ]
    paths, frames = dict(outputs.tables), read.observations.frames
    return SmoothedFiles(
        paths, frames, read.kind.value, keypoints, outputs.points3d, read.untracked
    )


def _sample(read: Read, variance: ndarray, cameras: Rig | None) -> tuple[Sample, Projection]:
    """The stretches that parameters are searched on, and how states are seen."""
    points = sampled(read.observations.points)
    projection = _projection(read, points, _names(read), cameras)
    return Sample(points, variance, projection), projection


def _smoothed(
    read: Read, sample: Sample, projection: Projection, options: SmoothingOptions
) -> tuple[Smoother, Parameters]:
    """The smoothed states, and the parameters that were found or given."""
    seen, usual_step = read.observations, sample.usual_step()
    given = None
    if options.smoothness is not None:
        given = np.full(seen.tracks, options.smoothness)
    found = find_parameters(sample, Search(options.dynamics, given, options.gate))
    seen.scale, seen.least = found.scale, options.least_noise**2
    noise = np.repeat(found.noise, projection.series)
    start = sample.start() if projection.curved else _start(read, projection)
    smoother = Smoother(seen, projection, Motion(options.dynamics, noise, *start))
    smoother.run(None if options.gate is None else Gate(options.gate, usual_step))
    return smoother, found


def _start(read: Read, projection: Projection) -> tuple[ndarray, ndarray]:
    """Mean and variance of the coordinates (p, X) in all frames; 0 and 1 without any."""
    seen = read.observations
    count = mean = squares = np.zeros((projection.coords, seen.tracks * projection.series))
    for frames in parts(seen.frames, 4 * seen.tracks * seen.views, 1):
        span = frames.start, frames.stop
        found = projection.places(seen.points.read(*span), seen.variance.read(*span))
        known = np.isfinite(found)
        own = known.sum(axis=1)
        centre = np.where(known, found, 0.0).sum(axis=1) / np.maximum(own, 1)
        off = np.where(known, found - centre[:, None], 0.0)
        shift, total = centre - mean, np.maximum(count + own, 1)
        squares = squares + (off * off).sum(axis=1) + shift**2 * count * own / total
        mean, count = mean + shift * own / total, count + own
    variance = squares / np.maximum(count, 1)
    return mean, np.where(variance > 0, variance, 1.0)


def _check_files(tables: Mapping[str, Sequence[Path]], outputs: Outputs) -> None:
    """Refuse to overwrite what is read."""
    sources = {path.resolve() for own in tables.values() for path in own}
    for path in outputs.paths:
        if path.resolve() in sources:
            raise SmoothingError(
                "a table cannot be smoothed into itself, since smoothing loses what it was",
                where=path,
                remedy="choose another name",
            )


def _names(read: Read) -> list[str]:
    """The names of the tracks."""
    parts_of = read.layout.parts
    if not read.individuals:
        return list(parts_of)
    return [f"{individual} {part}" for individual in read.individuals for part in parts_of]


def _projection(read: Read, points: ndarray, names: Sequence[str], rig: Rig | None) -> Projection:
    if rig is not None:
        return CameraViews(rig)
    if len(read.layout.views) == 1:
        return OneView()
    return fit_views(points.reshape(-1, *points.shape[2:]), names)


def _medians(variance: Float[ndarray, "stretches frames tracks views 2"]) -> ndarray:
    """(T, V) the usual variances; 0 without any."""
    flat = variance.mean(axis=-1).reshape(-1, *variance.shape[2:4])
    usual = np.zeros(flat.shape[1:])
    for track, view in np.ndindex(usual.shape):
        own = flat[:, track, view]
        usual[track, view] = np.median(own[np.isfinite(own)]) if np.isfinite(own).any() else 0.0
    return usual
