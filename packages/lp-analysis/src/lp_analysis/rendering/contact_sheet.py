"""Many pictures on one sheet."""

from __future__ import annotations

import math
from collections.abc import Sequence

import cv2
import numpy as np

from lp_analysis.errors import RenderingError
from lp_analysis.rendering.text import PAPER, Picture, stamp_text

GAP = 6


def contact_sheet(
    pictures: Sequence[Picture],
    *,
    columns: int | None = None,
    captions: Sequence[str] = (),
    width: int = 1280,
) -> Picture:
    """A sheet of pictures in rows, in reading order.

    Args:
        pictures: (H, W, 3) RGB each; sizes may differ: each is fitted into the cell of the first's
            shape.
        columns: Pictures per row; None makes the sheet about as wide as one and a half times its
            height.
        captions: A text for the lower left corner of each; or none.
        width: Of the sheet in px.

    Returns:
        (height, width, 3), dark between the pictures.

    Raises:
        RenderingError: There is no picture, or not one caption for each.
    """
    if not pictures or (captions and len(captions) != len(pictures)):
        raise RenderingError(f"{len(pictures)} pictures and {len(captions)} captions")
    height, first_width = pictures[0].shape[:2]
    columns = columns or _suitable_columns(len(pictures), height / first_width)
    columns = min(columns, len(pictures))
    cell_width = max((width - GAP * (columns + 1)) // columns, 1)
    cell = (max(round(cell_width * height / first_width), 1), cell_width)
    rows = math.ceil(len(pictures) / columns)
    sheet = np.full((rows * (cell[0] + GAP) + GAP, width, 3), PAPER, np.uint8)
    for number, picture in enumerate(pictures):
        fitted = _fitted(picture, cell)
        if captions:
            stamp_text(fitted, captions[number], size=max(10, round(0.045 * cell[0])))
        top = GAP + number // columns * (cell[0] + GAP)
        left = GAP + number % columns * (cell[1] + GAP)
        sheet[top : top + cell[0], left : left + cell[1]] = fitted
    return sheet


def _suitable_columns(count: int, aspect: float) -> int:
    """Columns that make a sheet of ``count`` pictures about 3 : 2; aspect is height / width."""
    return max(1, round(math.sqrt(1.5 * count * aspect)))


def _fitted(picture: Picture, cell: tuple[int, int]) -> Picture:
    """The picture as large as (height, width) allows, in the middle of it."""
    scale = min(cell[0] / picture.shape[0], cell[1] / picture.shape[1])
    size = (max(round(picture.shape[0] * scale), 1), max(round(picture.shape[1] * scale), 1))
    method = cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC
    small = cv2.resize(picture, size[::-1], interpolation=method)
    fitted = np.full((*cell, 3), PAPER, np.uint8)
    top, left = (cell[0] - size[0]) // 2, (cell[1] - size[1]) // 2
    fitted[top : top + size[0], left : left + size[1]] = small
    return fitted
