"""The figures of several animals: how many there were, how near each other, and who when."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float, Int
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy import ndarray

from lp_analysis.figures.theme import Theme, new_figure, style_axes
from lp_analysis.metrics.animals import CONTACT
from lp_analysis.report.figures import Figures, in_both_themes
from lp_analysis.report.parts import ReportedAnimals, Track
from lp_core.text import printable

MOST_TRACKS = 24
"""Tracks that a figure shows."""

_POINTS = 1500  # places on the axis of time


def animal_figures(video: ReportedAnimals) -> Figures:
    """The animals, contacts and tracks of a video over time."""
    tracks = video.tracks[:MOST_TRACKS]

    def draw(theme: Theme) -> Figure:
        heights = [1.3, 1.0, 0.5 + 0.2 * max(len(tracks), 1)]
        figure = new_figure(10.0, sum(heights) + 0.9, theme)
        count, contact, identity = figure.subplots(
            3, 1, sharex=True, gridspec_kw={"height_ratios": heights}
        )
        seconds = len(video.animals) / float(video.fps)
        _draw_numbers(count, video.animals, seconds, theme)
        _draw_contact(contact, video.contact, seconds, theme)
        _draw_tracks(identity, tracks, float(video.fps), theme)
        identity.set_xlim(0, max(seconds, 1e-9))
        return figure

    return in_both_themes(
        draw,
        f"{video.name} over time: the number of animals, the nearest contact, and when each track "
        "was seen. The tables below hold the numbers.",
    )


def _stretches(values: Int[ndarray, " frames"]) -> Int[ndarray, "stretches length"]:
    """Stretches of equal length, few enough to be drawn; the last value fills up the last one."""
    step = max(1, -(-len(values) // _POINTS))
    return np.pad(values, (0, -len(values) % step), mode="edge").reshape(-1, step)


def _edges(stretches: ndarray, frames: int, seconds: float) -> Float[ndarray, " edges"]:
    """When stretches of frames begin and end, in seconds."""
    edges = np.arange(len(stretches) + 1) * stretches.shape[1]
    return np.minimum(edges, frames) * (seconds / frames)


def _draw_numbers(
    axes: Axes, animals: Int[ndarray, " frames"], seconds: float, theme: Theme
) -> None:
    """The least and the most animals of each stretch of time."""
    style_axes(axes, theme, title="Animals found", x="", y="per frame")
    most = int(animals.max(initial=1))
    axes.set_ylim(0, most + 0.5)
    axes.set_yticks(range(0, most + 1, max(1, most // 5)))
    if len(animals):
        parts = _stretches(animals)
        edges, colour = _edges(parts, len(animals), seconds), theme.colour("test")
        low, high = parts.min(axis=1), parts.max(axis=1)
        axes.stairs(high, edges, baseline=low, fill=True, color=colour, alpha=0.35)
        axes.stairs(high, edges, baseline=None, color=colour, linewidth=1.2)


def _draw_contact(
    axes: Axes, contact: Int[ndarray, " frames"], seconds: float, theme: Theme
) -> None:
    """The nearest contact of each stretch of time, as bars of its height and colour."""
    style_axes(axes, theme, title="Nearest contact", x="")
    axes.set_ylim(0, len(CONTACT) - 0.5)
    axes.set_yticks(range(1, len(CONTACT)), CONTACT[1:])
    if len(contact):
        parts = _stretches(contact)
        edges, level = _edges(parts, len(contact), seconds), parts.max(axis=1)
        colours = (theme.grid, theme.colour("train"), theme.colour("validation"))
        for place, colour in enumerate(colours, 1):
            heights = np.where(level == place, place, 0)
            axes.stairs(heights, edges, fill=True, color=colour)


def _draw_tracks(axes: Axes, tracks: Sequence[Track], fps: float, theme: Theme) -> None:
    """A row for each track, with a bar for each time in which it was seen."""
    style_axes(axes, theme, title="Tracks", x="time (s)")
    axes.set_ylim(len(tracks) - 0.4, -0.6)
    names = [printable(track.name)[:30] for track in tracks]
    axes.set_yticks(range(len(tracks)), names, parse_math=False)
    for place, track in enumerate(tracks):
        bars = [(run.start / fps, (run.stop - run.start) / fps) for run in track.runs]
        axes.broken_barh(bars, (place - 0.3, 0.6), facecolors=theme.colour("test"))
