"""The panel beside a picture that says what its colours mean."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import cv2
import numpy as np

from lp_analysis.rendering.palette import Colour
from lp_analysis.rendering.text import PAPER, Picture, fit_text, line_height, text_width, write_text

_WIDEST = 16  # text heights; longer names are cut


class LegendEntry(NamedTuple):
    """A name behind the sign of its colour.

    Attributes:
        name: Cut where it is long.
        colour: Of the sign.
        wide: Whether the sign is a bar; else it is a disc.
        cross: Whether it is a cross.
    """

    name: str
    colour: Colour
    wide: bool = False
    cross: bool = False


def legend_panel(entries: Sequence[LegendEntry], height: int, text_size: int) -> Picture:
    """A panel that explains colours; sizes are in px.

    Where the height cannot hold all names in one column, there are more.

    Returns:
        (height, width, 3), as wide as the names need.
    """
    line = line_height(text_size)
    per_column = max((height - line) // line, 1)
    starts = range(0, len(entries), per_column)
    columns = [_column(entries[start : start + per_column], height, text_size) for start in starts]
    return np.hstack(columns) if columns else np.zeros((height, 0, 3), np.uint8)


def _column(entries: Sequence[LegendEntry], height: int, text_size: int) -> Picture:
    line = line_height(text_size)
    names = [fit_text(entry.name, text_size, _WIDEST * text_size) for entry in entries]
    width = max(text_width(name, text_size) for name in names) + 2 * line
    panel = np.full((height, width, 3), PAPER, np.uint8)
    for row, (name, entry) in enumerate(zip(names, entries, strict=True)):
        y = line + row * line
        _draw_sign(panel, entry, (round(0.8 * line), y), max(3, round(0.36 * text_size)))
        write_text(panel, name, 1.4 * line, float(y), size=text_size)
    return panel


def _draw_sign(panel: Picture, entry: LegendEntry, centre: tuple[int, int], radius: int) -> None:
    if entry.cross:
        x, y = centre
        for slope in (-1, 1):
            ends = (x - radius, y - slope * radius), (x + radius, y + slope * radius)
            cv2.line(panel, *ends, entry.colour, max(1, radius // 3), cv2.LINE_AA)
    elif entry.wide:
        x, y, half = *centre, max(1, radius // 2)
        cv2.rectangle(
            panel, (x - radius - 2, y - half), (x + radius + 2, y + half), entry.colour, cv2.FILLED
        )
    else:
        cv2.circle(panel, centre, radius, entry.colour, cv2.FILLED, cv2.LINE_AA)
