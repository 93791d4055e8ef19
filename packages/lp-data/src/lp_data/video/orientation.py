"""How a video is turned for display."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from jaxtyping import UInt8
from numpy import ndarray

from lp_data.errors import VideoError

if TYPE_CHECKING:
    from av.video.frame import VideoFrame


class Orientation(NamedTuple):
    """How a picture is turned for display, by one of the eight right-angled ways.

    Rows and columns are swapped first; then it is mirrored left to right (x) and top to bottom (y).
    """

    transpose: bool
    flip_x: bool
    flip_y: bool

    @classmethod
    def of(cls, frame: VideoFrame) -> Orientation:
        """Read the display matrix of ``frame`` (ISO/IEC 14496-12 §8.5): x' = ax + cy, y' = bx + dy.

        Raises:
            VideoError: The video's metadata asks for an angle that is not a multiple of 90°.
        """
        matrix: Any = frame.side_data.get("DISPLAYMATRIX")
        if matrix is None:
            return cls(False, False, False)
        a, b, _, c, d = np.frombuffer(bytes(matrix), np.int32)[:5].tolist()
        if a and d and not b and not c:
            return cls(False, a < 0, d < 0)
        if b and c and not a and not d:
            return cls(True, c < 0, b < 0)
        raise VideoError(
            "the video is marked to be shown at an angle that is not a multiple of 90°",
            remedy="re-encode it upright",
        )

    @property
    def mirrors(self) -> bool:
        """Whether it is more than a rotation."""
        return (self.transpose + self.flip_x + self.flip_y) % 2 == 1

    def size(self, height: int, width: int) -> tuple[int, int]:
        """(height, width) after turning."""
        return (width, height) if self.transpose else (height, width)

    def apply(self, picture: UInt8[ndarray, ...]) -> UInt8[ndarray, ...]:
        """The picture (H, W) or (H, W, 3) as displayed; a view where it is not turned at all."""
        if not any(self):
            return picture
        if self.transpose:
            picture = picture.swapaxes(0, 1)
        turned = picture[:: -1 if self.flip_y else 1, :: -1 if self.flip_x else 1]
        return np.ascontiguousarray(turned)
