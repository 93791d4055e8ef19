"""Draw the animals of a frame: keypoints, skeleton, trails, names, and the truth."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import NamedTuple

import cv2
import numpy as np
from jaxtyping import Bool, Float
from numpy import ndarray

from lp_analysis.errors import RenderingError
from lp_analysis.rendering.legend import LegendEntry, legend_panel
from lp_analysis.rendering.name_tags import NameTag, draw_name_tags
from lp_analysis.rendering.palette import NEUTRAL, Colour, between, keypoint_colours
from lp_analysis.rendering.strokes import (
    FixedPoint,
    draw_cross,
    draw_disc,
    draw_line,
    draw_ring,
    fixed_points,
    pixels,
)
from lp_analysis.rendering.style import DEFAULT_STYLE, DrawingStyle
from lp_analysis.rendering.text import INK, PAPER, Picture, stamp_area, stamp_text
from lp_core.errors import suggestion
from lp_core.poses import PoseTable, confidence_of

Pose = Float[ndarray, "keypoints 2"]
Confidences = Float[ndarray, " keypoints"]
Edge = tuple[str, str]
Line = tuple[FixedPoint | None, FixedPoint | None, Colour, float]
"""Both ends, the colour, and the width in px of the picture."""

_LINE_OPACITY = 0.65
_JUMP, _SHORTEST_JUMP = 4.0, 0.03  # times the usual step; share of the frame's shorter side
_USUAL_OF = 12  # past frames that tell the usual step of a keypoint
_BEYOND = 4.0  # picture sizes outside the picture at which a keypoint is as good as missing
_MOST_LISTED = 24  # individuals in a legend
_TRAIL_OF_SEVERAL = 30  # frames, where the style does not say


class Animal(NamedTuple):
    """One animal to draw.

    Attributes:
        keypoints: (K, 2) frame px; NaN where missing.
        confidences: (K,) from 0 to 1: less confident keypoints are fainter and smaller, and not
            drawn at all below the style's threshold.
        individual: Its name; None where it has none.
        past: What `PoseDrawer.remembered` gave of it in earlier frames, oldest first, for the
            trail; more than the trail is long tell what a usual step is.
        truth: (K, 2) frame px, drawn as rings, joined to the keypoints.
        marks: (K, 2) frame px, drawn as crosses: where points in space say that keypoints are.
    """

    keypoints: Pose
    confidences: Confidences | None = None
    individual: str | None = None
    past: Sequence[Pose] = ()
    truth: Pose | None = None
    marks: Pose | None = None


def animals_of(rows: PoseTable, truth: PoseTable | None = None) -> list[Animal]:
    """The rows of a frame as they are drawn, with the ``truth`` of the same rows."""
    names = rows.individual or (None,) * len(rows)
    true: Sequence[Pose | None] = [None] * len(rows) if truth is None else list(truth.points)
    each = zip(rows.points, confidence_of(rows), names, true, strict=True)
    return [Animal(pose, sure, name, truth=known) for pose, sure, name, known in each]


class PoseDrawer:
    """Draws poses of one set of keypoints on frames of one size.

    Args:
        keypoint_names: K names.
        frame_size: (height, width) in frame px.
        style: Colours, sizes, what to show; of its skeleton, the pairs of these keypoints.
        individuals: The names of several animals, None among them for those without a track, which
            are grey. Each has a colour, a trail of its centre, and its name beside it. None for one
            animal, whose keypoints have colours and trails.

    Raises:
        RenderingError: There is no such colour map.
    """

    def __init__(
        self,
        keypoint_names: Sequence[str],
        frame_size: tuple[int, int],
        style: DrawingStyle = DEFAULT_STYLE,
        individuals: Sequence[str | None] | None = None,
    ) -> None:
        self.style, self._names = style, tuple(keypoint_names)
        self.colours = keypoint_colours(len(keypoint_names), style.colormap)
        self._own_colours = self._colours_of(individuals or ())
        self.several = individuals is not None
        numbers = {name: number for number, name in enumerate(keypoint_names)}
        edges = [edge for edge in self.style.skeleton if numbers.keys() >= set(edge)]
        self._edges = [(numbers[first], numbers[second]) for first, second in edges]
        self._scale = self.style.scale(frame_size)
        self._frame_size = frame_size
        self._size = (frame_size[0] * self._scale, frame_size[1] * self._scale)
        self._radius = self.style.keypoint_radius(self._size)
        self._text_size = self.style.text_size(self._size)
        usual = _TRAIL_OF_SEVERAL if self.several else 0
        self._trail = usual if style.trail is None else style.trail
        self._panel = (
            legend_panel(self._entries(keypoint_names), self._size[0], self._text_size)
            if self.style.legend
            else np.zeros((self._size[0], 0, 3), np.uint8)
        )

    @property
    def picture_size(self) -> tuple[int, int]:
        """(height, width) in px of what `draw` returns, enlargement and legend included."""
        return self._size[0], self._size[1] + self._panel.shape[1]

    def legend(self, height: int, marks: str = "") -> Picture:
        """A panel of that height in px for pictures of several frames.

        It names what has colours and, where ``marks`` are drawn, says what they are.
        """
        more = [LegendEntry(marks, INK, cross=True)] if marks else []
        return legend_panel(self._entries(self._names) + more, height, self._text_size)

    @property
    def memory(self) -> int:
        """How many past poses `draw` makes use of."""
        return max(self._trail, _USUAL_OF) if self._trail else 0

    def _colours_of(self, individuals: Sequence[str | None]) -> dict[str | None, Colour]:
        """A colour for each individual, other than those of the keypoints where these have some."""
        before = len(self.colours) if self.style.color_by == "keypoint" else 0
        named = [name for name in individuals if name is not None]
        colours = keypoint_colours(before + len(named), self.style.colormap)[before:]
        own: dict[str | None, Colour] = dict(zip(named, colours, strict=True))
        return own | ({None: NEUTRAL} if None in individuals else {})

    def _entries(self, keypoint_names: Sequence[str]) -> list[LegendEntry]:
        """What the legend explains: individuals, and keypoints where they have colours."""
        by_keypoint = not self.several or self.style.color_by == "keypoint"
        entries = [
            LegendEntry("untracked" if name is None else name, colour, wide=by_keypoint)
            for name, colour in self._own_colours.items()
        ]
        if len(entries) > _MOST_LISTED:  # the colours repeat by then
            more = LegendEntry(f"and {len(entries) - _MOST_LISTED} more", PAPER)
            entries[_MOST_LISTED:] = [more]
        if by_keypoint:
            named = zip(keypoint_names, self.colours, strict=True)
            entries += [LegendEntry(name, colour) for name, colour in named]
        return entries

    def shown(self, keypoints: Pose, confidences: Confidences | None) -> Pose:
        """The keypoints with NaN for those that are not drawn for lack of confidence.

        Keypoints without any confidence (NaN), as some formats have them, are drawn.
        """
        if confidences is None:
            return keypoints
        unsure = confidences < self.style.confidence_threshold
        return np.where(unsure[:, None], np.nan, keypoints)

    def remembered(self, animal: Animal) -> Float[ndarray, "_points 2"]:
        """What later frames need of an animal: the keypoints that are drawn, or their centre.

        Returns:
            (K, 2) frame px; of one of several animals (1, 2), the median of each coordinate.
        """
        pose = self.shown(animal.keypoints, animal.confidences)
        return _centre(pose) if self.several else pose

    def draw(
        self,
        frame: Picture,
        keypoints: Pose,
        confidences: Confidences | None = None,
        *,
        past: Sequence[Pose] = (),
        truth: Pose | None = None,
        stamp: str = "",
    ) -> Picture:
        """`draw_animals` of one animal without a name."""
        animal = Animal(keypoints, confidences, past=past, truth=truth)
        return self.draw_animals(frame, [animal], stamp=stamp)

    def draw_animals(
        self, frame: Picture, animals: Sequence[Animal], *, stamp: str = ""
    ) -> Picture:
        """A picture of a frame with its animals on it; the frame itself is left alone.

        Args:
            frame: (H, W, 3) RGB.
            animals: Any number of them; those without a name are beneath the others.
            stamp: Text in the lower left corner.

        Returns:
            (*`picture_size`, 3) RGB.

        Raises:
            RenderingError: The frame does not have the size that was given at first.
        """
        picture = self._enlarged(frame)
        named_last = sorted(animals, key=lambda animal: animal.individual is not None)
        drawn = [self._placed(animal) for animal in named_last]
        trails = [line for one in drawn for line in self._trail_of(one)]
        limbs = [line for one in drawn for line in self._limbs(one)]
        _draw_lines(picture, trails + limbs, 0.35 * self._radius)
        for one in drawn:
            self._draw_truth(picture, one)
        for one in drawn:
            self._draw_keypoints(picture, one)
            self._draw_marks(picture, one)
        if stamp:
            stamp_text(picture, stamp, size=self._text_size)
        if self.several:
            self._draw_names(picture, drawn, stamp)
        return np.hstack([picture, self._panel]) if self._panel.size else picture

    def _enlarged(self, frame: Picture) -> Picture:
        if frame.shape[:2] != self._frame_size:
            raise RenderingError(
                f"a frame of {frame.shape[1]}×{frame.shape[0]} px among frames of "
                f"{self._frame_size[1]}×{self._frame_size[0]} px"
            )
        if self._scale == 1:
            return frame.copy()
        return cv2.resize(frame, self._size[::-1], interpolation=cv2.INTER_CUBIC)

    def _points(self, keypoints: Pose) -> list[FixedPoint | None]:
        """Frame px to positions in the picture; None for what is missing, or far outside."""
        points = (keypoints.astype(np.float64) + 0.5) * self._scale - 0.5
        with np.errstate(invalid="ignore"):
            far = np.abs(points).max(axis=-1) > _BEYOND * max(self._size)
        points[far] = np.nan
        return fixed_points(points)

    def _placed(self, animal: Animal) -> _Placed:
        """The animal, where it is in the picture, and in which colours."""
        points = self._points(self.shown(animal.keypoints, animal.confidences))
        own = self._own_colours.get(animal.individual, NEUTRAL) if self.several else None
        colours = self.colours
        if own is not None and self.style.color_by == "individual":
            colours = (own,) * len(points)
        return _Placed(animal, points, colours, own)

    def _trail_of(self, one: _Placed) -> list[Line]:
        """The lines between successive poses, the last of which is that of the frame."""
        poses = [*one.animal.past, self.remembered(one.animal)]
        steps = list(itertools.pairwise(poses))
        together = jumps(np.array(poses), self._frame_size) if steps else ()
        colours = one.colours if one.own is None else (one.own,)
        lines: list[Line] = []
        recent = list(zip(steps, together, strict=True))[max(len(steps) - self._trail, 0) :]
        for age, ((before, after), jumped) in enumerate(recent, 1):
            width = self._radius * (0.25 + 0.75 * age / (len(recent) + 1))
            ends = zip(self._points(before), self._points(after), colours, strict=True)
            lines += [(*each, width) for each, jump in zip(ends, jumped, strict=True) if not jump]
        return lines

    def _limbs(self, one: _Placed) -> list[Line]:
        """The lines of the skeleton."""
        points, colours, width = one.points, one.colours, 0.5 * self._radius
        return [
            (points[a], points[b], one.own or between(colours[a], colours[b]), width)
            for a, b in self._edges
        ]

    def _draw_truth(self, picture: Picture, one: _Placed) -> None:
        """A ring at each true position, joined to the keypoint, in place."""
        if one.animal.truth is None:
            return
        truth = self._points(one.animal.truth)
        for true, point, colour in zip(truth, one.points, one.colours, strict=True):
            draw_line(picture, true, point, INK, 0.3 * self._radius)
            if true is not None:
                draw_ring(picture, true, 1.9 * self._radius, PAPER, 0.9 * self._radius)
                draw_ring(picture, true, 1.9 * self._radius, colour, 0.45 * self._radius)

    def _draw_keypoints(self, picture: Picture, one: _Placed) -> None:
        """A disc for each keypoint, fainter and smaller with less confidence, in place."""
        points, known = one.points, one.animal.confidences
        sure = np.ones(len(points)) if known is None else np.nan_to_num(known, nan=1.0)
        levels = sure.clip(0.0, 1.0).tolist()
        for point, colour, confidence in zip(points, one.colours, levels, strict=True):
            if point is not None:
                radius = self._radius * self.style.shrinking(confidence)
                draw_disc(picture, point, radius, colour, self.style.opacity(confidence))

    def _draw_marks(self, picture: Picture, one: _Placed) -> None:
        """A cross at each mark, over the keypoints, in place."""
        marks = [] if one.animal.marks is None else self._points(one.animal.marks)
        for mark, colour in zip(marks, one.colours, strict=False):
            if mark is not None:
                draw_cross(picture, mark, 1.5 * self._radius, colour, 0.3 * self._radius)

    def _draw_names(self, picture: Picture, drawn: Sequence[_Placed], stamp: str) -> None:
        """The name of each individual beside its keypoints, in place."""
        tags = [
            NameTag(one.animal.individual, one.own, self._covered(one))
            for one in drawn
            if one.animal.individual is not None and one.own is not None
        ]
        others = [self._covered(one) for one in drawn if one.animal.individual is None]
        size = max(10, round(0.85 * self._text_size))
        taken = [stamp_area(picture, stamp, size=self._text_size)] if stamp else []
        draw_name_tags(picture, tags, others, taken, size=size, margin=1.6 * self._radius)

    def _covered(self, one: _Placed) -> Float[ndarray, "_points 2"]:
        """What a name should not cover of an animal."""
        truth = one.animal.truth
        return pixels([*one.points, *([] if truth is None else self._points(truth))])


class _Placed(NamedTuple):
    """An animal in a picture.

    Attributes:
        animal: The animal.
        points: Its K keypoints in the picture, without those that are not drawn.
        colours: Of the keypoints.
        own: Its own colour; None where its keypoints' are used throughout.
    """

    animal: Animal
    points: list[FixedPoint | None]
    colours: tuple[Colour, ...]
    own: Colour | None


def _draw_lines(picture: Picture, lines: Sequence[Line], edge: float) -> None:
    """Trails and skeletons, half transparent and with a dark edge, in place."""
    if not lines:
        return
    overlay = picture.copy()
    for start, end, _, width in lines:
        draw_line(overlay, start, end, PAPER, width + edge)
    for start, end, colour, width in lines:
        draw_line(overlay, start, end, colour, width)
    cv2.addWeighted(overlay, _LINE_OPACITY, picture, 1 - _LINE_OPACITY, 0, dst=picture)


def _centre(pose: Pose) -> Float[ndarray, "1 2"]:
    """(1, 2) the median of each coordinate; NaN without any keypoint."""
    known = pose[np.isfinite(pose).all(axis=-1)]
    return np.median(known, axis=0, keepdims=True) if len(known) else np.full((1, 2), np.nan)


def jumps(
    poses: Float[ndarray, "poses keypoints 2"], frame_size: tuple[int, int]
) -> Bool[ndarray, "poses-1 keypoints"]:
    """Where keypoints move so much more than usual that the two positions are not one movement.

    Args:
        poses: Successive ones in frame px, NaN where a keypoint is missing.
        frame_size: (height, width) in frame px.
    """
    steps = np.linalg.norm(np.diff(poses, axis=0), axis=-1)
    known = np.isfinite(steps)
    usual = np.array(
        [
            np.median(step[is_known]) if is_known.any() else 0.0
            for step, is_known in zip(steps.T, known.T, strict=True)
        ]
    )
    limit = np.maximum(_SHORTEST_JUMP * min(frame_size), _JUMP * usual)
    return known & (np.where(known, steps, 0.0) > limit)


def parse_edge(text: str, names: tuple[str, ...]) -> Edge:
    """Two keypoints from ``FIRST-SECOND``, although names may have hyphens themselves.

    Raises:
        RenderingError: There are no two such keypoints.
    """
    parts = text.split("-")
    pairs = [("-".join(parts[:i]), "-".join(parts[i:])) for i in range(1, len(parts))]
    for pair in pairs:
        if pair[0] in names and pair[1] in names:
            return pair
    unknown = [name for pair in pairs[:1] for name in pair if name not in names]
    rest = f"write FIRST-SECOND with two of: {', '.join(names)}"
    raise RenderingError(
        f"'{text}' does not join two keypoints",
        where="--skeleton",
        remedy=suggestion(unknown[0], names, rest) if unknown else rest,
    )
