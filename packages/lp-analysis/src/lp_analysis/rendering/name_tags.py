"""The names of animals beside them, where they cover as little as possible."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from lp_analysis.rendering.palette import Colour
from lp_analysis.rendering.text import (
    Area,
    Picture,
    fit_text,
    text_width,
    write_on_ground,
)

Points = Float[ndarray, "_points 2"]

_OPACITY = 0.8  # of the ground: white text on it has a contrast of 8 even where the frame is white
_WIDEST = 12  # text heights; longer names are cut
_LESS_LIKED = 0.01  # keypoints that each further place is worth
_OVERLAP = 5.0  # keypoints that a tag which is covered is worth


class NameTag(NamedTuple):
    """A name and what it is of.

    Attributes:
        name: Cut where it is long.
        colour: Of the bar in front of it.
        points: (N, 2) the keypoints of the animal in px of the picture; none for no tag.
    """

    name: str
    colour: Colour
    points: Points


def draw_name_tags(
    picture: Picture,
    tags: Sequence[NameTag],
    others: Sequence[Points] = (),
    taken: Sequence[Area] = (),
    *,
    size: int,
    margin: float,
) -> None:
    """Write each name beside its animal, on a dark ground behind a bar of its colour, in place.

    Of the places around the animal, the one is taken that covers the fewest keypoints of any animal
    and nothing of other tags.

    Args:
        picture: (H, W, 3) RGB.
        tags: The names.
        others: Keypoints of further animals.
        taken: What else is not to be covered.
        size: Of the text in px.
        margin: Between keypoints and tags in px.
    """
    points = np.concatenate([np.empty((0, 2)), *(tag.points for tag in tags), *others])
    used = list(taken)
    for tag in tags:
        if not len(tag.points):
            continue
        name = fit_text(tag.name, size, _WIDEST * size)
        extent = (text_width(name, size) + size + _bar(size), round(1.3 * size))
        places = _places(tag.points, extent, margin, picture.shape[:2])
        area = min(
            enumerate(places),
            key=lambda place: _LESS_LIKED * place[0] + _covered(place[1], points, used, margin),
        )[1]
        used.append(area)
        left, top, right, bottom = area
        write_on_ground(
            picture[top:bottom, left + _bar(size) : right], name, size=size, opacity=_OPACITY
        )
        picture[top:bottom, left : left + _bar(size)] = tag.colour


def _bar(size: int) -> int:
    """The width in px of the bar in front of a name."""
    return max(3, size // 3)


def _places(
    points: Points, extent: tuple[int, int], margin: float, picture_size: tuple[int, ...]
) -> list[Area]:
    """Where a tag of (width, height) may stand: around the keypoints, within the picture."""
    width, height = extent
    low, high = points.min(axis=0) - margin, points.max(axis=0) + margin
    middle = (low + high) / 2
    xs = (middle[0] - width / 2, low[0] - width, high[0])
    ys = (low[1] - height, high[1], middle[1] - height / 2)
    order = [(0, 0), (0, 1), (2, 2), (1, 2), (2, 0), (1, 0), (2, 1), (1, 1)]
    places = []
    for x, y in order:
        left = round(min(max(xs[x], 0), max(picture_size[1] - width, 0)))
        top = round(min(max(ys[y], 0), max(picture_size[0] - height, 0)))
        places.append((left, top, left + width, top + height))
    return places


def _covered(area: Area, points: Points, used: Sequence[Area], margin: float) -> float:
    """How many keypoints a tag would cover; what it covers of other tags counts as several."""
    left, top, right, bottom = area
    low, high = np.array([left, top]) - margin / 2, np.array([right, bottom]) + margin / 2
    inside = ((points > low) & (points < high)).all(axis=1)
    return float(inside.sum()) + _OVERLAP * sum(_overlap(area, other) for other in used)


def _overlap(area: Area, other: Area) -> bool:
    return area[0] < other[2] and other[0] < area[2] and area[1] < other[3] and other[1] < area[3]
