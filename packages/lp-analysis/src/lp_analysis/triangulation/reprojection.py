"""What points in space say that each view shows, hidden keypoints included."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from itertools import product
from pathlib import Path
from typing import NamedTuple, TextIO

import numpy as np
import torch
from jaxtyping import Float
from numpy import ndarray

from lp_core.atomic import atomic_text
from lp_core.errors import PoseError, unwritable_as
from lp_core.geometry.cameras import Rig, local_cameras
from lp_core.poses.columns import Content
from lp_core.poses.csv_writing import body_lines, header_lines
from lp_io.model_directory import TRIANGULATED

USUAL_RADIUS = 0.01
"""The radius that likelihoods of reprojected points are about, as a fraction of the diagonal of the
frame, where no other is given."""


class Reprojected(NamedTuple):
    """Points in space as the views show them.

    Attributes:
        points: (V, ..., 2) in frame px; NaN where there is no point, or the camera cannot see it.
        likelihood: (V, ...) the probability that the point lies within a radius of the truth; 0
            where it is NaN.
    """

    points: Float[ndarray, "views ... 2"]
    likelihood: Float[ndarray, "views ..."]


def reproject(
    rig: Rig,
    points: Float[ndarray, "*batch 3"],
    covariance: Float[ndarray, "*batch 3 3"],
    radius: float | None = None,
) -> Reprojected:
    """Project points in space to all views, with what their covariance says of the result.

    The likelihood is that of a normal distribution which is as wide in all directions of the image
    as the projected covariance is on average: 1 - exp(-r² / trace(J·Σ·Jᵀ)).

    Args:
        rig: V cameras.
        points: World units; NaN where there is none.
        covariance: Squared world units.
        radius: Frame px that the likelihood is about; None takes `USUAL_RADIUS` of each camera.
    """
    flat = torch.from_numpy(np.ascontiguousarray(points.reshape(-1, 3), dtype=np.float64))
    maps = local_cameras(rig, flat).numpy()
    J, seen = maps[..., :3], maps[..., 3]
    spread = np.einsum("vnij,njk,vnik->vn", J, covariance.reshape(-1, 3, 3), J)
    own = [radius or USUAL_RADIUS * float(np.hypot(*camera.size)) for camera in rig]
    with np.errstate(divide="ignore", invalid="ignore"):
        likelihood = -np.expm1(-(np.array(own)[:, None] ** 2) / spread)
    likelihood = np.nan_to_num(np.where(np.isfinite(seen).all(axis=-1), likelihood, 0.0))
    shape = (len(rig), *points.shape[:-1])
    return Reprojected(seen.reshape(*shape, 2), likelihood.reshape(shape))


class ReprojectedTable:
    """A table of the reprojected points of one view, with a row for each frame of its video.

    Args:
        file: Where it goes.
        keypoint_names: K names.
        individuals: Names of several animals; empty for one.
        frames: How many frames the video has.
        offset: Frame n of the session is frame n + offset of the video.
    """

    def __init__(
        self,
        file: TextIO,
        keypoint_names: Sequence[str],
        individuals: Sequence[str],
        frames: int,
        offset: int,
    ) -> None:
        coords, several = ("x", "y", Content.PREDICTIONS.value), (individuals,) * bool(individuals)
        self._columns = list(product((TRIANGULATED,), *several, keypoint_names, coords))
        self._shape = (max(len(individuals), 1), len(keypoint_names))
        self._file, self._frames, self._offset = file, frames, offset
        self._written = 0
        file.write(header_lines(self._columns))

    def write(
        self,
        first: int,
        points: Float[ndarray, "frames animals keypoints 2"],
        likelihood: Float[ndarray, "frames animals keypoints"],
    ) -> None:
        """Write consecutive frames of the session from ``first`` on, which follow those before."""
        numbers = first + self._offset + np.arange(len(points))
        shown = (numbers >= 0) & (numbers < self._frames)
        if shown.any():
            self._empty_to(int(numbers[shown][0]))
            values = np.concatenate([points, likelihood[..., None]], axis=-1)
            self._append(values[shown])

    def finish(self) -> None:
        """Write the frames that the session does not count, without any point."""
        self._empty_to(self._frames)

    def _empty_to(self, frame: int) -> None:
        values = np.full((max(frame - self._written, 0), *self._shape, 3), np.nan)
        values[..., 2] = 0.0
        self._append(values)

    def _append(self, values: Float[ndarray, "frames animals keypoints 3"]) -> None:
        numbers = range(self._written, self._written + len(values))
        flat = values.reshape(len(values), len(self._columns)).astype(np.float32)
        lines = body_lines(map(str, numbers), self._columns, flat)
        self._file.writelines(f"{line}\n" for line in lines)
        self._written += len(values)


@contextmanager
def reprojected_tables(
    paths: Mapping[str, Path],
    keypoint_names: Sequence[str],
    individuals: Sequence[str],
    frames: Mapping[str, int],
    offsets: Mapping[str, int],
) -> Iterator[dict[str, ReprojectedTable]]:
    """The tables of some views, which take their names when all of them are complete.

    Args:
        paths: By view the file.
        keypoint_names: K names.
        individuals: Names of several animals; empty for one.
        frames: By view how many frames its video has.
        offsets: By view how many frames later its video shows a moment; 0 where left out.

    Raises:
        PoseError: A file cannot be written.
    """
    with ExitStack() as stack:
        tables = {}
        for view, path in paths.items():
            stack.enter_context(unwritable_as(PoseError, "the reprojected points", path))
            file = stack.enter_context(atomic_text(path))
            shift = offsets.get(view, 0)
            tables[view] = ReprojectedTable(file, keypoint_names, individuals, frames[view], shift)
        yield tables
        for table in tables.values():
            table.finish()
