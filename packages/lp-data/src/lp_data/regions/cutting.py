"""Cut frames to boxes, and say where model px are in the frame."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float, UInt8
from numpy import ndarray
from torch import Tensor

from lp_core.geometry import affine
from lp_core.regions import Box
from lp_core.video import Frames, VideoSource
from lp_data.errors import BoxFileError
from lp_data.images import Image, resize
from lp_data.video.base import Source


def cut(image: Image, box: Box | None) -> UInt8[ndarray, "rows columns 3"]:
    """The pixels of a box (None for all) of an image (H, W, 3); those beyond the frame are black.

    Returns:
        (height, width, 3): pixel (0, 0) is pixel (x, y) of the frame. A view of the image where
        the box is within it.

    Raises:
        BoxFileError: No pixel of the frame is in the box.
    """
    if box is None:
        return image
    height, width = image.shape[:2]
    left, top = max(box.x, 0), max(box.y, 0)
    right, bottom = min(box.x + box.width, width), min(box.y + box.height, height)
    if left >= right or top >= bottom:
        raise _outside(box, (height, width))
    inside = image[top:bottom, left:right]
    if inside.shape[:2] == (box.height, box.width):
        return inside
    padded = np.zeros((box.height, box.width, 3), np.uint8)
    padded[top - box.y : bottom - box.y, left - box.x : right - box.x] = inside
    return padded


def _outside(box: Box, frame_size: tuple[int, int], of: str = "") -> BoxFileError:
    return BoxFileError(
        f"the box {of}x {box.x}, y {box.y}, h {box.height}, w {box.width} lies outside a frame of "
        f"{frame_size[1]} x {frame_size[0]} px",
        remedy="boxes are in pixels of the whole frame: give images that are not cut yet",
    )


def resized_part(
    image: Image, box: Box | None, size: tuple[int, int]
) -> UInt8[ndarray, "rows columns 3"]:
    """The pixels of a box (None for all) of an image (H, W, 3) at (height, width) ``size``.

    Raises:
        BoxFileError: No pixel of the frame is in the box.
    """
    return resize(np.ascontiguousarray(cut(image, box)), size)


def cutting(frame_size: tuple[int, int], box: Box | None, size: tuple[int, int]) -> Tensor:
    """The map (2, 3) from frame px to model px of a box that is cut out and resized to ``size``.

    Without a box, the whole frame of (height, width) ``frame_size`` is resized.
    """
    if box is None:
        return affine.resizing(frame_size, size)
    return affine.compose(
        affine.cropping(float(box.x), float(box.y)), affine.resizing((box.height, box.width), size)
    )


def reaches_over(box: Box | None, frame_size: tuple[int, int]) -> bool:
    """Whether a part of a box is beyond the edge of a frame of (height, width)."""
    if box is None:
        return False
    ends = box.x + box.width > frame_size[1] or box.y + box.height > frame_size[0]
    return box.x < 0 or box.y < 0 or ends


class CutVideo(Source):
    """A video cut to one box for each frame, at model size: a `lp_core.video.VideoSource`.

    ``size`` is that of the whole frames.

    Args:
        source: The video, with frames at their own size; it is closed with this one.
        boxes: For each frame its box; a mapping where only some frames are read.
        size: (height, width) in model px.

    Raises:
        BoxFileError: A box lies outside the frame.
    """

    def __init__(
        self,
        source: VideoSource,
        boxes: Sequence[Box | None] | Mapping[int, Box | None],
        size: tuple[int, int],
    ) -> None:
        super().__init__(getattr(source, "path", Path()), size)
        self.fps, self.size = source.fps, source.size
        self._source, self._boxes = source, boxes
        height, width = self.size
        of_frames = boxes.items() if isinstance(boxes, Mapping) else enumerate(boxes)
        for number, box in of_frames:
            if box is None or (-box.width < box.x < width and -box.height < box.y < height):
                continue
            raise _outside(box, self.size, f"of frame {number}, ")

    @property
    def number_over_edge(self) -> int:
        """How many boxes reach over the edge of the frame, where their images are black."""
        boxes = self._boxes.values() if isinstance(self._boxes, Mapping) else self._boxes
        return sum(reaches_over(box, self.size) for box in boxes)

    @property
    def moves(self) -> bool:
        """Whether the box is not the same in all frames."""
        boxes = self._boxes.values() if isinstance(self._boxes, Mapping) else self._boxes
        return len(set(boxes)) > 1

    def __len__(self) -> int:
        return len(self._source)

    def windows(self, frames: range, margin: int) -> UInt8[Tensor, "frames context 3 height width"]:
        """Frames with so many before and after, all cut to the box of the one in the middle.

        The first and the last frame stand for those beyond.
        """
        places = np.clip(np.arange(frames.start - margin, frames.stop + margin), 0, len(self) - 1)
        run = self._source.read_indices(places.tolist())
        found = [
            np.stack([resized_part(frame, self._boxes[number], self.output_size) for frame in some])
            for at, number in enumerate(frames)
            for some in [run[at : at + 2 * margin + 1]]
        ]
        return torch.from_numpy(np.stack(found)).permute(0, 1, 4, 2, 3)

    def to_frame(self, start: int, stop: int) -> Float[Tensor, "frames 2 3"]:
        """Maps from model px to frame px; the first and last stand for those beyond."""
        numbers = np.clip(np.arange(start, stop), 0, len(self) - 1)
        maps = [cutting(self.size, self._boxes[number], self.output_size) for number in numbers]
        return affine.invert(torch.stack(maps)).float()

    def _decode(self, indices: Sequence[int], out: Frames) -> None:
        frames = self._source.read_indices(indices)
        for frame, number, image in zip(frames, indices, out, strict=True):
            image[...] = resized_part(frame, self._boxes[number], self.output_size)

    def _release(self) -> None:
        self._source.close()
