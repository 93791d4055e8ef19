"""One animal for each image, out of labels that may hold several."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from lp_core.poses import PoseTable
from lp_core.poses.grid import SINGLE, unknown_individual
from lp_io.untrusted.content import ContentError


def one_animal_each(table: PoseTable, wanted: str | None) -> tuple[PoseTable, list[str]]:
    """Choose a row for each image.

    Without a wish, images with one animal are taken, and those with several are left out: nobody
    could say which of them the tracker should learn.

    Args:
        table: The labelled animals.
        wanted: The name of the animal to take, or None.

    Returns:
        A table with at most one row for each image; and what was left out, and why.

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
