"""One ordinary label file, read into frames and written from them."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import NoReturn

import numpy as np

from lp_app.errors import ProjectError
from lp_app.labels.frame import Animal, FrameLabels, Keypoint
from lp_core.atomic import remove_leftovers
from lp_core.poses import (
    Animals,
    Content,
    PoseTable,
    Skeleton,
    Visibility,
    read_pose_csv,
    write_pose_csv,
)
from lp_core.poses.csv_reading import opened_pose_csv

_PATH_PARTS = 3  # labeled-data, the video and the image

Frames = dict[str, FrameLabels]
"""The labels of images by their path, in the order of the file."""


@dataclass
class LabelFile:
    """A label file of a project, with everything that another writer must keep of it.

    Attributes:
        path: The file, which need not exist yet.
        keypoints: K names in the order of the file.
        scorer: Who labels.
        several: Whether its header names individuals.
        path_columns: How many columns the path of an image takes, 1 or 3.
        states_visibility: Whether it has the columns ``visible``.
        frames: The labels that were read.
        digest: Of the bytes that were read or written last; None where there was no file.
        stamp: Size and times of the file of that digest.
    """

    path: Path
    keypoints: tuple[str, ...]
    scorer: str = "lp"
    several: bool = False
    path_columns: int = 1
    states_visibility: bool = True
    frames: Frames = field(default_factory=dict)
    digest: str | None = None
    stamp: tuple[int, ...] | None = None

    def is_changed(self) -> bool:
        """Whether another program has written the file since it was read or written here."""
        stamp = _stamp(self.path)
        if stamp == self.stamp:
            return False
        changed = _digest(self.path) != self.digest
        self.stamp = None if changed else stamp
        return changed

    def forget(self) -> None:
        """Take it that the file is gone: it is written again from what is known."""
        self.frames, self.digest, self.stamp = {}, None, None

    def take(self, other: LabelFile) -> None:
        """Take what was read again of the same file."""
        self.frames, self.digest, self.several = other.frames, other.digest, other.several
        self.path_columns, self.scorer = other.path_columns, other.scorer
        self.states_visibility = other.states_visibility

    def refuse_other_keypoints(self) -> NoReturn:
        """Refuse to overwrite a file to which another program has given other keypoints.

        Raises:
            ProjectError: Always.
        """
        raise ProjectError(
            "another program has changed the keypoints of the label file, so it is not written",
            where=self.path,
            remedy="open the project again",
        )

    def write(self, frames: Mapping[str, FrameLabels]) -> None:
        """Write the file, whole or not at all; without any labelled image it is left as it is.

        Raises:
            PoseError: The file cannot be written.
        """
        rows = {image: labels for image, labels in frames.items() if labels.has_row}
        if not rows:  # a label file without any row cannot be read back
            if self.digest is None:
                return
            rows = dict.fromkeys(list(self.frames)[:1], FrameLabels(empty=True))
        table = self._table(rows)
        three = all(image.count("/") == _PATH_PARTS - 1 for image in rows)
        self.path_columns = self.path_columns if three else 1
        write_pose_csv(table, self.path, path_columns=self.path_columns)
        self.frames = dict(rows)
        self.stamp, self.digest = _stamp(self.path), _digest(self.path)

    def _table(self, rows: Mapping[str, FrameLabels]) -> PoseTable:
        """The rows of all images; one without an animal has a row without a position."""
        blank = Animal(None, (Keypoint(),) * len(self.keypoints))
        listed = [
            (image, animal)
            for image, labels in rows.items()
            for animal in labels.animals or (blank,)
        ]
        points = np.full((len(listed), len(self.keypoints), 2), np.nan)
        codes = np.zeros(points.shape[:2], np.int8)
        for row, (_, animal) in enumerate(listed):
            for column, keypoint in enumerate(animal.keypoints):
                if keypoint.x is not None and keypoint.y is not None:
                    points[row, column] = keypoint.x, keypoint.y
                codes[row, column] = keypoint.code
        if (codes == Visibility.OCCLUDED).any():
            self.states_visibility = True
        return PoseTable(
            Skeleton(self.keypoints),
            points,
            tuple(image for image, _ in listed),
            individual=tuple(animal.name for _, animal in listed) if self.several else None,
            visibility=codes if self.states_visibility else None,
            scorer=self.scorer,
        )


def read_label_file(path: Path) -> LabelFile:
    """Read a label file with all that it says.

    Raises:
        PoseError: It cannot be read without guessing what it means.
    """
    remove_leftovers(path)
    digest = _digest(path)
    with opened_pose_csv(path, Content.LABELS, Animals(several=True)) as file:
        several, columns = file.layout.individual is not None, file.header.index_columns
    table = read_pose_csv(path, Content.LABELS, Animals(several=several))
    return LabelFile(
        path,
        table.keypoint_names,
        table.scorer,
        several,
        columns,
        table.visibility is not None,
        _frames(table),
        digest,
    )


def _frames(table: PoseTable) -> Frames:
    """The labels of each image; an image without any has a row, so somebody has looked at it."""
    codes, names = table.codes, table.individual
    frames: Frames = {}
    for image, rows in table.by_frame():
        animals = []
        for row in rows.tolist():
            xy, seen = table.points[row].tolist(), codes[row].tolist()
            found = tuple(_keypoint(x, y, code) for (x, y), code in zip(xy, seen, strict=True))
            animals.append(Animal(None if names is None else names[row], found))
        labelled = tuple(animal for animal in animals if animal.is_labelled)
        frames[str(image)] = FrameLabels(labelled, empty=not labelled)
    return frames


def _keypoint(x: float, y: float, code: int) -> Keypoint:
    if code == Visibility.UNLABELED:
        return Keypoint()
    placed = x == x and y == y
    return Keypoint(x if placed else None, y if placed else None, code)


def _stamp(path: Path) -> tuple[int, ...] | None:
    try:
        stat = path.stat()
    except FileNotFoundError:
        return None
    return stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns, stat.st_ino


def _digest(path: Path) -> str | None:
    try:
        return hashlib.blake2b(path.read_bytes(), digest_size=16).hexdigest()
    except FileNotFoundError:
        return None
