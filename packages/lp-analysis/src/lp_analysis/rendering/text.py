"""Text on pictures: any script that the font of matplotlib knows, evenly smoothed."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

import matplotlib
import numpy as np
from jaxtyping import UInt8
from numpy import ndarray
from PIL import Image, ImageDraw, ImageFont

from lp_analysis.rendering.palette import Colour
from lp_core.text import printable

Picture = UInt8[ndarray, "_height _width 3"]

Area = tuple[int, int, int, int]
"""Left, top, right and bottom in px of a picture; the last two are beyond it."""

PAPER: Colour = (16, 19, 23)
INK: Colour = (240, 242, 245)
_OPACITY = 0.62


@lru_cache(maxsize=16)
def _font(size: int) -> ImageFont.FreeTypeFont:
    path = Path(matplotlib.get_data_path()) / "fonts" / "ttf" / "DejaVuSans.ttf"
    return ImageFont.truetype(str(path), size)


def text_width(text: str, size: int) -> int:
    """Width in px of a line of text of that size."""
    return int(np.ceil(_font(size).getlength(printable(text))))


def line_height(size: int) -> int:
    """Height in px of a line of text of that size, with room around it."""
    return round(1.5 * size)


def fit_text(text: str, size: int, width: int) -> str:
    """The text, cut with an ellipsis where it is wider than ``width`` px."""
    if text_width(text, size) <= width:
        return text
    while text and text_width(text + "…", size) > width:
        text = text[:-1]
    return text + "…"


def write_text(
    picture: Picture, text: str, x: float, y: float, *, size: int, colour: Colour = INK
) -> None:
    """Write a line of text onto a picture, in place; control characters become spaces.

    It begins at ``x``, and its middle is at ``y``; both, and the size of the font, are in px of the
    picture.
    """
    canvas = Image.fromarray(picture)
    draw = ImageDraw.Draw(canvas)
    draw.text((x, y), printable(text), font=_font(size), fill=colour, anchor="lm")
    picture[:] = np.asarray(canvas)


def stamp_text(picture: Picture, text: str, *, size: int) -> None:
    """Write text into the lower left corner, on a darkened ground, in place."""
    _, top, right, _ = stamp_area(picture, text, size=size)
    text = fit_text(text, size, picture.shape[1] - size)
    darkened = picture[top:, :right]
    write_on_ground(darkened, text, size=size)


def stamp_area(picture: Picture, text: str, *, size: int) -> Area:
    """What `stamp_text` covers."""
    height, width = picture.shape[:2]
    text = fit_text(text, size, width - size)
    return 0, max(height - line_height(size), 0), min(text_width(text, size) + size, width), height


def write_on_ground(area: Picture, text: str, *, size: int, opacity: float = _OPACITY) -> None:
    """Darken a part of a picture, and write a line of text in its middle, in place."""
    area[:] = area * (1 - opacity) + np.array(PAPER) * opacity
    write_text(area, text, size / 2, area.shape[0] / 2, size=size)
