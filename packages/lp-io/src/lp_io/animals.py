"""Which of the animals of a table are taken, and whether their names can be told apart."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable
from dataclasses import replace
from typing import TypeVar

import numpy as np

from lp_core.errors import PoseError
from lp_core.poses import Animals, PoseTable, confidence_of
from lp_core.poses.grid import SINGLE, is_untracked, unknown_individual
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
            f"{what} {twice} has several animals; one is taken here",
            remedy=choice if known and animals.wanted is None else None,
        )


def chosen_animal(table: PoseTable, wanted: str | None) -> tuple[PoseTable, list[str]]:
    """The labelled rows of one animal, without its name, and what was left out; all without a wish.

    Raises:
        PoseError: No animal has the wanted name.
    """
    if wanted is None:
        return table, []
    names = [name or "" for name in table.individual or ("",) * len(table)]
    if wanted not in names:
        raise unknown_individual(wanted, sorted(set(names) - {"", SINGLE}))
    taken = [row for row, name in enumerate(names) if name == wanted]
    others = int(table.has_position.any(axis=1).sum()) - len(taken)
    left_out = [f"{others} labelled poses of other animals than '{wanted}'"] if others else []
    return replace(table.rows(taken), individual=None), left_out


def check_names(table: PoseTable) -> None:
    """Refuse names of animals by which they cannot be told apart.

    Raises:
        ContentError: Two animals of a frame have one name, or a name stands for animals without a
            track. The message names the frame.
    """
    seen = set()
    for frame, name in zip(table.frame, table.individual or (), strict=False):
        if name is None:
            continue
        place = f"frame {frame}" if isinstance(frame, int) else f"'{frame}'"
        if is_untracked(name):
            raise ContentError(
                f"an animal of {place} is named '{name}', which stands for animals without a track",
                "give its track another name, or remove the track",
            )
        if (frame, name) in seen:
            raise ContentError(
                f"two animals of {place} are named '{name}'",
                "give one of them another name or track, or remove it",
            )
        seen.add((frame, name))


def is_empty_row(table: PoseTable, row: int) -> bool:
    """Whether a row only says that its frame has no animal."""
    if table.individual is None or table.individual[row] is not None:
        return False
    nothing = np.isnan(table.points[row]).all() and np.isnan(confidence_of(table)[row]).all()
    return bool(nothing and not table.codes[row].any())


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


def only_animals(table: PoseTable, unique: Collection[str]) -> tuple[PoseTable, list[str]]:
    """The animals of labels without the keypoints that exist once in the scene.

    A table of one animal keeps them, as keypoints of that animal, and names it no more.

    Args:
        table: The labels.
        unique: The keypoints of which the tool says that they exist once in the scene.

    Returns:
        The table, and what was left out, and why.
    """
    names = {*(table.individual or ())} - {SINGLE}
    named = zip(table.frame, table.individual or (), strict=False)
    frames = [frame for frame, name in named if name != SINGLE]
    crowded = len(set(frames)) < len(frames)
    if table.individual is None or (len(names - {None}) < 2 and not crowded):
        return replace(with_scene(table), individual=None), []
    scene = np.array([name == SINGLE for name in table.individual], dtype=bool)
    own = table.has_position[~scene].any(axis=0)
    only = [
        name
        for name, of_animal, of_scene in zip(
            table.keypoint_names, own, table.has_position[scene].any(axis=0), strict=True
        )
        if not of_animal and (of_scene or name in unique)
    ]
    lost = int(table.has_position[scene].sum())
    kept = [name for name in table.keypoint_names if name not in only]
    table = table.rows(np.flatnonzero(~scene)).select_keypoints(kept)
    if not only and not lost:
        return table, []
    listing = ", ".join(f"'{name}'" for name in only)
    what = f"{lost} positions of unique body parts ({listing or SINGLE})"
    return table, [f"{what}: they belong to no animal, which --individual NAME would give them"]
