"""Files of a session: what a labeller notes, the whole truth, and the boxes of instance masks.

A file of boxes has the columns ``frame, x, y, h, w, individual, area, whole_area``: frame px of the
box around the pixels that show an animal, and their number; ``whole_area`` is how many there were
if no other animal lay on it. An animal of which no pixel is seen has no row.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
from jaxtyping import Int8
from numpy import ndarray

from lp_core.poses import PoseTable, Skeleton, Visibility
from lp_synthetic.scene import Notes
from lp_synthetic.session import Session

SCORER = "synthetic"
BOX_COLUMNS = ("frame", "x", "y", "h", "w", "individual", "area", "whole_area")
_DECIMALS = 4


def label_table(session: Session, notes: dict[int, Notes]) -> PoseTable:
    """What a careful labeller notes in the labelled frames.

    A keypoint that is hidden is labelled as occluded where it can be guessed; otherwise, and where
    it has left the view, it is not labelled. One of several animals without any label has no row.
    """
    table = _table(session, {frame: session.image_path(frame) for frame in session.labeled}, notes)
    deep = np.concatenate([notes[frame].unguessable for frame in session.labeled])
    codes = np.where(deep, np.int8(Visibility.UNLABELED), table.codes)
    points = np.where(codes[..., None] == Visibility.UNLABELED, np.nan, table.points)
    table = _stating(replace(table, points=points), codes)
    if not session.individuals:
        return table
    known = np.asarray(codes.any(axis=1))
    kept = [rows[known[rows]] if known[rows].any() else rows[:1] for _, rows in table.by_frame()]
    names = zip(table.individual or (), known, strict=True)
    named = replace(table, individual=tuple(name if seen else None for name, seen in names))
    return named.rows(np.concatenate(kept))


def truth_table(session: Session, notes: dict[int, Notes]) -> PoseTable:
    """Where every keypoint is in every frame, whether it can be seen or not."""
    table = _table(session, {frame: str(frame) for frame in range(session.frames)}, notes)
    return _stating(table, table.codes)


def _table(session: Session, names: dict[int, str], notes: dict[int, Notes]) -> PoseTable:
    """The truth of some frames, each with its name."""
    points = np.concatenate(np.round(session.keypoints[list(names)], _DECIMALS))
    codes = np.concatenate([notes[frame].codes for frame in names]).astype(np.int8)
    rows = tuple(name for name in names.values() for _ in range(session.keypoints.shape[1]))
    individual = session.individuals * len(names) or None
    skeleton = Skeleton(session.keypoint_names, session.edges)
    return PoseTable(skeleton, points, rows, individual=individual, visibility=codes, scorer=SCORER)


def _stating(table: PoseTable, codes: Int8[ndarray, "rows keypoints"]) -> PoseTable:
    """The table with these codes, which are stated where its positions do not tell them."""
    told = replace(table, visibility=None)
    return told if (codes == told.codes).all() else replace(table, visibility=codes)


def box_rows(session: Session, notes: Notes, name: str | int) -> Iterator[tuple[object, ...]]:
    """The rows of a file of boxes for one frame, which the file calls ``name``."""
    names = session.individuals or ("",)
    for individual, box in zip(names, notes.boxes.tolist(), strict=True):
        if box[4]:
            yield (name, *box[:4], individual, *box[4:])
