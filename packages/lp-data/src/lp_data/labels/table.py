"""Hand-labelled keypoints of a list of images."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from enum import IntEnum

import numpy as np
from jaxtyping import Bool, Float, Int8
from numpy import ndarray

from lp_core.errors import nearest_name
from lp_core.paths import same_name
from lp_data.errors import LabelFileError


class Visibility(IntEnum):
    """The codes of COCO for what a labeller could see of a keypoint."""

    UNLABELED = 0
    OCCLUDED = 1
    VISIBLE = 2


@dataclass(frozen=True, eq=False)
class LabelTable:
    """Keypoints of N images, K of each.

    Attributes:
        image_paths: N paths relative to the project folder, with forward slashes.
        keypoint_names: K names.
        keypoints: (N, K, 2) x and y in frame px, float64, NaN where there is no position.
        visibility: (N, K) codes of `Visibility`. An unlabelled keypoint has no position, a visible
            one has; an occluded one may have one.
        scorer: Who labelled, as the label file names them.
        origins: N places for messages, such as ``"CollectedData.csv, line 7"``; or empty.
        states_visibility: Whether the label file has a column ``visible``; where it has none, a
            missing position may mean either that nobody labelled it or that it cannot be seen.

    Raises:
        LabelFileError: The sizes of the attributes disagree.
    """

    image_paths: tuple[str, ...]
    keypoint_names: tuple[str, ...]
    keypoints: Float[ndarray, "rows keypoints 2"]
    visibility: Int8[ndarray, "rows keypoints"]
    scorer: str = "scorer"
    origins: tuple[str, ...] = field(default=(), repr=False)
    states_visibility: bool = False

    def __post_init__(self) -> None:
        size = (len(self.image_paths), len(self.keypoint_names))
        if self.keypoints.shape != (*size, 2) or self.visibility.shape != size:
            raise LabelFileError(
                f"{size[0]} images and {size[1]} names do not go with keypoints of shape "
                f"{self.keypoints.shape} and visibility of shape {self.visibility.shape}"
            )

    def __len__(self) -> int:
        """The number of images."""
        return len(self.image_paths)

    @property
    def num_keypoints(self) -> int:
        """K, the number of keypoints."""
        return len(self.keypoint_names)

    @property
    def has_position(self) -> Bool[ndarray, "rows keypoints"]:
        """(N, K) True where a keypoint has a position."""
        return np.isfinite(self.keypoints).all(axis=-1)

    def origin(self, row: int) -> str:
        """Where ``row`` was read, for a message."""
        return self.origins[row] if self.origins else f"row {row} ({self.image_paths[row]})"

    def subset(self, rows: Sequence[int]) -> LabelTable:
        """The same table with only ``rows``, in that order."""
        index = np.asarray(rows, dtype=np.int64)
        return replace(
            self,
            image_paths=tuple(self.image_paths[row] for row in index),
            keypoints=self.keypoints[index],
            visibility=self.visibility[index],
            origins=tuple(self.origins[row] for row in index) if self.origins else (),
        )

    def select_keypoints(self, names: Sequence[str]) -> LabelTable:
        """The same table with only the keypoints ``names``, in that order.

        Raises:
            LabelFileError: The table has no keypoint of that name.
        """
        columns = [self._column(name) for name in names]
        return replace(
            self,
            keypoint_names=tuple(names),
            keypoints=self.keypoints[:, columns],
            visibility=self.visibility[:, columns],
        )

    def with_missing_as_occluded(self) -> LabelTable:
        """The same table, every keypoint without a position counted as one that cannot be seen."""
        occluded = np.int8(Visibility.OCCLUDED)
        return replace(self, visibility=np.where(self.has_position, self.visibility, occluded))

    def _column(self, name: str) -> int:
        """The position of the keypoint ``name``."""
        if name in self.keypoint_names:
            return self.keypoint_names.index(name)
        for place, own in enumerate(self.keypoint_names):
            if same_name(own, name):
                return place
        guess = nearest_name(name, self.keypoint_names)
        hint = f"did you mean '{guess}'? " if guess else ""
        raise LabelFileError(
            f"no label file has a keypoint '{name}'",
            remedy=f"{hint}there are: {', '.join(self.keypoint_names)}",
        )
