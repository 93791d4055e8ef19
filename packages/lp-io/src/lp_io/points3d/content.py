"""What a file of points in space holds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from lp_core.errors import PoseError
from lp_core.poses import PoseTable
from lp_core.poses.table import Frames, taken

SPACE = ("x", "y", "z")
LIKELIHOOD = "likelihood"
QUALITY = ("error", "views")
COVARIANCE = ("xx", "xy", "xz", "yy", "yz", "zz")
ENTRIES = tuple((SPACE.index(name[0]), SPACE.index(name[1])) for name in COVARIANCE)
WORDS = "file of points in space"


@dataclass(frozen=True, eq=False)
class Points3D:
    """Poses in space, and how well the cameras agree on them.

    Attributes:
        table: R rows of K keypoints, points (R, K, 3) in world units, perhaps with confidences and
            covariances.
        error: (R, K) mean distance in frame px between what the cameras saw and the point that is
            projected back; NaN where there is no point.
        views: (R, K) number of cameras that saw the point.
        unit: What world units are, such as ``mm``; empty where it is not known.
    """

    table: PoseTable
    error: Float[ndarray, "rows keypoints"] | None = None
    views: Float[ndarray, "rows keypoints"] | None = None
    unit: str = ""

    @property
    def coords(self) -> tuple[str, ...]:
        """Names of the coordinates that its file has."""
        quality = [name for name in QUALITY if getattr(self, name) is not None]
        covariance = () if self.table.covariance is None else COVARIANCE
        likelihood = () if self.table.confidence is None else (LIKELIHOOD,)
        return (*SPACE, *likelihood, *quality, *covariance)

    def values(self) -> Float[ndarray, "rows keypoints coords"]:
        """All coordinates, in the order of `coords`."""
        parts = [self.table.points]
        single = (self.table.confidence, self.error, self.views)
        parts += [each[..., None] for each in single if each is not None]
        if self.table.covariance is not None:
            first, second = zip(*ENTRIES, strict=True)
            parts.append(self.table.covariance[..., list(first), list(second)])
        return np.concatenate(parts, axis=-1)


Column = tuple[str, ...]


def columns_of(points: Points3D, individuals: Sequence[str]) -> list[Column]:
    """The names of the columns: scorer, individual if there are several, keypoint, coordinate."""
    table = points.table
    several = (individuals,) if individuals else ()
    return list(product((table.scorer,), *several, table.keypoint_names, points.coords))


def wide_of(
    points: Points3D, individuals: Sequence[str]
) -> tuple[Frames, Float[ndarray, "frames columns"]]:
    """One row for each frame, with the values of all individuals.

    Raises:
        PoseError: A row is of none of the individuals, or two rows of a frame are of one.
    """
    table, values = points.table, points.values()
    if not individuals:
        if len(set(table.frame)) < len(table):
            raise PoseError("a frame has several rows, which name no individuals")
        return table.frame, values.reshape(len(values), -1)
    places = {name: place for place, name in enumerate(individuals)}
    rows_of = list(table.by_frame())
    grid = np.full((len(rows_of), len(individuals), *values.shape[1:]), np.nan)
    filled = np.zeros(grid.shape[:2], bool)
    for place, (frame, rows) in enumerate(rows_of):
        for row in rows.tolist():
            name = (table.individual or ())[row] or ""
            if name not in places:
                raise PoseError(f"frame {frame}: '{name}' is not one of the individuals")
            if filled[place, places[name]]:
                raise PoseError(f"frame {frame}: '{name}' has two rows")
            grid[place, places[name]], filled[place, places[name]] = values[row], True
    firsts = [int(rows[0]) for _, rows in rows_of]
    return taken(table.frame, np.array(firsts, dtype=np.int64)), grid.reshape(len(grid), -1)
