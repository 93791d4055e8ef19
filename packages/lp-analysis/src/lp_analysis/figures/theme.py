"""The look of every plot: colours that colour-blind readers can tell apart, light and dark."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from io import BytesIO
from typing import Any

from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from lp_core.text import printable

SMALL, NORMAL, LARGE = 8.0, 9.0, 12.0
"""Sizes of text in points."""

MARKERS = {"train": "o", "validation": "D", "test": "^", "unused": "s"}
"""A shape for each split beside its colour, for readers without colour."""

_OTHER_MARKER = "v"


@dataclass(frozen=True)
class Theme:
    """Colours of a figure; those of the splits are Okabe and Ito's.

    Attributes:
        background: Of figure and axes; ``"none"`` is transparent.
        foreground: Text and median marks.
        muted: Axes, ticks and secondary text.
        grid: Grid lines.
        splits: A colour for each split.
        other: The colour of any other split.
    """

    background: str
    foreground: str
    muted: str
    grid: str
    splits: Mapping[str, str] = field(repr=False)
    other: str

    def colour(self, split: str) -> str:
        """The colour of a split, or of a stage of training."""
        return self.splits.get({"val": "validation"}.get(split, split), self.other)


LIGHT = Theme(
    background="#ffffff",
    foreground="#1f2328",
    muted="#57606a",
    grid="#e3e6ea",
    splits={"train": "#7d8590", "validation": "#d55e00", "test": "#0072b2", "unused": "#009e73"},
    other="#a8518a",
)

DARK = Theme(
    background="#16191d",
    foreground="#e8eaed",
    muted="#a3abb5",
    grid="#30363d",
    splits={"train": "#8b949e", "validation": "#e69f00", "test": "#56b4e9", "unused": "#2fbf94"},
    other="#d98cc0",
)


def marker(split: str) -> str:
    """The shape of a split's points."""
    return MARKERS.get(split, _OTHER_MARKER)


def new_figure(width: float, height: float, theme: Theme) -> Figure:
    """An empty figure of that size in inches, which no global state knows of."""
    return Figure(figsize=(width, height), facecolor=theme.background, layout="constrained")


def style_axes(axes: Axes, theme: Theme, *, title: str, x: str, y: str | None = None) -> None:
    """Give axes the theme's look, a title, and labels with units; any text is shown as it is."""
    axes.set_facecolor(theme.background)
    axes.set_title(
        printable(title),
        loc="left",
        color=theme.foreground,
        fontsize=NORMAL + 1,
        fontweight="bold",
        parse_math=False,
    )
    axes.set_xlabel(printable(x), color=theme.muted, fontsize=NORMAL, parse_math=False)
    if y:
        axes.set_ylabel(printable(y), color=theme.muted, fontsize=NORMAL, parse_math=False)
    axes.tick_params(colors=theme.muted, labelsize=SMALL, which="both", length=0)
    for side, spine in axes.spines.items():
        spine.set_visible(side == "bottom")
        spine.set_color(theme.muted)
    axes.grid(visible=True, color=theme.grid, linewidth=0.8)
    axes.set_axisbelow(True)


def add_legend(
    axes: Axes, theme: Theme, entries: Sequence[tuple[Artist, str]], **options: Any
) -> None:
    """Add a legend in the theme's look, with matplotlib's options; none without entries.

    Names are shown as they are: neither is a dollar sign the beginning of a formula, nor an
    underscore a reason to leave the entry out.
    """
    if not entries:
        return
    legend = axes.legend(
        [drawn for drawn, _ in entries], [str(number) for number in range(len(entries))], **options
    )
    legend.get_frame().set(facecolor=theme.background, edgecolor=theme.grid, alpha=0.9)
    legend.get_title().set(color=theme.foreground, fontsize=SMALL, parse_math=False)
    for text, (_, name) in zip(legend.get_texts(), entries, strict=True):
        text.set(color=theme.foreground, fontsize=SMALL, parse_math=False)
        text.set_text(printable(name))


def png(figure: Figure, *, dpi: int = 150) -> bytes:
    """A figure as the bytes of a PNG file."""
    buffer = BytesIO()
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Glyph .* missing")  # names in any script
        figure.savefig(buffer, format="png", dpi=dpi, facecolor=figure.get_facecolor())
    return buffer.getvalue()
