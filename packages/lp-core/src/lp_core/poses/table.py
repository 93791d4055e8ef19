"""The one table of poses: labels, predictions and truth, of one or several animals and cameras."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import KW_ONLY, dataclass, field, replace
from enum import Enum, IntEnum
from typing import Any

import numpy as np
from jaxtyping import Bool, Float, Int, Int8
from numpy import ndarray

from lp_core.errors import PoseError
from lp_core.poses.skeleton import Skeleton

Frames = tuple[str, ...] | tuple[int, ...]
"""For each row its frame: paths of images with forward slashes, or frame numbers of a video."""


class Visibility(IntEnum):
    """The codes of COCO for what a labeller could see of a keypoint."""

    UNLABELED = 0
    OCCLUDED = 1
    VISIBLE = 2


class MissingPolicy(Enum):
    """What a keypoint without a position teaches, where the labels do not say it themselves.

    Attributes:
        UNLABELED: Nothing: it is not labelled.
        OCCLUDED: That it cannot be seen.
    """

    UNLABELED = Visibility.UNLABELED
    OCCLUDED = Visibility.OCCLUDED


class Origin(Enum):
    """How a row came about."""

    LABELLED = "labelled"
    PREDICTED = "predicted"
    CORRECTED = "corrected"
    SMOOTHED = "smoothed"


@dataclass(frozen=True, eq=False)
class PoseTable:
    """R rows of K keypoints; one row is one animal, as one camera sees it, in one frame.

    A frame has as many rows as animals. A frame without any animal has one row, without
    `individual` and without a position.

    Attributes:
        skeleton: The K keypoints.
        points: (R, K, 2) x and y in frame px, or (R, K, 3) in world units; NaN where there is none.
        frame: R image paths relative to the project folder, or R frame numbers of a video from 0.
        view: R names of cameras; None where there is one camera.
        individual: R names of animals, or ids of tracks as text; an entry is None where the row
            belongs to no track. None for the whole table where each frame has one animal at most,
            and it has no name.
        score: (R,) how certain it is that there is such an animal.
        visibility: (R, K) codes of `Visibility`; None where they are not stated. See `codes`.
        confidence: (R, K) of predictions, from 0 to 1, NaN where there is none.
        covariance: (R, K, D, D) of the points, D being 2 or 3.
        origin: R times how the row came about.
        split: R times ``train``, ``validation``, ``test`` or ``unused``.
        scorer: Who labelled or predicted.
        missing: What a keypoint without a position teaches, where `visibility` is None.
        read_from: R places for messages, such as ``"CollectedData.csv, line 7"``.

    Raises:
        PoseError: The sizes of the attributes disagree.
    """

    skeleton: Skeleton
    points: Float[ndarray, "rows keypoints dims"]
    frame: Frames
    _: KW_ONLY
    view: tuple[str | None, ...] | None = None
    individual: tuple[str | None, ...] | None = None
    score: Float[ndarray, " rows"] | None = None
    visibility: Int8[ndarray, "rows keypoints"] | None = None
    confidence: Float[ndarray, "rows keypoints"] | None = None
    covariance: Float[ndarray, "rows keypoints dims dims"] | None = None
    origin: tuple[Origin, ...] | None = None
    split: tuple[str, ...] | None = None
    scorer: str = "scorer"
    missing: MissingPolicy = MissingPolicy.UNLABELED
    read_from: tuple[str, ...] | None = field(default=None, repr=False)

    def __post_init__(self) -> None:
        rows, K, D = len(self.frame), len(self.skeleton), self.points.shape[-1]
        expected: dict[str, tuple[int, ...]] = {
            "points": (rows, K, D if D in (2, 3) else 2),
            "visibility": (rows, K),
            "confidence": (rows, K),
            "covariance": (rows, K, D, D),
        }
        for name in _ROW_FIELDS:
            value = getattr(self, name)
            if value is None:
                continue
            shape = value.shape if isinstance(value, ndarray) else (len(value),)
            if shape != expected.get(name, (rows,)):
                raise PoseError(
                    f"{rows} rows and {K} keypoint names do not go with {name} of shape {shape}"
                )

    def __len__(self) -> int:
        """R, the number of rows."""
        return len(self.frame)

    @property
    def keypoint_names(self) -> tuple[str, ...]:
        """K names."""
        return self.skeleton.names

    @property
    def num_keypoints(self) -> int:
        """K, the number of keypoints."""
        return len(self.skeleton)

    @property
    def image_paths(self) -> tuple[str, ...]:
        """R paths of images; frame numbers as text."""
        return tuple(map(str, self.frame))

    @property
    def has_position(self) -> Bool[ndarray, "rows keypoints"]:
        """(R, K) True where a keypoint has a position."""
        return np.isfinite(self.points).all(axis=-1)

    @property
    def codes(self) -> Int8[ndarray, "rows keypoints"]:
        """(R, K) codes of `Visibility`: as stated, else told by the positions and `missing`."""
        if self.visibility is not None:
            return self.visibility
        without = np.int8(self.missing.value)
        return np.where(self.has_position, np.int8(Visibility.VISIBLE), without)

    def place(self, row: int) -> str:
        """Where ``row`` was read, for a message."""
        return self.read_from[row] if self.read_from else f"row {row} ({self.frame[row]})"

    def rows(self, index: Sequence[int] | Int[ndarray, " some"] | slice) -> PoseTable:
        """Only the rows at ``index``, in that order."""
        chosen = np.arange(len(self))[index] if isinstance(index, slice) else np.asarray(index, int)
        return replace(self, **{name: taken(getattr(self, name), chosen) for name in _ROW_FIELDS})

    def select_keypoints(self, names: Sequence[str]) -> PoseTable:
        """Only the keypoints ``names``, in that order.

        Raises:
            PoseError: There is no keypoint of that name.
        """
        places = self.skeleton.places(names)
        arrays = {name: getattr(self, name) for name in _KEYPOINT_FIELDS}
        kept = {name: value[:, places] for name, value in arrays.items() if value is not None}
        return replace(self, skeleton=self.skeleton.select(names), **kept)

    def by_frame(self) -> Iterator[tuple[str | int, Int[ndarray, " some"]]]:
        """Each frame and its rows, in the order in which frames first occur."""
        if not self.frame:
            return
        numbers = {frame: number for number, frame in enumerate(dict.fromkeys(self.frame))}
        group = np.fromiter(map(numbers.__getitem__, self.frame), np.int64, len(self))
        ends = np.cumsum(np.bincount(group))
        rows = np.split(np.argsort(group, kind="stable"), ends[:-1])
        yield from zip(numbers, rows, strict=True)


def confidence_of(table: PoseTable) -> Float[ndarray, "rows keypoints"]:
    """(R, K) the confidences of predictions; NaN where a table has none."""
    if table.confidence is None:
        return np.full(table.points.shape[:2], np.nan)
    return table.confidence


_KEYPOINT_FIELDS = ("points", "visibility", "confidence", "covariance")
_ROW_FIELDS = (
    *_KEYPOINT_FIELDS, "frame", "view", "individual", "score", "origin", "split", "read_from",
)  # fmt: skip


def taken(value: Any, rows: Int[ndarray, " some"]) -> Any:
    """The items of an array or a tuple at ``rows``; None of None."""
    if value is None or isinstance(value, ndarray):
        return None if value is None else value[rows]
    return tuple(value[row] for row in rows.tolist())


def concatenate(tables: Sequence[PoseTable]) -> PoseTable:
    """The rows of several tables of the same keypoints, one table after the other.

    What one table has of its rows and another lacks is missing in the rows of the other: NaN, no
    name, or, for `visibility`, what the positions tell.

    Raises:
        PoseError: There is no table, the keypoints differ, or only some tables state `origin` or
            `split`.
    """
    if not tables:
        raise PoseError("there is no table to concatenate")
    first = tables[0]
    if any(table.keypoint_names != first.keypoint_names for table in tables):
        raise PoseError("tables of different keypoints cannot be concatenated")
    joined = {
        name: _joined([_column(t, name, tables) for t in tables], name) for name in _ROW_FIELDS
    }
    scorer = "+".join(dict.fromkeys(table.scorer for table in tables))
    return replace(first, scorer=scorer, **joined)


def _column(table: PoseTable, name: str, tables: Sequence[PoseTable]) -> Any:
    """A field of one table, filled up where another table has it."""
    value = getattr(table, name)
    if value is not None or all(getattr(other, name) is None for other in tables):
        return value
    rows, (_, K, D) = len(table), table.points.shape
    shapes = {"score": (rows,), "confidence": (rows, K), "covariance": (rows, K, D, D)}
    if name in shapes:
        return np.full(shapes[name], np.nan)
    if name in ("view", "individual"):
        return (None,) * rows
    if name == "read_from":
        return tuple(map(table.place, range(rows)))
    return table.codes if name == "visibility" else None


def _joined(values: list[Any], name: str) -> Any:
    if all(value is None for value in values):
        return None
    if any(value is None for value in values):
        raise PoseError(f"only some of the tables state '{name}'")
    if isinstance(values[0], ndarray):
        return np.concatenate(values)
    return tuple(item for value in values for item in value)
