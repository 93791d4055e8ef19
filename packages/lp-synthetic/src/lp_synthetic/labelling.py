"""Label files of a session: what a labeller notes, and the whole truth."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Bool, Float, Int
from numpy import ndarray

from lp_core.poses import PoseTable, Skeleton, Visibility
from lp_synthetic.session import Session
from lp_synthetic.skeleton import keypoint_names

SCORER = "synthetic"
_DECIMALS = 4


@dataclass(frozen=True)
class Notes:
    """What is known of a rendered frame besides where the keypoints are.

    Attributes:
        codes: 0 outside the view, 1 hidden, 2 visible.
        unguessable: Whether a human could not place the keypoint.
    """

    codes: Int[ndarray, " keypoints"]
    unguessable: Bool[ndarray, " keypoints"]


def label_table(session: Session, notes: dict[int, Notes]) -> PoseTable:
    """What a careful labeller notes in the labelled frames.

    A keypoint that is hidden is labelled as occluded where it can be guessed; otherwise, and where
    it has left the view, it is not labelled.
    """
    codes = np.stack([notes[frame].codes for frame in session.labeled])
    codes[np.stack([notes[frame].unguessable for frame in session.labeled])] = Visibility.UNLABELED
    rows = [session.image_path(frame) for frame in session.labeled]
    points = _points(session, session.labeled)
    points[codes == Visibility.UNLABELED] = np.nan
    return _table(points, rows, codes)


def truth_table(session: Session, notes: dict[int, Notes]) -> PoseTable:
    """Where every keypoint is in every frame, whether it can be seen or not."""
    frames = range(session.frames)
    codes = np.stack([notes[frame].codes for frame in frames])
    return _table(_points(session, frames), [str(frame) for frame in frames], codes)


def _points(session: Session, frames: Sequence[int]) -> Float[ndarray, "rows k 2"]:
    return np.round(session.keypoints[list(frames)], _DECIMALS)


def _table(
    points: Float[ndarray, "rows k 2"], rows: list[str], codes: Int[ndarray, "rows k"]
) -> PoseTable:
    """The visibility is stated where the positions do not tell it."""
    table = PoseTable(Skeleton(tuple(keypoint_names())), points, tuple(rows), scorer=SCORER)
    stated = None if (codes == table.codes).all() else codes.astype(np.int8)
    return replace(table, visibility=stated)
