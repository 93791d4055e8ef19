"""Labelled images between two tools: what is labelled, and where each picture comes from."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from lp_core.image_source import ImageSource
from lp_core.paths import find_file
from lp_core.poses import PoseTable
from lp_core.poses.grid import SINGLE
from lp_io.animals import (
    check_names,
    chosen_animal,
    first_repeated,
    is_empty_row,
    only_animals,
)
from lp_io.untrusted.content import ContentError

LABEL_FOLDER = "labeled-data"
_LAST_NUMBER = re.compile(r"(\d+)\D*$")
_UNFIT = re.compile(r'[\x00-\x1f\x7f<>:"|?*\\/]')


@dataclass(frozen=True, eq=False)
class LabeledImages:
    """A table of labels, and where its pictures come from.

    Attributes:
        table: The labels; its frames are the names of pictures. Its visibility is None where the
            tool cannot tell occluded keypoints from visible ones.
        images: The pictures, in the order in which the table first names them.
        videos: The videos of the project that exist.
        left_out: What was left out while reading, and why.

    Raises:
        ContentError: A picture occurs twice, or the table names others.
    """

    table: PoseTable
    images: tuple[ImageSource, ...]
    videos: tuple[Path, ...] = ()
    left_out: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        twice = first_repeated(image.name for image in self.images)
        if twice is not None:
            raise ContentError(f"the picture '{twice}' occurs twice")
        if tuple(dict.fromkeys(self.table.frame)) != tuple(image.name for image in self.images):
            raise ContentError("the pictures are not those of the labels")

    def __len__(self) -> int:
        """The number of images."""
        return len(self.images)

    @property
    def files(self) -> tuple[Path, ...]:
        """All image and video files that the pictures can be had from, and the other videos."""
        named = (path for image in self.images for path in (image.file, image.video))
        return (*(path for path in named if path is not None), *self.videos)


def chosen_labels(
    table: PoseTable,
    images: Iterable[ImageSource],
    individual: str | None,
    *,
    empty: bool,
    unique: Collection[str] | None = None,
    videos: Iterable[Path] = (),
    left_out: Iterable[str] = (),
) -> LabeledImages:
    """The labels of all animals of each image, or of one, with the pictures that show them.

    An animal without a single keypoint is left out, and told.

    Args:
        table: The labels.
        images: Every picture that the table names.
        individual: Which animal to take; None takes all.
        empty: Keep the table as it is, also pictures without any animal.
        unique: The keypoints that exist once in the scene; None where the tool knows none such.
        videos: See `LabeledImages`.
        left_out: What was left out before.

    Raises:
        ContentError: A picture occurs twice, or two animals of a picture have one name.
        PoseError: No animal has the name ``individual``.
    """
    images, others = list(images), list[str]()
    twice = first_repeated(image.name for image in images)
    if twice is not None:
        raise ContentError(f"the picture '{twice}' occurs twice")
    check_names(table)
    if individual is not None:
        table, others = chosen_animal(table, individual)
    elif not empty and table.individual is not None:
        if unique is None and SINGLE in table.individual:
            raise ContentError(
                f"an animal is named '{SINGLE}', which label files have for unique body parts",
                "give it another name",
            )
        table, others = only_animals(table, unique or ())
        labelled = np.asarray((table.codes > 0).any(axis=1))
        rows_of = Counter(table.frame)
        bare = sum(
            not labelled[row] and not (rows_of[frame] == 1 and is_empty_row(table, row))
            for row, frame in enumerate(table.frame)
        )
        others += [f"{bare} animals without a single keypoint"] if bare else []
        table = table.rows(np.flatnonzero(labelled))
    named = {image.name: image for image in images}
    kept = tuple(named[name] for name in dict.fromkeys(table.image_paths))
    return LabeledImages(table, kept, tuple(videos), (*others, *left_out))


def frame_number(file_name: str) -> int | None:
    """The number of a frame as its file name tells it: the last number, as in ``img00012.png``."""
    stem = file_name.rsplit("/", 1)[-1].rsplit(".", 1)[0]
    match = _LAST_NUMBER.search(stem)
    return int(match[1]) if match and match[1].isascii() and len(match[1]) < 16 else None


def folder_name(text: str) -> str:
    """A text as the name of a folder: what no file system takes becomes an underscore."""
    return _UNFIT.sub("_", text).strip(" .") or "images"


def last_part(path: str) -> str:
    """The last part of a path of any system."""
    return path.replace("\\", "/").rstrip("/").rsplit("/", 1)[-1]


def existing_video(named: str, *folders: Path) -> Path | None:
    """The video that a file names, where it stands or under the same name in one of ``folders``."""
    try:
        path = Path(named)
        places = [(path.parent, path.name), *((folder, last_part(named)) for folder in folders)]
        found = (find_file(folder, name) for folder, name in places if name)
        return next((file for file in found if file is not None), None)
    except (OSError, ValueError):  # a name that no file can have
        return None


def distinct_names(names: Sequence[str]) -> list[str]:
    """The names, each made different from those before it by ``_2``, ``_3`` and so on."""
    used: set[str] = set()
    result = []
    for name in names:
        new, count = name, 1
        while new in used:
            count += 1
            new = f"{name}_{count}"
        used.add(new)
        result.append(new)
    return result
