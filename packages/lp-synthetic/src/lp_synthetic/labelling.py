"""Label files of a session: what a labeller notes, and the whole truth."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Int
from numpy import ndarray

from lp_data.labels import LabelTable, Visibility
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


def label_table(session: Session, notes: dict[int, Notes]) -> LabelTable:
    """What a careful labeller notes in the labelled frames.

    A keypoint that is hidden is labelled as occluded where it can be guessed; otherwise, and where
    it has left the view, it is not labelled.
    """
    codes = np.stack([notes[frame].codes for frame in session.labeled])
    codes[np.stack([notes[frame].unguessable for frame in session.labeled])] = Visibility.UNLABELED
    rows = [session.image_path(frame) for frame in session.labeled]
    table = _table(session, rows, session.labeled, codes)
    table.keypoints[codes == Visibility.UNLABELED] = np.nan
    return table


def truth_table(session: Session, notes: dict[int, Notes]) -> LabelTable:
    """Where every keypoint is in every frame, whether it can be seen or not."""
    frames = range(session.frames)
    codes = np.stack([notes[frame].codes for frame in frames])
    return _table(session, [str(frame) for frame in frames], tuple(frames), codes)


def _table(
    session: Session, rows: list[str], frames: tuple[int, ...], codes: Int[ndarray, "rows k"]
) -> LabelTable:
    positions = np.round(session.keypoints[list(frames)], _DECIMALS)
    names = tuple(keypoint_names())
    return LabelTable(tuple(rows), names, positions, codes.astype(np.int8), SCORER)
