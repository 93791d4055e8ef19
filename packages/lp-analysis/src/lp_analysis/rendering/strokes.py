"""Smooth circles and lines at sub-pixel positions, drawn into a picture in place."""

from __future__ import annotations

import math
from collections.abc import Sequence

import cv2
import numpy as np
from jaxtyping import Float
from numpy import ndarray

from lp_analysis.rendering.palette import Colour, contrast
from lp_analysis.rendering.text import INK, PAPER, Picture

_BITS = 4
_UNIT = 2**_BITS

FixedPoint = tuple[int, int]
"""x and y in sixteenths of a px, as OpenCV takes them; (0, 0) is the centre of the first pixel."""


def fixed_points(points: Float[ndarray, "points 2"]) -> list[FixedPoint | None]:
    """Points in px of the picture as OpenCV takes them; None for those that are missing."""
    known = np.isfinite(points).all(axis=-1).tolist()
    places = np.rint(np.nan_to_num(points) * _UNIT).astype(np.int64).tolist()
    return [(x, y) if is_known else None for (x, y), is_known in zip(places, known, strict=True)]


def pixels(points: Sequence[FixedPoint | None]) -> Float[ndarray, "_known 2"]:
    """The points that are not missing, in px of the picture."""
    known = [point for point in points if point is not None]
    return np.array(known, np.float64).reshape(-1, 2) / _UNIT


def draw_line(
    picture: Picture, start: FixedPoint | None, end: FixedPoint | None, colour: Colour, width: float
) -> None:
    """A line of that width in px; nothing where an end is missing."""
    if start is not None and end is not None:
        cv2.line(picture, start, end, colour, max(1, round(width)), cv2.LINE_AA, _BITS)


def draw_ring(
    picture: Picture, centre: FixedPoint, radius: float, colour: Colour, width: float
) -> None:
    """A circle of that radius and width in px."""
    reach = round(radius * _UNIT)
    cv2.circle(picture, centre, reach, colour, max(1, round(width)), cv2.LINE_AA, _BITS)


def draw_cross(
    picture: Picture, centre: FixedPoint, reach: float, colour: Colour, width: float
) -> None:
    """Two crossing diagonals that reach so far to the side, with a rim; sizes are in px."""
    x, y, far = *centre, round(reach * _UNIT)
    ends = [((x - far, y - far), (x + far, y + far)), ((x - far, y + far), (x + far, y - far))]
    for drawn, wide in ((rim_of(colour), 2.2 * width), (colour, width)):
        for start, end in ends:
            draw_line(picture, start, end, drawn, wide)


def rim_of(colour: Colour) -> Colour:
    """The colour around a disc, dark or light, so that one of the two shows on any ground."""
    return max((PAPER, INK), key=lambda rim: contrast(rim, colour))


def draw_disc(
    picture: Picture, centre: FixedPoint, radius: float, colour: Colour, opacity: float
) -> None:
    """A disc of that radius in px with a rim, which shows on light and dark ground."""
    rim = max(1.0, 0.35 * radius)
    reach = math.ceil(radius + rim) + 2
    x, y = centre[0] // _UNIT, centre[1] // _UNIT
    left, top = max(x - reach, 0), max(y - reach, 0)
    around = picture[top : max(y + reach + 2, 0), left : max(x + reach + 2, 0)]
    if around.size == 0:
        return
    overlay = around.copy()
    place = (centre[0] - left * _UNIT, centre[1] - top * _UNIT)
    for reached, filling in ((radius + rim, rim_of(colour)), (radius, colour)):
        cv2.circle(overlay, place, round(reached * _UNIT), filling, cv2.FILLED, cv2.LINE_AA, _BITS)
    around[:] = cv2.addWeighted(overlay, opacity, around, 1 - opacity, 0)
