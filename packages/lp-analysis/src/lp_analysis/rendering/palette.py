"""A colour for each keypoint, or each individual."""

from __future__ import annotations

import matplotlib
import numpy as np
from matplotlib.colors import ListedColormap

from lp_analysis.errors import RenderingError
from lp_core.errors import suggestion

Colour = tuple[int, int, int]
"""Red, green and blue, 0 to 255."""

DISTINCT = "distinct"
"""The default colours: a list of light ones, each as unlike those before it as possible.

They were chosen one after the other among all light colours (contrast of at least 5 with the dark
rim of a keypoint), each as far as possible in Oklab from those before it, also as people with
deuteranopia see them.
"""

NEUTRAL: Colour = (172, 177, 184)
"""A grey for what belongs to no individual."""

_DISTINCT = (
    "#f0603c #00fcfc #0084fc #fc60fc #fccc00 #009c84 #60d86c #e49cc0 "
    "#a86ccc #e4fcc0 #90ccfc #009c00 #fc4890 #f0fc00 #fcc09c #f09000 "
    "#54b4c0 #8490fc #90b46c #9cfc78 #b47860 #90d8b4 #fc0cd8 #b4cc00"
)
_QUALITATIVE = 32  # a listed map of at most so many colours is a list of unrelated ones


def keypoint_colours(count: int, colormap: str = DISTINCT) -> tuple[Colour, ...]:
    """Colours of ``count`` keypoints or individuals.

    A list of unrelated colours, such as `DISTINCT` or matplotlib's ``tab10``, is gone through in
    order, and again from its start where there are more of them; any other map of matplotlib is
    divided evenly.

    Raises:
        RenderingError: There is no such map.
    """
    if colormap == DISTINCT:
        texts = _DISTINCT.split()
        return tuple(_from_hex(texts[number % len(texts)]) for number in range(count))
    if colormap not in matplotlib.colormaps:
        rest = f"use '{DISTINCT}' or a map of matplotlib, such as 'turbo'"
        raise RenderingError(
            f"there is no colour map '{colormap}'",
            remedy=suggestion(colormap, [DISTINCT, *matplotlib.colormaps], rest),
        )
    chosen = matplotlib.colormaps[colormap]
    is_list = isinstance(chosen, ListedColormap) and chosen.N <= _QUALITATIVE
    places = np.arange(count) % chosen.N if is_list else np.linspace(0.0, 1.0, count)
    return tuple((int(r), int(g), int(b)) for r, g, b, _ in chosen(places, bytes=True))


def _from_hex(text: str) -> Colour:
    red, green, blue = bytes.fromhex(text.removeprefix("#"))
    return red, green, blue


def luminance(colour: Colour) -> float:
    """Relative luminance of an sRGB colour, 0 to 1 (WCAG 2.2)."""
    red, green, blue = (
        part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4
        for part in (value / 255 for value in colour)
    )
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(first: Colour, second: Colour) -> float:
    """Contrast ratio of two colours, from 1 to 21 (WCAG 2.2)."""
    darker, lighter = sorted((luminance(first), luminance(second)))
    return (lighter + 0.05) / (darker + 0.05)


def between(first: Colour, second: Colour) -> Colour:
    """The colour half way between two."""
    red, green, blue = ((a + b) // 2 for a, b in zip(first, second, strict=True))
    return red, green, blue
