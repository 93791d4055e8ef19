"""A table with DeepLabCut's columns, in memory."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from lp_io.predictions.layout import COORDS, LEVELS
from lp_io.predictions.table import PredictionTable
from lp_io.untrusted.content import ContentError
from lp_io.untrusted.individuals import columns_of_individual, refuse_wish

MOST_COLUMNS = 100_000


@dataclass(frozen=True, eq=False)
class KeypointFrame:
    """N rows, and C columns that are named on three or four levels.

    Attributes:
        columns: C times (scorer, keypoint, coordinate), or (scorer, animal, keypoint, coordinate).
        values: (N, C) x and y in frame px, confidences from 0 to 1; NaN where there is none.
        index: N image paths with forward slashes, or N frame numbers.

    Raises:
        ContentError: The sizes disagree, or the columns have neither three nor four levels.
    """

    columns: tuple[tuple[str, ...], ...]
    values: Float[ndarray, "rows columns"]
    index: tuple[str, ...] | tuple[int, ...]

    def __post_init__(self) -> None:
        if not self.columns:
            raise ContentError("the table has no column")
        levels = {len(column) for column in self.columns}
        if levels not in ({3}, {4}):
            raise ContentError("its columns are not named by scorer, keypoint and coordinate")
        if self.values.shape != (len(self.index), len(self.columns)):
            raise ContentError(
                f"{len(self.index)} rows and {len(self.columns)} columns do not go with values of "
                f"shape {self.values.shape}"
            )

    @property
    def scorers(self) -> list[str]:
        """Who labelled or predicted, in order of the columns."""
        return list(dict.fromkeys(column[0] for column in self.columns))

    @property
    def individuals(self) -> list[str]:
        """The animals; empty where the table has no such level."""
        if len(self.columns[0]) == len(LEVELS):
            return []
        return list(dict.fromkeys(column[1] for column in self.columns))

    def of_scorer(self, scorer: str) -> KeypointFrame:
        """Only the columns of one scorer."""
        return self.of_columns(
            [place for place, column in enumerate(self.columns) if column[0] == scorer]
        )

    def of_individual(self, individual: str) -> KeypointFrame:
        """Only the columns of one animal, without the level that names it."""
        kept = self.of_columns(
            [place for place, column in enumerate(self.columns) if column[1] == individual]
        )
        return replace(kept, columns=tuple((c[0], *c[2:]) for c in kept.columns))

    def of_columns(self, places: Sequence[int]) -> KeypointFrame:
        """Only the columns at ``places``, in that order."""
        return replace(
            self,
            columns=tuple(self.columns[place] for place in places),
            values=self.values[:, list(places)],
        )

    def keypoint_names(self) -> tuple[str, ...]:
        """The keypoints, in order of the columns."""
        return tuple(dict.fromkeys(column[-2] for column in self.columns))

    def coordinate(self, coord: str) -> Float[ndarray, "rows keypoints"] | None:
        """(N, K) one coordinate of every keypoint; None where no keypoint has it.

        Raises:
            ContentError: A keypoint has the coordinate twice, or some keypoints lack it.
        """
        places: dict[str, int] = {}
        for place, column in enumerate(self.columns):
            if column[-1] == coord and places.setdefault(column[-2], place) != place:
                raise ContentError(f"the keypoint '{column[-2]}' has two columns '{coord}'")
        if not places:
            return None
        lacking = [name for name in self.keypoint_names() if name not in places]
        if lacking:
            raise ContentError(f"the keypoint '{lacking[0]}' has no column '{coord}'")
        return self.values[:, [places[name] for name in self.keypoint_names()]]

    def positions(self) -> Float[ndarray, "rows keypoints 2"]:
        """(N, K, 2) x and y in frame px.

        Raises:
            ContentError: A keypoint lacks one of them.
        """
        x, y = self.coordinate("x"), self.coordinate("y")
        if x is None or y is None:
            raise ContentError("the table has no columns 'x' and 'y'")
        return np.stack([x, y], axis=-1)


def frame_of_predictions(table: PredictionTable) -> KeypointFrame:
    """Predictions with DeepLabCut's columns; the sets are not among them."""
    kind = np.promote_types(table.keypoints.dtype, table.confidences.dtype)
    values = np.concatenate(
        [table.keypoints, table.confidences[..., None]], axis=-1, dtype=kind
    ).reshape(len(table), len(COORDS) * table.num_keypoints)
    columns = [(table.scorer, name, coord) for name in table.keypoint_names for coord in COORDS]
    return KeypointFrame(tuple(columns), values, table.index)


def predictions_of_frame(
    frame: KeypointFrame, sets: tuple[str, ...] | None = None, individual: str | None = None
) -> PredictionTable:
    """The predictions of one animal by one scorer.

    Args:
        frame: The table.
        sets: The set of each row.
        individual: Which animal to take; None takes the only one.

    Raises:
        ContentError: The table holds several scorers, or several animals of which none is chosen,
            or no confidence.
    """
    frame = _of_one_animal(frame, individual)
    if len(frame.scorers) > 1:
        raise ContentError(f"these are predictions of several trackers: {', '.join(frame.scorers)}")
    unknown = sorted({column[-1] for column in frame.columns} - set(COORDS))
    if unknown:
        raise ContentError(f"a prediction has no coordinate '{unknown[0]}'")
    confidences = frame.coordinate("likelihood")
    if confidences is None:
        raise ContentError("the table holds labels (no likelihood), not predictions")
    return PredictionTable(
        keypoint_names=frame.keypoint_names(),
        keypoints=np.ascontiguousarray(frame.positions()),
        confidences=np.ascontiguousarray(confidences),
        index=frame.index,
        sets=sets,
        scorer=frame.scorers[0],
    )


def _of_one_animal(frame: KeypointFrame, individual: str | None) -> KeypointFrame:
    """The columns of one animal, and of keypoints that exist once in the scene."""
    if not frame.individuals:
        refuse_wish(individual)
        return frame
    kept = frame.of_columns(
        columns_of_individual([column[1] for column in frame.columns], individual)
    )
    return replace(kept, columns=tuple((c[0], *c[2:]) for c in kept.columns))
