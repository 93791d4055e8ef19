"""Calibration boards: which one it is, and where its corners are in an image."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from jaxtyping import Float, UInt8
from numpy import ndarray

from lp_analysis.errors import TriangulationError

_FORM = re.compile(
    r"(?P<kind>checkerboard|charuco):(?P<columns>\d+)x(?P<rows>\d+):(?P<square>[\d.]+)"
    r"(?::(?P<marker>[\d.]+):(?P<dictionary>\w+)(?P<legacy>:legacy)?)?",
    re.ASCII,
)
_EXAMPLES = "checkerboard:10x7:25 or charuco:7x5:30:22:DICT_4X4_50, in squares and mm"


@dataclass(frozen=True)
class Board:
    """A flat board of black and white squares.

    Attributes:
        columns: Squares in a row, not inner corners.
        rows: Squares in a column.
        square: Side of a square in world units.
        marker: Side of a marker of a ChArUco board; None for a checkerboard.
        dictionary: Name of its markers in OpenCV, such as ``DICT_4X4_50``.
        legacy: Whether it was drawn by OpenCV before 4.7.

    Raises:
        TriangulationError: It has too few squares, looks the same upside down, or its markers are
            not known.
    """

    columns: int
    rows: int
    square: float
    marker: float | None = None
    dictionary: str = ""
    legacy: bool = False

    def __post_init__(self) -> None:
        if min(self.columns, self.rows) < 3 or not self.square > 0:
            raise TriangulationError("a board has at least 3 × 3 squares of a size above 0")
        if self.marker is None:
            if (self.columns + self.rows) % 2 == 0:
                raise TriangulationError(
                    f"a checkerboard of {self.columns} × {self.rows} squares looks the same upside "
                    "down",
                    remedy="use one with an even and an odd number of squares, or a ChArUco board",
                )
        elif not 0 < self.marker < self.square:
            raise TriangulationError("a marker must be smaller than its square")
        elif not (self.dictionary.startswith("DICT_") and hasattr(cv2.aruco, self.dictionary)):
            raise TriangulationError(
                f"OpenCV has no markers '{self.dictionary}'", remedy="such as DICT_4X4_50"
            )

    @classmethod
    def parse(cls, text: str) -> Board:
        """The board of a text such as ``charuco:7x5:30:22:DICT_4X4_50``.

        Raises:
            TriangulationError: The text has another form.
        """
        found = _FORM.fullmatch(text)
        if found is None or (found["kind"] == "charuco") != (found["marker"] is not None):
            raise TriangulationError(f"'{text}' is not a board", remedy=f"such as {_EXAMPLES}")
        return cls(
            int(found["columns"]),
            int(found["rows"]),
            float(found["square"]),
            None if found["marker"] is None else float(found["marker"]),
            found["dictionary"] or "",
            found["legacy"] is not None,
        )

    @property
    def corners(self) -> Float[ndarray, "corners 3"]:
        """Where its inner corners are on it: x along rows, y along columns, z = 0."""
        y, x = np.mgrid[1 : self.rows, 1 : self.columns]
        flat = np.stack([x.ravel(), y.ravel(), np.zeros(x.size)], axis=-1)
        return flat * self.square

    def detector(self) -> BoardDetector:
        """What finds it in images."""
        return BoardDetector(self)


class BoardDetector:
    """Finds the corners of a board in images."""

    def __init__(self, board: Board) -> None:
        self.board = board
        self._charuco: Any = None
        if board.marker is not None:
            markers = cv2.aruco.getPredefinedDictionary(getattr(cv2.aruco, board.dictionary))
            size = board.columns, board.rows
            drawn = cv2.aruco.CharucoBoard(size, board.square, board.marker, markers)
            drawn.setLegacyPattern(board.legacy)
            self._charuco = cv2.aruco.CharucoDetector(drawn)

    def find(self, image: UInt8[ndarray, "height width"]) -> Float[ndarray, "corners 2"]:
        """The corners in frame px, in the order of `Board.corners`; NaN where one is not seen."""
        found = np.full((len(self.board.corners), 2), np.nan)
        if self._charuco is None:
            corners = self._checkerboard(image)
            return found if corners is None else corners
        corners, ids, _, _ = self._charuco.detectBoard(image)
        if ids is not None and len(ids):
            found[np.ravel(ids)] = np.reshape(corners, (-1, 2))
        return found

    def _checkerboard(self, image: UInt8[ndarray, "height width"]) -> ndarray | None:
        size = self.board.columns - 1, self.board.rows - 1
        seen, corners = cv2.findChessboardCornersSB(image, size)
        if not seen:
            return None
        grid = np.asarray(corners, float).reshape(size[1], size[0], 2)
        along, down = grid[0, -1] - grid[0, 0], grid[-1, 0] - grid[0, 0]
        if along[0] * down[1] - along[1] * down[0] < 0:  # seen from behind, which cannot be
            grid = grid[::-1]
        first, last = (_brightness(image, cell) for cell in (grid[:2, :2], grid[-2:, -2:]))
        if first > last:  # upside down: the cell next to the first corner is black
            grid = grid[::-1, ::-1]
        return np.ascontiguousarray(grid.reshape(-1, 2))


def _brightness(image: ndarray, corners: Float[ndarray, "2 2 2"]) -> float:
    """How bright the cell between four corners is."""
    x, y = np.rint(corners.reshape(4, 2).mean(axis=0)).astype(int)
    return float(image[max(y - 1, 0) : y + 2, max(x - 1, 0) : x + 2].mean())
