"""Read and resize images: one way for labelled images and video frames alike."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
from jaxtyping import Bool, Float, UInt8
from numpy import ndarray

from lp_core.paths import find_file, nearest_file
from lp_data.errors import ImageFileError

Image = UInt8[ndarray, "height width 3"]
IMAGE_FILES = frozenset({".png", ".jpg", ".jpeg", ".tif", ".tiff", ".bmp", ".webp"})
"""The endings of the files that `read_image` reads, in lower case."""


def read_image(path: str | Path) -> Image:
    """Read an image file as RGB.

    Gray becomes three equal channels, an alpha channel is dropped, and 16 bits are scaled to 8 over
    their full range. Orientation tags are not applied: labels refer to the pixels as stored.

    Args:
        path: A PNG, JPEG, TIFF, BMP or WebP file.

    Returns:
        (H, W, 3) in frame px.

    Raises:
        ImageFileError: The file is missing, or cannot be decoded, or has other kinds of pixels.
    """
    path = Path(path)
    return to_rgb(_decode(path, _read_bytes(path)), path)


def image_file(data_dir: Path, name: str) -> Path:
    """The file of an image that a label file names; where there is none, the path it would have.

    See `lp_core.paths.find_file`.
    """
    return find_file(data_dir, name) or data_dir / name


def missing_image_remedy(data_dir: Path, name: str) -> str:
    """What to do about an image that a label file names and that is not there."""
    nearest = nearest_file(data_dir, name)
    if nearest is None:
        return "restore the image, or remove the row"
    return f"there is '{nearest}': write this name in the label file, or rename the image"


def to_rgb(image: ndarray, path: Path) -> Image:
    """Pixels (H, W) or (H, W, channels in OpenCV's order), as `read_image` takes them, as RGB.

    Raises:
        ImageFileError: The pixels of the file ``path`` are of another kind.
    """
    if image.dtype == np.uint16:
        image = np.round(image / 257.0).astype(np.uint8)
    if image.dtype != np.uint8:
        problem = f"the pixels are of type {image.dtype}, not integers of 8 or 16 bits"
        raise ImageFileError(problem, where=path, remedy="convert the image to 8 bits")
    if image.ndim == 2:
        return cv2.cvtColor(image, cv2.COLOR_GRAY2RGB)
    if image.shape[2] == 2:  # gray with alpha
        return cv2.cvtColor(np.ascontiguousarray(image[..., 0]), cv2.COLOR_GRAY2RGB)
    code = cv2.COLOR_BGRA2RGB if image.shape[2] == 4 else cv2.COLOR_BGR2RGB
    return cv2.cvtColor(image, code)


def _read_bytes(path: Path) -> bytes:
    try:
        content = path.read_bytes()
    except FileNotFoundError as error:
        raise ImageFileError("there is no such image", where=path) from error
    except OSError as error:
        raise ImageFileError(f"the image cannot be opened: {error.strerror}", where=path) from error
    if not content:
        raise ImageFileError("the image file is empty", where=path)
    return content


def _decode(path: Path, content: bytes) -> ndarray:
    """The stored pixels, with whatever type and channels the file has."""
    try:
        image = cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_UNCHANGED)
    except cv2.error:  # such as a size beyond all measure
        image = None
    if image is None:
        raise ImageFileError(
            "the file cannot be decoded as an image",
            where=path,
            remedy="check that it opens in an image viewer; it may be damaged or cut short",
        )
    return image


def image_size(path: str | Path) -> tuple[int, int]:
    """(height, width) of an image file in frame px; it decodes the image, so it also proves it.

    Raises:
        ImageFileError: As `read_image`.
    """
    height, width, _ = read_image(path).shape
    return height, width


def on_image(
    points: Float[ndarray, "*points 2"], size: tuple[int, int]
) -> Bool[ndarray, "*points"]:
    """Which points (x, y) are on an image of (height, width), NaN being nowhere.

    It reaches half a pixel beyond the centres of its outermost pixels.
    """
    limit = np.array([size[1], size[0]]) - 0.5
    return np.all((points >= -0.5) & (points < limit), axis=-1)


def interpolation(source: tuple[int, int], target: tuple[int, int]) -> int:
    """OpenCV's code of how to resize from ``source`` to ``target``, each (height, width) in pixels.

    Areas are averaged where both sides shrink to half or less, so that fine detail does not turn
    into moiré; otherwise pixels are interpolated bilinearly, which is quicker. Both respect pixel
    centres.
    """
    halves = all(2 * after <= before for before, after in zip(source, target, strict=True))
    return int(cv2.INTER_AREA if halves else cv2.INTER_LINEAR)


def resize(image: Image, size: tuple[int, int]) -> UInt8[ndarray, "rows columns 3"]:
    """Resize an image (H, W, 3) from frame px to (height, width) ``size`` in model px.

    The map of coordinates is `lp_core.geometry.affine.resizing`. An image of that size already is
    returned itself.
    """
    source = (image.shape[0], image.shape[1])
    if source == size:
        return image
    return cv2.resize(image, (size[1], size[0]), interpolation=interpolation(source, size))
