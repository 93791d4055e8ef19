"""Files of a session: what a labeller notes, the whole truth, and the boxes of instance masks.

A file of boxes has the columns ``frame, x, y, h, w, individual, area, whole_area``: frame px of the
box around the pixels that show an animal, and their number; ``whole_area`` is how many there were
if no other animal lay on it. An animal of which no pixel is seen has no row.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import cv2
import numpy as np
from jaxtyping import Bool, Int
from numpy import ndarray

from lp_core.poses import PoseTable, Skeleton, Visibility
from lp_synthetic.scene import Frame
from lp_synthetic.session import Session

SCORER = "synthetic"
BOX_COLUMNS = ("frame", "x", "y", "h", "w", "individual", "area", "whole_area")
_DECIMALS = 4


@dataclass(frozen=True)
class Notes:
    """What is known of a rendered frame besides where the keypoints are.

    Attributes:
        codes: 0 outside the view, 1 hidden, 2 visible.
        unguessable: Whether a human could not place the keypoint.
        boxes: x, y, h, w, area and whole area of each animal.
    """

    codes: Int[ndarray, "animals keypoints"]
    unguessable: Bool[ndarray, "animals keypoints"]
    boxes: Int[ndarray, "animals 6"]


def notes_of(frame: Frame) -> Notes:
    """What is known of a rendered frame."""
    boxes = []
    for animal, whole in enumerate(frame.areas.tolist()):
        mask = (frame.owner == animal).view(np.uint8)
        x, y, width, height = cv2.boundingRect(mask)
        boxes.append([x, y, height, width, cv2.countNonZero(mask), whole])
    return Notes(frame.codes, frame.unguessable, np.array(boxes))


def label_table(session: Session, notes: dict[int, Notes]) -> PoseTable:
    """What a careful labeller notes in the labelled frames.

    A keypoint that is hidden is labelled as occluded where it can be guessed; otherwise, and where
    it has left the view, it is not labelled. One of several animals without any label has no row.
    """
    codes = np.stack([notes[frame].codes for frame in session.labeled])
    codes[np.stack([notes[frame].unguessable for frame in session.labeled])] = Visibility.UNLABELED
    rows = [session.image_path(frame) for frame in session.labeled]
    table = _table(session, session.labeled, rows, codes)
    if not session.individuals:
        return table
    known = np.asarray(table.codes.any(axis=1))
    kept = [rows[known[rows]] if known[rows].any() else rows[:1] for _, rows in table.by_frame()]
    names = zip(table.individual or (), known, strict=True)
    named = replace(table, individual=tuple(name if seen else None for name, seen in names))
    return named.rows(np.concatenate(kept))


def truth_table(session: Session, notes: dict[int, Notes]) -> PoseTable:
    """Where every keypoint is in every frame, whether it can be seen or not."""
    frames = range(session.frames)
    codes = np.stack([notes[frame].codes for frame in frames])
    return _table(session, frames, [str(frame) for frame in frames], codes, whole=True)


def _table(
    session: Session,
    frames: Sequence[int],
    names: list[str],
    codes: Int[ndarray, "frames animals keypoints"],
    *,
    whole: bool = False,
) -> PoseTable:
    """The visibility is stated where the positions do not tell it."""
    _, animals, K = codes.shape
    points = np.round(session.keypoints[list(frames)], _DECIMALS)
    if not whole:
        points[codes == Visibility.UNLABELED] = np.nan
    rows = tuple(name for name in names for _ in range(animals))
    individual = session.individuals * len(names) or None
    skeleton = Skeleton(session.keypoint_names, session.edges)
    table = PoseTable(
        skeleton, points.reshape(-1, K, 2), rows, individual=individual, scorer=SCORER
    )
    codes = codes.reshape(-1, K)
    stated = None if (codes == table.codes).all() else codes.astype(np.int8)
    return replace(table, visibility=stated)


def box_rows(session: Session, notes: Notes, name: str | int) -> Iterator[tuple[object, ...]]:
    """The rows of a file of boxes for one frame, which the file calls ``name``."""
    names = session.individuals or ("",)
    for individual, box in zip(names, notes.boxes.tolist(), strict=True):
        if box[4]:
            yield (name, *box[:4], individual, *box[4:])
