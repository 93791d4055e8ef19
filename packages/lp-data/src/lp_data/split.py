"""Which labelled frames train, validate and test."""

from __future__ import annotations

import logging
import math
from dataclasses import replace
from typing import NamedTuple

import numpy as np

from lp_core.poses import PoseTable
from lp_data.errors import SplitError
from lp_data.extra_labels import is_extra
from lp_data.sessions.names import ViewNames

_log = logging.getLogger(__name__)
_ROUNDING = 1e-9  # 0.29 * 100 is a little below 29 in binary


class Split(NamedTuple):
    """Rows of a label table by use; each row is in exactly one of the four.

    ``unused`` are rows left out of training because fewer training frames were asked for.
    """

    train: tuple[int, ...]
    validation: tuple[int, ...]
    test: tuple[int, ...]
    unused: tuple[int, ...] = ()


def split_rows(
    num_rows: int,
    train_probability: float | int,
    val_probability: float | int,
    seed: int,
    train_frames: float | int = 1,
) -> Split:
    """Split rows at random.

    Each part has the floor of its share; rows that are left over train. Validation has at least
    one.

    Args:
        num_rows: How many rows there are, at least 2.
        train_probability: The share that trains.
        val_probability: The share that validates; what remains tests.
        seed: The same seed gives the same split, on every machine and version.
        train_frames: Of the training rows, how many are used: the first so many where it is above
            1, that share of them where it is at most 1.

    Returns:
        The split; rows of a part are in the order in which they were drawn.

    Raises:
        SplitError: There are too few rows, or the shares are not shares.
    """
    _check(num_rows, train_probability, val_probability, train_frames)
    test_probability = max(0.0, 1.0 - train_probability - val_probability)
    num_val = max(1, _floor(val_probability * num_rows))
    num_test = min(_floor(test_probability * num_rows), num_rows - num_val - 1)
    num_train = num_rows - num_val - num_test
    # The raw stream of a bit generator is the same in every version of NumPy; its shuffles are not.
    order = np.argsort(np.random.PCG64(seed).random_raw(num_rows), kind="stable").tolist()
    train, rest = order[:num_train], order[num_train:]
    used = _num_used(train_frames, num_train)
    return Split(
        train=tuple(train[:used]),
        validation=tuple(rest[:num_val]),
        test=tuple(rest[num_val:]),
        unused=tuple(train[used:]),
    )


def split_frames(
    table: PoseTable,
    train_probability: float | int,
    val_probability: float | int,
    seed: int,
    train_frames: float | int = 1,
    views: ViewNames | None = None,
) -> Split:
    """`split_rows` of the frames of a table: all rows of a frame, in all views, are in one part.

    Only labels by hand are split; rows that are predictions train, all of them.
    """
    extra = is_extra(table)
    by_hand = np.flatnonzero(~extra)
    table = table.rows(by_hand)
    if views is not None:
        table = replace(table, frame=views.moments(table))
    rows = [by_hand[rows].tolist() for _, rows in table.by_frame()]
    frames = split_rows(len(rows), train_probability, val_probability, seed, train_frames)
    split = Split(*(tuple(row for frame in part for row in rows[frame]) for part in frames))
    return split._replace(train=(*split.train, *np.flatnonzero(extra).tolist()))


def images_by_use(split: Split, table: PoseTable) -> dict[str, tuple[str, ...]]:
    """The images of each part by its name; ``extra`` are those of labels that are predictions."""
    extra = is_extra(table)
    rows = {use: [row for row in part if not extra[row]] for use, part in split._asdict().items()}
    if extra.any():
        rows["extra"] = np.flatnonzero(extra).tolist()
    return {use: table.rows(part).image_paths for use, part in rows.items()}


def _floor(value: float | int) -> int:
    return math.floor(value + _ROUNDING)


def _check(num_rows: int, train: float | int, val: float | int, train_frames: float | int) -> None:
    if num_rows < 2:
        raise SplitError(
            f"{num_rows} labelled frames cannot be split into training and validation",
            remedy="label at least 2 frames; 50 or more give a useful tracker",
        )
    if not (0 < train <= 1 and 0 <= val < 1 and train + val <= 1 + _ROUNDING):
        raise SplitError(
            f"{train} of the frames for training and {val} for validation are not shares of one",
            remedy="set training.train_prob and training.val_prob, with a sum of at most 1",
        )
    if not train_frames > 0:
        raise SplitError(
            f"the number of training frames must be above 0, got {train_frames}",
            remedy="set training.train_frames to a share of at most 1, or a number above 1",
        )


def _num_used(train_frames: float | int, num_train: int) -> int:
    """How many of the training rows are used."""
    if train_frames <= 1:
        return max(1, _floor(train_frames * num_train))
    if train_frames > num_train:
        said = "%d training frames were asked for, but there are only %d: all are used"
        _log.warning(said, train_frames, num_train)
    return min(int(train_frames), num_train)
