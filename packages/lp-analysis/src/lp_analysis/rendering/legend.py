"""The panel that names the keypoints beside a picture."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np

from lp_analysis.rendering.palette import Colour
from lp_analysis.rendering.text import PAPER, Picture, fit_text, line_height, text_width, write_text

_WIDEST = 16  # text heights; longer names are cut


def legend_panel(
    keypoint_names: Sequence[str], colours: Sequence[Colour], height: int, text_size: int
) -> Picture:
    """A panel that names the keypoints, each behind a disc of its colour; sizes are in px.

    Where the height cannot hold all names in one column, there are more.

    Returns:
        (height, width, 3), as wide as the names need.
    """
    line = line_height(text_size)
    per_column = max((height - line) // line, 1)
    starts = range(0, len(keypoint_names), per_column)
    parts = [slice(start, start + per_column) for start in starts]
    columns = [_column(keypoint_names[p], colours[p], height, text_size) for p in parts]
    return np.hstack(columns) if columns else np.zeros((height, 0, 3), np.uint8)


def _column(
    names: Sequence[str], colours: Sequence[Colour], height: int, text_size: int
) -> Picture:
    line = line_height(text_size)
    names = [fit_text(name, text_size, _WIDEST * text_size) for name in names]
    width = max(text_width(name, text_size) for name in names) + 2 * line
    panel = np.full((height, width, 3), PAPER, np.uint8)
    for row, (name, colour) in enumerate(zip(names, colours, strict=True)):
        y = line + row * line
        centre = (round(0.8 * line), y)
        cv2.circle(panel, centre, max(3, round(0.36 * text_size)), colour, cv2.FILLED, cv2.LINE_AA)
        write_text(panel, name, 1.4 * line, float(y), size=text_size)
    return panel
