"""Poses as a dense grid of frames and individuals, which wide tables and datasets hold."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from jaxtyping import Float, Int
from numpy import ndarray

from lp_core.errors import PoseError, suggestion
from lp_core.poses.skeleton import Skeleton
from lp_core.poses.table import Frames, PoseTable, taken

SINGLE = "single"
"""DeepLabCut's name for keypoints that exist once in the scene, such as the corners of a box.

They are not animals of their own, and belong to whichever animal is taken.
"""

_UNTRACKED = "untracked_"
_UNTRACKED_NAME = re.compile(r"untracked_\d+", re.ASCII)


@dataclass(frozen=True, eq=False)
class PoseGrid:
    """F frames of A individuals of K keypoints.

    Attributes:
        skeleton: The K keypoints.
        frame: F image paths or frame numbers, each once.
        individual: A names; rows without a track have made-up ones, ``untracked_0`` and so on. None
            where the table names no individuals, and A is 1.
        values: (F, A, K, C): the coordinates x, y (and z), then the visibility or the confidence
            where there is one (``with_third``); NaN where there is no row.
        split, read_from: F names of splits, and F places for messages.
        variances: (F, A, K, 2) of x and y, where they are stated.
    """

    skeleton: Skeleton
    frame: Frames
    individual: tuple[str, ...] | None
    values: Float[ndarray, "frames individuals keypoints values"]
    with_third: bool
    split: tuple[str, ...] | None = None
    read_from: tuple[str, ...] | None = None
    variances: Float[ndarray, "frames individuals keypoints 2"] | None = None

    def of_individual(self, wanted: str | None) -> PoseGrid:
        """Only one individual, with the keypoints that exist once in the scene.

        Raises:
            PoseError: See `chosen_individual`.
        """
        if self.individual is None:
            refuse_wish(wanted)
            return self
        chosen = chosen_individual(self.individual, wanted)
        values = self.values[:, [self.individual.index(chosen)]]
        if SINGLE in self.individual and chosen != SINGLE:
            scene = self.values[:, [self.individual.index(SINGLE)]]
            values = np.where(~np.isnan(scene).all(axis=(0, 1, 3))[:, None], scene, values)
        return replace(self, individual=None, values=values)


def grid_of(table: PoseTable, third: str | None = "confidence") -> PoseGrid:
    """The rows of a table of one camera, placed by their frame and individual.

    Args:
        table: The poses.
        third: ``confidence``, ``visibility``, or None for the coordinates alone.

    Raises:
        PoseError: Two rows are of the same individual in the same frame.
    """
    extra = None if third is None else getattr(table, third)
    parts = [table.points] if extra is None else [table.points, extra[..., None]]
    kind = np.result_type(*(p for p in parts if p.dtype.kind == "f"))
    values = np.concatenate(parts, axis=-1, dtype=kind)
    if table.individual is None:
        return PoseGrid(
            table.skeleton, table.frame, None, values[:, None], extra is not None, table.split
        )
    rows_of: dict[Any, Int[ndarray, " some"]] = dict(table.by_frame())
    slots = _slots(table, rows_of)
    names = tuple(dict.fromkeys(slot for slot in slots if slot is not None)) or (f"{_UNTRACKED}0",)
    number = {name: place for place, name in enumerate(names)}
    grid = np.full((len(rows_of), len(names), *values.shape[1:]), np.nan, kind)
    for place, (frame, rows) in enumerate(rows_of.items()):
        found = [row for row in rows.tolist() if slots[row] is not None]
        if len({slots[row] for row in found}) < len(found):
            raise PoseError(f"an individual has two rows in frame {frame}")
        for row in found:
            grid[place, number[str(slots[row])]] = values[row]
    firsts = np.array([rows[0] for rows in rows_of.values()], dtype=np.int64)
    split = taken(table.split, firsts)
    return PoseGrid(table.skeleton, tuple(rows_of), names, grid, extra is not None, split)


def is_untracked(name: str) -> bool:
    """Whether a name stands for animals without a track, in files in which all have a name."""
    return _UNTRACKED_NAME.fullmatch(name) is not None


def _slots(table: PoseTable, rows_of: dict[Any, Any]) -> list[str | None]:
    """For each row the name of its place; None for the row of a frame without any animal."""
    names = list(table.individual or ())
    for name in names:
        if name is not None and is_untracked(name):
            raise PoseError(
                f"the individual '{name}' has a name that stands for animals without a track",
                remedy="give it another name",
            )
    empty = np.isnan(table.points).all(axis=(1, 2))
    if table.confidence is not None:
        empty &= np.isnan(table.confidence).all(axis=1)
    if table.visibility is not None:
        empty &= (table.visibility == 0).all(axis=1)
    slots: list[str | None] = names
    for rows in rows_of.values():
        untracked = [row for row in rows.tolist() if names[row] is None]
        for place, row in enumerate(untracked):
            slots[row] = f"{_UNTRACKED}{place}"
        if len(rows) == 1 and untracked and empty[rows[0]]:
            slots[rows[0]] = None
    return slots


def table_of(grid: PoseGrid, third: str = "confidence", *, scorer: str) -> PoseTable:
    """The rows of a grid whose last values are a ``confidence`` or a ``visibility``.

    An individual has none in the frames in which all its values are missing; a grid that names no
    individuals has a row for each frame.
    """
    individual: tuple[str | None, ...] | None = None
    if grid.individual is None:
        place, values = np.arange(len(grid.frame)), grid.values[:, 0]
        slot = np.zeros(len(place), dtype=np.int64)
    else:
        place, slot = _rows(grid.values)
        values = np.where((slot < 0)[:, None, None], np.nan, grid.values[place, slot])
        values = values.astype(grid.values.dtype, copy=False)
        names = [None if is_untracked(name) else name for name in grid.individual]
        individual = tuple(None if number < 0 else names[number] for number in slot.tolist())
        if not any(individual) and len(np.unique(place)) == len(place):
            individual = None
    last = np.ascontiguousarray(values[..., -1]) if grid.with_third else None
    stated = last is not None and third == "visibility"
    return PoseTable(
        grid.skeleton,
        np.ascontiguousarray(values[..., :-1] if grid.with_third else values),
        taken(grid.frame, place),
        individual=individual,
        visibility=np.nan_to_num(values[..., -1]).astype(np.int8) if stated else None,
        confidence=None if stated else last,
        covariance=None if grid.variances is None else _diagonal(grid.variances, place, slot),
        split=taken(grid.split, place),
        scorer=scorer,
        read_from=taken(grid.read_from, place),
    )


def _diagonal(
    variances: Float[ndarray, "F A K 2"], place: Int[ndarray, " rows"], slot: Int[ndarray, " rows"]
) -> Float[ndarray, "rows K 2 2"]:
    """Covariances of the rows from the variances of their coordinates."""
    own = np.where((slot < 0)[:, None, None], np.nan, variances[place, slot])
    covariance = np.zeros((*own.shape, own.shape[-1]))
    for axis in range(own.shape[-1]):
        covariance[..., axis, axis] = own[..., axis]
    return covariance


def _rows(
    values: Float[ndarray, "F A K C"],
) -> tuple[Int[ndarray, " rows"], Int[ndarray, " rows"]]:
    """The frame and the individual of each row, -1 in a frame without any."""
    present = ~np.isnan(values).all(axis=(2, 3))
    place, slot = present.nonzero()
    empty = np.flatnonzero(~present.any(axis=1))
    place, slot = np.concatenate([place, empty]), np.concatenate([slot, np.full(len(empty), -1)])
    order = np.argsort(place, kind="stable")
    return place[order], slot[order]


def chosen_individual(names: Sequence[str], wanted: str | None) -> str:
    """The one of the individuals to take for a tracker of one animal; None takes the only one.

    Raises:
        PoseError: No individual has that name, or there are several and none is wanted.
    """
    if wanted is not None:
        if wanted not in names:
            raise unknown_individual(wanted, names)
        return wanted
    animals = [name for name in names if name != SINGLE] or list(names)
    if len(animals) > 1:
        listing = ", ".join(map(named, animals))
        raise PoseError(
            f"the file holds {len(animals)} animals: {listing}; one is taken here",
            remedy=f"choose one with litpose convert --individual: {listing}",
        )
    return animals[0]


def named(name: str) -> str:
    """A name for a message."""
    return name or "(without a name)"


def refuse_wish(wanted: str | None) -> None:
    """Refuse the wish for an individual in a table that names none."""
    if wanted is not None:
        raise unknown_individual(wanted, ())


def unknown_individual(wanted: str, names: Sequence[str]) -> PoseError:
    """The error that no animal is named ``wanted``, with the names that there are."""
    if not names:
        return PoseError(
            f"no animal is named '{wanted}': the file names no animals",
            remedy="leave --individual out",
        )
    return PoseError(
        f"no animal is named '{wanted}'",
        remedy=suggestion(wanted, names, f"there are: {', '.join(map(named, names))}"),
    )
