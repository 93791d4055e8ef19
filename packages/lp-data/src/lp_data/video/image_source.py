"""Folders of images and image stacks, read as videos."""

from __future__ import annotations

import os
import struct
from abc import abstractmethod
from collections.abc import Sequence
from contextlib import suppress
from fractions import Fraction
from pathlib import Path
from typing import BinaryIO, NamedTuple

import cv2

from lp_core.video import Frames
from lp_data.errors import ImageFileError, VideoError
from lp_data.images import IMAGE_FILES, Image, read_image, resize, to_rgb
from lp_data.video.base import Source
from lp_data.video.listing import find_images

STACKS = frozenset({".tif", ".tiff"})


class _ImageSource(Source):
    """What folders and stacks share: pictures that are read one at a time.

    Args:
        path: The folder or the file.
        resize_to: (height, width) of the frames returned, or None for their own size.
    """

    priority = 10
    fps = Fraction(30)  # images do not say when they were taken

    def __init__(self, path: Path, *, resize_to: tuple[int, int] | None = None) -> None:
        super().__init__(path, resize_to)
        first = self._checked_image(0)
        self.size = (first.shape[0], first.shape[1])

    @abstractmethod
    def _image(self, index: int) -> Image:
        """The picture of frame ``index``."""

    def _decode(self, indices: Sequence[int], out: Frames) -> None:
        for row, index in enumerate(indices):
            image = self._checked_image(index)
            if image.shape[:2] != self.size:
                raise self._error(
                    f"the image is {image.shape[1]}×{image.shape[0]} px, but the first one is "
                    f"{self.size[1]}×{self.size[0]} px",
                    index,
                    "keep images of one size in one folder or stack",
                )
            out[row] = resize(image, self.output_size)

    def _checked_image(self, index: int) -> Image:
        try:
            return self._image(index)
        except ImageFileError as error:
            raise self._error(error.problem, index, error.remedy) from error

    def _release(self) -> None:
        """Nothing stays open between images."""


class ImageFolderSource(_ImageSource):
    """The images of a folder, one a frame, in the order of `find_images`; or a single image.

    Raises:
        VideoError: There is no image in it, or the first one cannot be read.
    """

    def __init__(self, path: Path, *, resize_to: tuple[int, int] | None = None) -> None:
        self.files = find_images(path).files if path.is_dir() else (path,)
        if not self.files:
            raise VideoError(
                "the folder holds no images",
                where=path,
                remedy=f"images end in one of {', '.join(sorted(IMAGE_FILES))}",
            )
        super().__init__(path, resize_to=resize_to)

    @classmethod
    def refusal(cls, path: Path) -> str | None:
        """Why ``path`` cannot be read with this reader, or None."""
        is_image = path.suffix.lower() in IMAGE_FILES - STACKS and path.is_file()
        return None if path.is_dir() or is_image else "neither a folder nor an image"

    def __len__(self) -> int:
        return len(self.files)

    def _image(self, index: int) -> Image:
        return read_image(self.files[index])

    def _error(
        self, problem: str, frame: int | None = None, remedy: str | None = None
    ) -> VideoError:
        place = self.path if frame is None else f"{self.files[frame]}, frame {frame}"
        return VideoError(problem, where=place, remedy=remedy)


class ImageStackSource(_ImageSource):
    """The pages of a TIFF file, one a frame.

    Raises:
        VideoError: It is not a TIFF file, or its first page cannot be read.
    """

    def __init__(self, path: Path, *, resize_to: tuple[int, int] | None = None) -> None:
        self._pages = _count_pages(path)
        super().__init__(path, resize_to=resize_to)
        if lacks_pages(path):
            self.damage = f"truncated image stack: {self._pages} pages readable"

    @classmethod
    def refusal(cls, path: Path) -> str | None:
        """Why ``path`` cannot be read with this reader, or None."""
        return None if path.suffix.lower() in STACKS and path.is_file() else "not a TIFF file"

    def __len__(self) -> int:
        return self._pages

    def _image(self, index: int) -> Image:
        found, pages = cv2.imreadmulti(str(self.path), index, 1, flags=cv2.IMREAD_UNCHANGED)
        if not found or not pages:
            raise ImageFileError("the page cannot be decoded as an image")
        return to_rgb(pages[0], self.path)


def _count_pages(path: Path) -> int:
    with suppress(cv2.error):
        if pages := int(cv2.imcount(str(path))):
            return pages
    raise VideoError("the file cannot be decoded as an image stack", where=path)


class _Layout(NamedTuple):
    """How a kind of TIFF file is written."""

    first: int  # where the place of the first page's directory is
    places: str  # the format of places, for `struct`
    counts: str  # the format of the number of a directory's entries
    entry: int  # bytes of an entry


_LAYOUTS = {
    b"II*\0": _Layout(4, "<I", "<H", 12),
    b"MM\0*": _Layout(4, ">I", ">H", 12),
    b"II+\0": _Layout(8, "<Q", "<Q", 20),
    b"MM\0+": _Layout(8, ">Q", ">Q", 20),
}


def lacks_pages(path: Path) -> bool:
    """Whether a TIFF file, small or big, names a page that lies beyond its end.

    Each page's directory names the next one's place (TIFF 6.0, section 2). The pixels are not
    looked for.
    """
    with path.open("rb") as file:
        layout = _LAYOUTS.get(file.read(4))
        place, seen = layout.first if layout else 0, set[int]()
        while layout and place not in seen:
            seen.add(place)
            directory = _number(file, place, layout.places)
            if directory == 0:
                return False
            entries = _number(file, directory, layout.counts) if directory else None
            if directory is None or entries is None:
                return True
            place = directory + struct.calcsize(layout.counts) + entries * layout.entry
    return False


def _number(file: BinaryIO, place: int, form: str) -> int | None:
    """The number at a place of the file; None where the file ends before."""
    if place > os.fstat(file.fileno()).st_size:
        return None
    file.seek(place)
    data = file.read(struct.calcsize(form))
    return int(struct.unpack(form, data)[0]) if len(data) == struct.calcsize(form) else None
