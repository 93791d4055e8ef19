"""One animal for each frame, out of tables that may hold several."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import replace
from typing import TypeVar

import numpy as np

from lp_core.errors import PoseError
from lp_core.poses import Animals, PoseTable
from lp_core.poses.grid import SINGLE, unknown_individual
from lp_io.untrusted.content import ContentError

Item = TypeVar("Item")


def first_repeated(items: Iterable[Item]) -> Item | None:
    """The first item that occurs a second time, or None."""
    return next((item for item, count in Counter(items).items() if count > 1), None)


def check_animals(
    animals: Animals, names: Iterable[str | None], frames: Iterable[str | int], what: str
) -> None:
    """Refuse the wish for an animal that is not there, and several animals where one is taken.

    Args:
        animals: Which animals to take.
        names: Those that the file names.
        frames: The frame of each row that is taken.
        what: What a frame is called.

    Raises:
        PoseError: No animal has the name that is wanted, or a frame has several rows.
    """
    known = sorted({name for name in names if name})
    if animals.wanted is not None and animals.wanted not in known:
        raise unknown_individual(animals.wanted, known)
    twice = None if animals.several else first_repeated(frames)
    if twice is not None:
        choice = f"choose one with litpose convert --individual: {', '.join(known)}"
        raise PoseError(
            f"{what} {twice} has several animals; lp tracks one",
            remedy=choice if known and animals.wanted is None else None,
        )


def one_animal_each(table: PoseTable, wanted: str | None) -> tuple[PoseTable, list[str]]:
    """Choose at most one labelled row for each image.

    Without a wish, images with one animal are taken, and those with several are left out: nobody
    could say which of them the tracker should learn.

    Returns:
        The table, and what was left out, and why.

    Raises:
        PoseError: No animal has the wanted name.
        ContentError: Most images show several.
    """
    groups = [rows.tolist() for _, rows in table.by_frame()]
    names = [name or "" for name in table.individual or ("",) * len(table)]
    if wanted is not None:
        taken, left_out = _named(groups, names, wanted)
    else:
        taken = [rows[0] for rows in groups if len(rows) == 1]
        crowded = len(groups) - len(taken)
        if crowded > len(taken):
            known = sorted(set(names) - {""})
            raise ContentError(
                f"{crowded} of {len(groups)} labelled images show several animals; lp tracks one",
                f"choose one with --individual: {', '.join(known)}" if known else None,
            )
        left_out = [f"{crowded} images with several animals: lp tracks one"] if crowded else []
    return replace(table.rows(taken), individual=None), left_out


def _named(groups: list[list[int]], names: list[str], wanted: str) -> tuple[list[int], list[str]]:
    if wanted not in names:
        raise unknown_individual(wanted, sorted(set(names)))
    mine = [[row for row in rows if names[row] == wanted] for rows in groups]
    if any(len(rows) > 1 for rows in mine):
        raise ContentError(f"an image has the animal '{wanted}' twice")
    taken = [rows[0] for rows in mine if rows]
    others = len(names) - len(taken)
    return taken, [f"{others} labelled poses of other animals than '{wanted}'"] if others else []


def with_scene(table: PoseTable) -> PoseTable:
    """Keypoints that exist once in the scene belong to every animal of the image.

    Where an image has no animal, they stay a row of their own.
    """
    if table.individual is None or SINGLE not in table.individual:
        return table
    points, kept = table.points.copy(), np.ones(len(table), dtype=bool)
    for _, rows in table.by_frame():
        scene = [row for row in rows.tolist() if table.individual[row] == SINGLE]
        animals = [row for row in rows.tolist() if row not in scene]
        if scene and animals:
            there = table.has_position[scene[0]]
            points[np.ix_(animals, there)] = table.points[scene[0]][there]
            kept[scene] = False
    return replace(table, points=points).rows(np.flatnonzero(kept))
