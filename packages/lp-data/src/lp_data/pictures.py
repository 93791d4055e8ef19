"""The pictures of a project: labelled images, and the frames before and after each.

A picture comes from the labels' own file, an image file or a frame of a video. Neighbours come
from image files beside it, or from the video, if the numbers in the file names count that video's
frames: the labelled image has to look like the frame of its number more than like those around it.
"""

from __future__ import annotations

import shutil
from collections import Counter, defaultdict
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np
from jaxtyping import UInt8
from numpy import ndarray

from lp_core.atomic import atomic_write
from lp_core.errors import LPError
from lp_core.image_source import ImageSource
from lp_core.video import VideoSource
from lp_data.datasets.neighbours import (
    OFFSETS,
    Thumbnail,
    neighbour_name,
    other_frames,
    shows_frame,
    thumbnail,
)
from lp_data.errors import ImageFileError, VideoError
from lp_data.images import read_image
from lp_data.video.open import open_video

Picture = UInt8[ndarray, "_ _ 3"]  # pictures of one call may differ in size

_ALIKE = 25.0  # mean difference of two renderings of one frame, in gray levels, at most
_CLEARLY = 1.0  # gray levels by which another frame must be more alike to count


class _Film(NamedTuple):
    """An open video, and some of its frames to compare pictures with."""

    source: VideoSource
    others: Sequence[Thumbnail]


@dataclass
class PictureWriter:
    """Writes the pictures of labelled images into a project's folder.

    Attributes:
        folder: The project's folder.
        notes: What could not be had, a sentence each.
        reasons: The same for single images: how many for each reason.
        neighbours: How many neighbouring frames were written.
        sizes: (height, width) in frame px of each labelled image.
    """

    folder: Path
    notes: list[str] = field(default_factory=list)
    reasons: Counter[str] = field(default_factory=Counter)
    neighbours: int = 0
    sizes: dict[str, tuple[int, int]] = field(default_factory=dict)

    def write(self, images: Sequence[ImageSource]) -> list[int]:
        """Write every picture that can be had, and its neighbours.

        Returns:
            The rows whose picture was written.
        """
        labelled = {image.name for image in images}
        written: list[int] = []
        for video, rows in _by_video(images).items():
            with ExitStack() as stack:
                film = self._opened(video, len(rows), stack)
                written += [row for row in rows if self._write_one(images[row], film, labelled)]
        return sorted(written)

    def _opened(self, video: Path | None, count: int, stack: ExitStack) -> _Film | None:
        if video is None:
            return None
        try:
            source = stack.enter_context(open_video(video))
            return _Film(source, other_frames(source))
        except VideoError as error:
            self.notes.append(f"the neighbours of {count} images: {video.name}: {error.problem}")
            return None

    def _write_one(self, image: ImageSource, film: _Film | None, labelled: set[str]) -> bool:
        """Write one picture and its neighbours; tell whether the picture could be had."""
        around = _frames_around(film, image.frame)
        try:
            picture = self._picture(image, around)
        except LPError as error:
            self.reasons[f"labelled images: {error.problem}"] += 1
            return False
        if picture is None:
            self.reasons["labelled images: neither their file nor their video is there"] += 1
            return False
        self.sizes[image.name] = (picture.shape[0], picture.shape[1])
        unfit = _mismatch(picture, around, film.others) if film and around else None
        reason = self._neighbours(image, around, labelled, unfit)
        if reason:
            self.reasons[f"images without all neighbouring frames: {reason}"] += 1
        return True

    def _picture(self, image: ImageSource, around: dict[int, Picture]) -> Picture | None:
        """Write the labelled image itself."""
        target = self.folder / image.name
        if image.embedded is not None:
            return _written(image.embedded(), target)
        if image.file is not None:
            picture = read_image(image.file)
            _copy(image.file, target)
            return picture
        return _written(around[0], target) if 0 in around else None

    def _neighbours(
        self,
        image: ImageSource,
        around: dict[int, Picture],
        labelled: set[str],
        unfit: str | None,
    ) -> str | None:
        """Write the neighbours, where frames are not ``unfit``; returns why one is missing."""
        named = {offset: neighbour_name(image.name, offset) for offset in OFFSETS}
        if None in named.values():
            return "their file names do not count frames"
        missing = [
            (offset, name)
            for offset, name in named.items()
            if name and name not in labelled and not self._copied(image, name)
        ]
        if not missing:
            return None
        if not around:
            return "there is no video to take them from"
        if unfit:
            return unfit
        beyond = False
        for offset, name in missing:
            frame = around.get(max(offset, -(image.frame or 0)))
            beyond = beyond or frame is None
            if frame is not None and not (self.folder / name).exists():
                _written(frame, self.folder / name)
                self.neighbours += 1
        return "the video ends before them" if beyond else None

    def _copied(self, image: ImageSource, name: str) -> bool:
        """Copy a neighbour that stands beside the image file."""
        target = self.folder / name
        if target.exists():
            return True
        beside = image.file.with_name(Path(name).name) if image.file else None
        if beside is None or not beside.is_file():
            return False
        _copy(beside, target)
        self.neighbours += 1
        return True


def _by_video(images: Sequence[ImageSource]) -> dict[Path | None, list[int]]:
    """The rows of each video, in the order of its frames."""
    rows: dict[Path | None, list[int]] = defaultdict(list)
    for row, image in enumerate(images):
        rows[image.video if image.frame is not None else None].append(row)
    return {
        video: sorted(found, key=lambda row: images[row].frame or 0)
        for video, found in rows.items()
    }


def _frames_around(film: _Film | None, frame: int | None) -> dict[int, Picture]:
    """By offset the frames from two before to two after ``frame``, as far as the video has them."""
    if film is None or frame is None or frame >= len(film.source):
        return {}
    numbers = range(max(frame - 2, 0), min(frame + 3, len(film.source)))
    frames = film.source.read(numbers.start, numbers.stop)
    return {number - frame: each for number, each in zip(numbers, frames, strict=True)}


def _mismatch(
    picture: Picture, around: dict[int, Picture], others: Sequence[Thumbnail]
) -> str | None:
    """Why ``picture`` is not the frame in the middle; None where it is."""
    if picture.shape != around[0].shape:
        return "the video has another frame size (were the images cropped?)"
    differences = {offset: _difference(picture, frame) for offset, frame in around.items()}
    if differences[0] > _ALIKE:
        return "the video's frame of that number shows something else"
    if differences[0] > min(differences.values()) + _CLEARLY:
        return "another frame of the video fits better, so its frames are counted differently"
    if not shows_frame(thumbnail(picture), thumbnail(around[0]), others):
        return "the video's frame of that number is no more like the image than other frames"
    return None


def _difference(one: Picture, other: Picture) -> float:
    """Mean absolute difference in gray levels; the cameras' colours do not count."""
    first, second = (cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY) for picture in (one, other))
    return float(np.mean(cv2.absdiff(first, second)))


def _written(picture: Picture, target: Path) -> Picture:
    """Write a picture in the format that its name ends in, without loss where the format can."""
    lossy = target.suffix.lower() in (".jpg", ".jpeg")
    options = (cv2.IMWRITE_JPEG_QUALITY, 98) if lossy else ()
    try:
        done, encoded = cv2.imencode(
            target.suffix, cv2.cvtColor(picture, cv2.COLOR_RGB2BGR), options
        )
    except cv2.error:
        done, encoded = False, np.empty(0, np.uint8)
    if not done:
        raise ImageFileError(f"no picture can be written as '{target.suffix}'", where=target)
    with atomic_write(target) as temporary:
        temporary.write_bytes(encoded.tobytes())
    return picture


def _copy(file: Path, target: Path) -> None:
    with atomic_write(target) as temporary:
        shutil.copyfile(file, temporary)


def count_neighbours(images: Sequence[ImageSource]) -> int:
    """How many image files are neighbours of a labelled one, and not labelled themselves."""
    labelled = {image.file for image in images}
    found = {
        image.file.with_name(Path(name).name)
        for image in images
        if image.file is not None
        for offset in OFFSETS
        if (name := neighbour_name(image.name, offset)) is not None
    }
    return sum(file.is_file() for file in found - labelled)
