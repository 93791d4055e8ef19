"""A colour for each keypoint."""

from __future__ import annotations

import matplotlib
import numpy as np
from matplotlib.colors import ListedColormap

from lp_core.errors import nearest_name
from lp_pipeline.errors import RenderingError

Colour = tuple[int, int, int]
"""Red, green and blue, 0 to 255."""

_QUALITATIVE = 32  # a listed map of at most so many colours is a list of unrelated ones


def keypoint_colours(count: int, colormap: str = "cool") -> tuple[Colour, ...]:
    """Colours of ``count`` keypoints, spread evenly over one of matplotlib's colour maps.

    A map that is a short list of unrelated colours, such as ``tab10``, is gone through in order,
    and again from its start where there are more keypoints.

    Args:
        count: K.
        colormap: Matplotlib's name of the map.

    Raises:
        RenderingError: Matplotlib has no such map.
    """
    if colormap not in matplotlib.colormaps:
        guess = nearest_name(colormap, list(matplotlib.colormaps))
        hint = f"did you mean '{guess}'? " if guess else ""
        raise RenderingError(
            f"matplotlib has no colour map '{colormap}'", remedy=f"{hint}for example 'cool', 'hsv'"
        )
    chosen = matplotlib.colormaps[colormap]
    if isinstance(chosen, ListedColormap) and chosen.N <= _QUALITATIVE:
        values = chosen(np.arange(count) % chosen.N, bytes=True)
    else:
        values = chosen(np.linspace(0.0, 1.0, count), bytes=True)
    return tuple((int(red), int(green), int(blue)) for red, green, blue, _ in values)


def between(first: Colour, second: Colour) -> Colour:
    """The colour half way between two."""
    red, green, blue = ((a + b) // 2 for a, b in zip(first, second, strict=True))
    return red, green, blue
