"""Write points in space in any format."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import numpy as np

from lp_core.atomic import atomic_text, atomic_write
from lp_core.errors import PoseError, unwritable_as
from lp_core.poses import concatenate
from lp_core.poses.columns import LEVELS, LEVELS_OF_SEVERAL
from lp_core.poses.grid import grid_of
from lp_core.poses.interchange import to_xarray
from lp_io.errors import require
from lp_io.points3d.content import COVARIANCE, ENTRIES, WORDS, Points3D, columns_of, wide_of
from lp_io.points3d.csv_file import CsvWriter

ENDINGS = (".csv", ".parquet", ".nc")
"""The endings of files of points in space: CSV, Parquet with the same columns, and movement."""


@runtime_checkable
class Points3DWriter(Protocol):
    """Takes points in space part by part."""

    def write(self, points: Points3D) -> None:
        """Add all rows of some frames, which no part before had."""


class _Collected:
    """Keeps the parts of a format that is written at once."""

    def __init__(self) -> None:
        self.parts: list[Points3D] = []

    def write(self, points: Points3D) -> None:
        """Keep a part."""
        self.parts.append(points)

    def joined(self) -> Points3D:
        """All parts as one.

        Raises:
            PoseError: There is none.
        """
        first = self.parts[0] if self.parts else None
        if first is None:
            raise PoseError("there are no points in space to write")
        error, views = (
            None
            if getattr(first, name) is None
            else np.concatenate([getattr(part, name) for part in self.parts])
            for name in ("error", "views")
        )
        table = concatenate([part.table for part in self.parts])
        return replace(first, table=table, error=error, views=views)


def _write_parquet(points: Points3D, path: Path, individuals: Sequence[str]) -> None:
    """A pandas frame with the columns of the CSV file."""
    require("pyarrow", "parquet")
    pandas = require("pandas", "parquet")
    frames, values = wide_of(points, individuals)
    names = LEVELS_OF_SEVERAL if individuals else LEVELS
    columns = pandas.MultiIndex.from_tuples(columns_of(points, individuals), names=names)
    pandas.DataFrame(values, index=list(frames), columns=columns).to_parquet(path)


def _write_movement(points: Points3D, path: Path, fps: float | None) -> None:
    """Movement's dataset, with the variables error, views and covariance besides."""
    require("xarray", "movement"), require("h5netcdf", "movement")
    dataset = to_xarray(points.table, fps=fps)
    dataset.attrs["space_unit"] = points.unit
    along = ("time", "keypoint", "individual")
    for name in ("error", "views"):
        values = getattr(points, name)
        if values is not None:
            dataset[name] = (along, _on_grid(points, values).transpose(0, 2, 1))
    covariance = points.table.covariance
    if covariance is not None:
        parts = [_on_grid(points, covariance[..., i, j]) for i, j in ENTRIES]
        dataset["covariance"] = (("entry", *along), np.stack(parts).transpose(0, 1, 3, 2))
        dataset = dataset.assign_coords(entry=np.array(COVARIANCE, dtype=object))
    dataset.to_netcdf(path, engine="h5netcdf")


def _on_grid(points: Points3D, values: Any) -> Any:
    """(R, K) values as (frames, individuals, K), placed as the points are."""
    return grid_of(replace(points.table, confidence=values)).values[..., -1]


@contextmanager
def points3d_writer(
    path: Path, individuals: Sequence[str] = (), *, fps: float | None = None
) -> Iterator[Points3DWriter]:
    """A file of points in space, which takes its name when it is complete.

    CSV is written as the parts come. Parquet, with the columns of the CSV, and movement's NetCDF
    are written at the end, from all parts in memory.

    Args:
        path: The file, ``.csv``, ``.parquet`` or ``.nc``; an existing one is replaced.
        individuals: Names of the animals; empty where rows name none.
        fps: Frames per second, so that movement's times are in seconds.

    Raises:
        PoseError: It cannot be written, or its ending is another.
        MissingExtraError: The library of the format is not installed.
    """
    if path.suffix not in ENDINGS:
        raise PoseError(
            f"'{path.suffix}' is not the ending of a {WORDS}",
            where=path,
            remedy=f"known: {', '.join(ENDINGS)}",
        )
    with unwritable_as(PoseError, f"the {WORDS}", path):
        if path.suffix == ".csv":
            with atomic_text(path) as file:
                yield CsvWriter(file, individuals)
            return
        collected = _Collected()
        yield collected
        with atomic_write(path) as temporary:
            if path.suffix == ".parquet":
                _write_parquet(collected.joined(), temporary, individuals)
            else:
                _write_movement(collected.joined(), temporary, fps)


def write_points3d(points: Points3D, path: Path, *, fps: float | None = None) -> None:
    """Write points in space at once; see `points3d_writer`.

    Raises:
        PoseError: It cannot be written, or two rows of a frame are of the same individual.
        MissingExtraError: The library of the format is not installed.
    """
    names = dict.fromkeys(name for name in points.table.individual or () if name is not None)
    with points3d_writer(path, tuple(names), fps=fps) as writer:
        writer.write(points)
