"""DeepLabCut's wide layout: a column for each scorer, individual, keypoint and coordinate.

CSV, HDF5, Parquet and pandas frames hold it alike. Labels have the coordinates ``x``, ``y`` and
perhaps ``visible``, predictions ``x``, ``y`` and ``likelihood``. Smoothed predictions may also have
those of ensemble-kalman-smoother: what it was given, and the variances before and after.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import Enum
from itertools import product
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int
from numpy import ndarray

from lp_core.errors import PoseError
from lp_core.poses.grid import (
    SINGLE,
    PoseGrid,
    chosen_individual,
    grid_of,
    refuse_wish,
    table_of,
)
from lp_core.poses.skeleton import Skeleton
from lp_core.poses.table import Frames, PoseTable, Visibility

LEVELS = ("scorer", "bodyparts", "coords")
LEVELS_OF_SEVERAL = ("scorer", "individuals", "bodyparts", "coords")


ENSEMBLE = ("x_ens_median", "y_ens_median")
ENSEMBLE_VARIANCE = ("x_ens_var", "y_ens_var")
POSTERIOR_VARIANCE = ("x_posterior_var", "y_posterior_var")
SMOOTHED = ("x", "y", "likelihood", *ENSEMBLE, *ENSEMBLE_VARIANCE, *POSTERIOR_VARIANCE)
"""The coordinates of smoothed predictions in the layout of ensemble-kalman-smoother: the smoothed
position, the median of the members of an ensemble, their variance, and that of the smoothed
position."""


class Content(Enum):
    """What a file of poses holds: the coordinate that it may have beyond x and y."""

    LABELS = "visible"
    PREDICTIONS = "likelihood"

    @property
    def words(self) -> str:
        """What such a file is called in messages."""
        return "label file" if self is Content.LABELS else "table of predictions"

    @property
    def field(self) -> str:
        """The attribute of `PoseTable` that the coordinate becomes."""
        return "visibility" if self is Content.LABELS else "confidence"


class Animals(NamedTuple):
    """Which of the individuals of a wide table are taken.

    Attributes:
        wanted: The name of one; None takes the only one. Keypoints that exist once in the scene,
            DeepLabCut's individual ``single``, belong to whichever is taken.
        several: Take all of them, each with rows of its own.
        scorer: Whose columns are taken; None takes those of the only scorer.
        ensemble: Of smoothed predictions, take what was smoothed: the medians of an ensemble, and
            their variances.
    """

    wanted: str | None = None
    several: bool = False
    scorer: str | None = None
    ensemble: bool = False


ONE_ANIMAL = Animals()


Places = Callable[[str, int], str | None]
"""Tells the place of one level of a column's name, for messages; None where that is not known."""


@dataclass(frozen=True, eq=False)
class WideLayout:
    """Where the numbers of each individual's keypoints are.

    Attributes:
        skeleton: K keypoints, in the order in which columns first name them.
        scorer: Who labelled or predicted.
        individual: A names; None where the columns have no such level, and A is 1.
        columns: (A, K, 2 or 3) the columns of x, y and, where any has it, visible or likelihood;
            -1 where there is none.
        content: What the third coordinate is.
        variances: (A, K, 2) the columns of the variances of x and y; None where there are none.
    """

    skeleton: Skeleton
    scorer: str
    individual: tuple[str, ...] | None
    columns: Int[ndarray, "individuals keypoints coords"]
    content: Content
    variances: Int[ndarray, "individuals keypoints 2"] | None = None

    def table(
        self,
        values: Float[ndarray, "rows columns"],
        frame: Frames,
        split: tuple[str, ...] | None = None,
        *,
        read_from: tuple[str, ...] | None = None,
    ) -> PoseTable:
        """The poses in a block of numbers with these columns.

        Of labels, a position with one coordinate, or that is stated as not labelled, is dropped.
        """
        if (self.columns < 0).any() or self.variances is not None:
            nothing = np.full((len(values), 1), np.nan, values.dtype)
            values = np.concatenate([values, nothing], axis=1)
        grid = values[:, self.columns]
        if self.content is Content.LABELS:
            _clean_labels(grid)
        variances = None if self.variances is None else values[:, self.variances]
        poses = PoseGrid(
            self.skeleton,
            frame,
            self.individual,
            grid,
            self.with_third,
            split,
            read_from,
            variances,
        )
        return table_of(poses, self.content.field, scorer=self.scorer)

    @property
    def with_third(self) -> bool:
        """Whether there is a visibility or a likelihood."""
        return self.columns.shape[-1] > 2


def _clean_labels(grid: Float[ndarray, "F A K C"]) -> None:
    """Make labels agree with their visibility, in place."""
    half = np.isnan(grid[..., :2]).any(axis=-1)
    if grid.shape[-1] > 2:
        codes = grid[..., 2]
        codes[np.isnan(codes) & ~half] = Visibility.VISIBLE
        half |= codes == Visibility.UNLABELED  # COCO writes x = y = 0 there
    grid[half, :2] = np.nan


def parse_columns(
    columns: Sequence[tuple[str, ...]],
    content: Content | None,
    animals: Animals = ONE_ANIMAL,
    place: Places = lambda level, column: None,
    numbers: Sequence[int] = range(1, 1 << 31),
) -> WideLayout:
    """The layout that the names of columns tell.

    Args:
        columns: C times (scorer, keypoint, coordinate), or (scorer, individual, keypoint,
            coordinate).
        content: What the table should hold; None where it may be either.
        animals: Which individuals to take.
        place: Tells the place of a problem in the file.
        numbers: What messages call the columns.

    Raises:
        PoseError: There is no column, a name is missing or occurs twice, a coordinate is unknown or
            missing, there are several scorers, or several animals of which none is chosen.
    """
    if not columns or {len(names) for names in columns} not in ({3}, {4}):
        raise PoseError("the columns are not named by scorer, keypoint and coordinate")
    content = content or _content(columns)
    kept = _of_animals(columns, _of_scorer(columns, animals, place), content, animals, place)
    several = animals.several and len(columns[0]) == 4
    found: dict[str, dict[str, dict[str, int]]] = {}
    for column in kept:
        name, coord = columns[column][-2], columns[column][-1].lower()
        if not name:
            raise PoseError("a column has no keypoint name", where=place("bodyparts", column))
        _check_coord(coord, content, place("coords", column))
        owner = columns[column][1] if several else ""
        earlier = found.setdefault(owner, {}).setdefault(name, {}).setdefault(coord, column)
        if earlier != column:
            of = f" of the individual '{owner}'" if owner else ""
            each = "individual" if owner else "keypoint"
            raise PoseError(
                f"the keypoint '{name}'{of} has two columns '{coord}': {numbers[earlier]} "
                f"and {numbers[column]}",
                where=place("bodyparts", column),
                remedy=f"give every {each} a name of its own",
            )
    names = tuple(dict.fromkeys(columns[column][-2] for column in kept))
    has_third = _check_complete(found, content, place)
    third = (content.value,) if has_third else ()
    stated = {coord for keypoints in found.values() for own in keypoints.values() for coord in own}
    place_of = ENSEMBLE if animals.ensemble and {*ENSEMBLE} <= stated else ("x", "y")
    variance = ENSEMBLE_VARIANCE if animals.ensemble else POSTERIOR_VARIANCE
    return WideLayout(
        Skeleton(names),
        columns[kept[0]][0],
        tuple(found) if several else None,
        _places_of(found, names, (*place_of, *third)),
        content,
        _places_of(found, names, variance) if {*variance} <= stated else None,
    )


def _places_of(
    found: dict[str, dict[str, dict[str, int]]], names: Sequence[str], coords: Sequence[str]
) -> Int[ndarray, "individuals keypoints coords"]:
    """The columns of coordinates of all keypoints of all individuals; -1 where there is none."""
    grid = [
        [[keypoints.get(name, {}).get(coord, -1) for coord in coords] for name in names]
        for keypoints in found.values()
    ]
    return np.array(grid, dtype=np.intp)


def _content(columns: Sequence[tuple[str, ...]]) -> Content:
    predicted = any(names[-1].lower() == "likelihood" for names in columns)
    return Content.PREDICTIONS if predicted else Content.LABELS


def _of_scorer(columns: Sequence[tuple[str, ...]], animals: Animals, place: Places) -> list[int]:
    """The columns of one scorer."""
    names = list(dict.fromkeys(names[0] for names in columns))
    if animals.scorer in names:
        return [place for place, names in enumerate(columns) if names[0] == animals.scorer]
    if len(names) > 1:
        raise PoseError(
            f"the file holds {len(names)} scorers: {', '.join(name or '(none)' for name in names)}",
            where=place("scorer", 0),
            remedy="keep the columns of one, or write one file for each of the scorers",
        )
    return list(range(len(columns)))


def _of_animals(
    columns: Sequence[tuple[str, ...]],
    kept: list[int],
    content: Content,
    animals: Animals,
    place: Places,
) -> list[int]:
    """The columns of the individuals that are taken."""
    if len(columns[0]) == 3:
        refuse_wish(animals.wanted)
    if len(columns[0]) == 3 or (animals.several and animals.wanted is None):
        return kept
    names = list(dict.fromkeys(columns[column][1] for column in kept))
    try:
        chosen = chosen_individual(names, animals.wanted)
    except PoseError as error:
        remedy = error.remedy
        if content is Content.LABELS and animals.wanted is None:
            remedy = (
                "keep the columns of one; of a DeepLabCut project, litpose convert takes the "
                "animal that --individual names"
            )
        raise PoseError(error.problem, where=place("individuals", 0), remedy=remedy) from error
    return [column for column in kept if columns[column][1] in (chosen, SINGLE)]


def _check_coord(coord: str, content: Content, place: str | None) -> None:
    if coord in ("x", "y", content.value):
        return
    if content is Content.PREDICTIONS and coord in SMOOTHED:
        return
    if coord == "likelihood":
        raise PoseError(
            "the file holds predictions (a likelihood), not labels",
            where=place,
            remedy="give a file of labels, with x and y of every keypoint",
        )
    known = f"known: x, y, {content.value}"
    raise PoseError(f"unknown coordinate '{coord}'", where=place, remedy=known)


def _check_complete(
    found: dict[str, dict[str, dict[str, int]]], content: Content, place: Places
) -> bool:
    """Refuse keypoints without x or y; tells whether there is a third coordinate.

    Every keypoint of predictions has a likelihood; of labels some may have a visibility.
    """
    each = [(name, own) for keypoints in found.values() for name, own in keypoints.items()]
    needed = ("x", "y") if content is Content.LABELS else ("x", "y", content.value)
    for name, own in each:
        for coord in needed:
            if coord not in own:
                remedy = None
                if coord == "likelihood":
                    remedy = "a file with x and y only is a label file, not a table of predictions"
                where = place("coords", next(iter(own.values())))
                problem = f"the keypoint '{name}' has no column '{coord}'"
                raise PoseError(problem, where=where, remedy=remedy)
    return any(content.value in own for _, own in each)


class WideTable(NamedTuple):
    """Poses with DeepLabCut's columns.

    Attributes:
        columns: C names as in `parse_columns`.
        values: (N, C) numbers, NaN where there is none.
        frame, split: N image paths or frame numbers, and N names of splits or None.
    """

    columns: list[tuple[str, ...]]
    values: Float[ndarray, "rows columns"]
    frame: Frames
    split: tuple[str, ...] | None


def wide_of(table: PoseTable) -> WideTable:
    """Predictions, with a confidence, or labels of one camera in DeepLabCut's columns.

    With individuals, all have the same keypoints, but for those that only `SINGLE` has.

    Raises:
        PoseError: Two rows are of the same individual in the same frame, or a name of an individual
            stands for something else.
    """
    content = Content.LABELS if table.confidence is None else Content.PREDICTIONS
    with_third = table.confidence is not None or table.visibility is not None
    grid = grid_of(table, content.field if with_third else None)
    coords = ("x", "y", content.value)[: grid.values.shape[-1]]
    several = () if grid.individual is None else (grid.individual,)
    levels: list[Sequence[str]] = [(table.scorer,), *several, table.keypoint_names, coords]
    columns = list(product(*levels))
    values = grid.values.reshape(len(grid.frame), len(columns))
    if grid.individual is not None and SINGLE in grid.individual:
        seen = ~np.isnan(grid.values).all(axis=(0, 3))
        scene = seen[grid.individual.index(SINGLE)]
        only = scene & ~np.delete(seen, grid.individual.index(SINGLE), axis=0).any(axis=0)
        owned = np.array([scene if name == SINGLE else ~only for name in grid.individual])
        kept = np.repeat(owned.ravel(), len(coords))
        columns = [names for names, keep in zip(columns, kept, strict=True) if keep]
        values = values[:, kept]
    return WideTable(columns, values, grid.frame, grid.split)
