"""Label files: hand-labelled keypoints of the animals in images."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import count
from pathlib import Path
from typing import TypeVar

import numpy as np
from jaxtyping import Bool
from numpy import ndarray

from lp_core.errors import PoseError
from lp_core.poses import (
    Animals,
    Content,
    MissingPolicy,
    PoseTable,
    Skeleton,
    Visibility,
    read_pose_csv,
)
from lp_core.poses.columns import WideLayout
from lp_core.poses.csv_reading import opened_pose_csv
from lp_core.poses.grid import SINGLE, is_untracked

T = TypeVar("T")

_SAME = 1e-6  # frame px


def read_labels(
    path: str | Path, *, require_labels: bool = True, name_all: bool = True
) -> PoseTable:
    """Read one label file in the CSV layout of DeepLabCut and Lightning Pose.

    Both index styles of DeepLabCut are understood (one column with the path, or three), with the
    backslashes of Windows, the column ``visible`` where it is present, and the header row
    ``individuals``. An empty cell is a missing number. A row without any number is an image without
    labels, wherever it stands.

    A file that names several individuals has a row for each animal of each image. DeepLabCut's
    individual ``single`` is not one of them: its keypoints, which exist once in the scene, are left
    out (`unique_keypoints` tells them), or belong to the animal where the file names only one. That
    animal then has no name.

    Args:
        path: The file.
        require_labels: Whether a file without a single labelled keypoint is an error.
        name_all: Name animals without a track (``untracked_0`` and so on in the file) by
            ``animal1`` and so on in each image; else they have no name.

    Returns:
        The table, in the order of the file.

    Raises:
        PoseError: The file cannot be read without guessing what it means. The message names the
            line and the column.
    """
    table = _read(path)
    if require_labels and not table.codes.any():
        raise PoseError(
            "not a single keypoint is labelled in this file",
            where=path,
            remedy="label frames, or check that this is the right file",
        )
    return _all_named(table) if name_all else table


def unique_keypoints(path: str | Path) -> tuple[str, ...]:
    """The keypoints of a label file of several animals that belong to none of them.

    Raises:
        PoseError: The file has no header of labels.
    """
    layout = _layout(path)
    if layout.individual is None or not _animals(layout).several:
        return ()
    of_animal = np.array([name != SINGLE for name in layout.individual])
    own: Bool[ndarray, " keypoints"] = np.any(layout.columns[of_animal, :, 0] >= 0, axis=0)
    names = layout.skeleton.names
    return tuple(name for name, kept in zip(names, own.tolist(), strict=True) if not kept)


def named_animals(path: str | Path) -> tuple[str, ...]:
    """The names that the header of a label file has for animals, whether they are labelled or not.

    Raises:
        PoseError: The file has no header of labels.
    """
    names = _layout(path).individual or ()
    return tuple(name for name in names if name != SINGLE and not is_untracked(name))


def unique_note(path: str | Path) -> str | None:
    """What of a label file is left out because it belongs to no animal; None where nothing is."""
    names = unique_keypoints(path)
    listing = ", ".join(f"'{name}'" for name in names)
    return (
        f"{path}: {listing} of '{SINGLE}' belong to no animal, and are left out" if names else None
    )


def _layout(path: str | Path) -> WideLayout:
    with opened_pose_csv(path, Content.LABELS, Animals(several=True)) as file:
        return file.layout


def _animals(layout: WideLayout) -> Animals:
    """All animals of a file that names several, or the only one, which then has no name."""
    names = [name for name in layout.individual or () if name != SINGLE]
    return Animals(several=len(names) > 1)


def _read(path: str | Path, note: Callable[[PoseError], None] | None = None) -> PoseTable:
    """All animals of a label file, without the individual ``single``."""
    animals = _animals(_layout(path))
    table = read_pose_csv(path, Content.LABELS, animals, note=note)
    if table.individual is None or SINGLE not in table.individual:
        scene = np.zeros(len(table), dtype=bool)
    else:
        scene = np.array([name == SINGLE for name in table.individual])
    if scene.any():
        table = _without(table, scene)
    unique = unique_keypoints(path)
    return table.select_keypoints([n for n in table.keypoint_names if n not in unique])


def _without(table: PoseTable, scene: Bool[ndarray, " rows"]) -> PoseTable:
    """A table without some rows; an image that has no other one stays, without an animal."""
    animals = {table.frame[row] for row in np.flatnonzero(~scene)}
    bare = np.array([frame not in animals for frame in table.frame]) & scene
    codes = table.visibility
    table = replace(
        table,
        points=np.where(bare[:, None, None], np.nan, table.points),
        visibility=None if codes is None else np.where(bare[:, None], np.int8(0), codes),
        individual=tuple(
            None if empty else name
            for name, empty in zip(table.individual or (), bare.tolist(), strict=True)
        ),
    )
    return table.rows(np.flatnonzero(~scene | bare))


def _all_named(table: PoseTable) -> PoseTable:
    """A table in which every animal has a name; those of animals without a track tell nothing."""
    if table.individual is None:
        return table
    names, taken = list(table.individual), {*table.individual}
    for _, rows in table.by_frame():
        free = (name for n in count(1) if (name := f"animal{n}") not in taken)
        for row in rows.tolist():
            if names[row] is None and table.codes[row].any():
                names[row] = next(free)
    return replace(table, individual=tuple(names))


def scan_labels(path: str | Path) -> tuple[PoseTable, list[PoseError]]:
    """Read a label file as far as it can be read, and list everything that is wrong with it.

    Returns:
        The rows that can be understood, with wrong cells left empty; and an error for each row and
        each keypoint that `read_labels` would refuse.

    Raises:
        PoseError: Nothing can be understood, such as without a header.
    """
    problems: list[PoseError] = []
    return _all_named(_read(path, problems.append)), problems


def read_label_files(
    paths: Sequence[str | Path],
    *,
    require_labels: bool = True,
    missing: MissingPolicy = MissingPolicy.UNLABELED,
) -> PoseTable:
    """Read label files of one project and join them with `join_tables`.

    Args:
        paths: One or more files.
        require_labels: Whether a file without a single labelled keypoint is an error.
        missing: What a keypoint without a position teaches where no file states visibility.

    Raises:
        PoseError: No file is given, one cannot be read, or two contradict each other.
    """
    if not paths:
        raise PoseError("no label file is given", remedy="set data.csv_file")
    tables = [read_labels(path, require_labels=require_labels) for path in paths]
    return replace(join_tables(tables), missing=missing)


def join_tables(tables: Sequence[PoseTable], problems: list[PoseError] | None = None) -> PoseTable:
    """One table with all images and the union of the keypoints.

    Keypoints stand in the order in which the tables first name them. A keypoint that a table does
    not have is unlabelled in its images. An animal of an image may be in two tables, as long as
    they do not both label the same keypoint, or agree on it. An animal without a name, of a table
    that names none, is the only one of its image.

    Args:
        tables: One or more tables, of one camera.
        problems: Where contradictions are written down, while the first label stands; None makes
            them an error.

    Raises:
        PoseError: Two tables label the same keypoint of the same image differently, or one names
            the animals of an image and another does not.
    """
    if len(tables) == 1:
        return tables[0]
    mixed = _named_in_one_only(tables)
    if mixed is not None:
        if problems is None:
            raise mixed
        problems.append(mixed)
    animals = _first_places([_animals_of(table) for table in tables])
    names = _first_places([table.keypoint_names for table in tables])
    points = np.full((len(animals), len(names), 2), np.nan)
    codes = np.zeros((len(animals), len(names)), dtype=np.int8)
    places: dict[Animal, str] = {}
    for table in tables:
        rows = [animals[animal] for animal in _animals_of(table)]
        grid = np.ix_(rows, [names[name] for name in table.keypoint_names])
        before = replace(table, points=points[grid], visibility=codes[grid])
        for row, column in _contradictions(before, table):
            error = _contradiction(table, row, column, places)
            if problems is None:
                raise error
            problems.append(error)
        new = before.codes == Visibility.UNLABELED
        points[grid] = np.where(new[..., None], table.points, before.points)
        codes[grid] = np.where(new, table.codes, before.codes)
        for row, animal in enumerate(_animals_of(table)):
            places.setdefault(animal, table.place(row))
    stated = any(table.visibility is not None for table in tables)
    several = any(table.individual is not None for table in tables)
    joined = PoseTable(
        Skeleton(tuple(names)),
        points,
        tuple(image for image, _ in animals),
        individual=tuple(name for _, name in animals) if several else None,
        visibility=codes if stated else None,
        scorer="+".join(dict.fromkeys(table.scorer for table in tables)),
        read_from=tuple(places[animal] for animal in animals),
    )
    # an image without any animal in one table may have some in another
    named = {image for image, name in animals if name is not None}
    chosen = [row for row, (image, name) in enumerate(animals) if name or image not in named]
    return _all_named(joined.rows(chosen))


def _named_in_one_only(tables: Sequence[PoseTable]) -> PoseError | None:
    """The error that an image has named animals in one table, and one without a name in another."""
    named: dict[str, str] = {}
    for table in tables:
        for row, (image, name) in enumerate(_animals_of(table)):
            if name is not None:
                named.setdefault(image, table.place(row))
    for table in tables if named else ():
        for row in np.flatnonzero(table.codes.any(axis=1)).tolist():
            image, name = _animals_of(table)[row]
            if name is None and image in named:
                return PoseError(
                    f"the animals of the image '{image}' have names in one label file, and none in "
                    "another",
                    where=f"{named[image]}; {table.place(row)}",
                    remedy="add the header row 'individuals' to the other file, or remove the row",
                )
    return None


Animal = tuple[str, str | None]
"""An image and an individual on it."""


def _animals_of(table: PoseTable) -> tuple[Animal, ...]:
    """The image and the individual of each row."""
    return tuple(zip(table.image_paths, table.individual or (None,) * len(table), strict=True))


def _first_places(lists: Sequence[tuple[T, ...]]) -> dict[T, int]:
    """Every name that occurs, in the order of first occurrence, and its position."""
    every = dict.fromkeys(name for names in lists for name in names)
    return {name: position for position, name in enumerate(every)}


def _contradictions(before: PoseTable, table: PoseTable) -> list[list[int]]:
    """Row and column of each keypoint that both tables label, but not alike."""
    labelled = (before.codes > 0) & (table.codes > 0)
    near = np.isclose(before.points, table.points, rtol=0, atol=_SAME, equal_nan=True)
    alike = (before.codes == table.codes) & near.all(axis=-1)
    return np.argwhere(labelled & ~alike).tolist()


def _contradiction(table: PoseTable, row: int, column: int, places: dict[Animal, str]) -> PoseError:
    image, name = table.image_paths[row], table.keypoint_names[column]
    return PoseError(
        f"two label files disagree about the keypoint '{name}' of '{image}'",
        where=f"{places[_animals_of(table)[row]]}; {table.place(row)}",
        remedy="keep one of the two rows",
    )
