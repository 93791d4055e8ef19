"""Draw poses on frames: keypoints, skeleton, trails, and the truth beside the prediction."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import cv2
import numpy as np
from jaxtyping import Bool, Float
from numpy import ndarray

from lp_analysis.errors import RenderingError
from lp_analysis.rendering.legend import legend_panel
from lp_analysis.rendering.palette import Colour, between, keypoint_colours
from lp_analysis.rendering.strokes import FixedPoint, draw_disc, draw_line, draw_ring, fixed_points
from lp_analysis.rendering.style import DEFAULT_STYLE, DrawingStyle
from lp_analysis.rendering.text import INK, PAPER, Picture, stamp_text
from lp_core.errors import suggestion

Pose = Float[ndarray, "keypoints 2"]
Confidences = Float[ndarray, " keypoints"]
Edge = tuple[str, str]
Line = tuple[FixedPoint | None, FixedPoint | None, Colour, float]
"""Both ends, the colour, and the width in px of the picture."""

_LINE_OPACITY = 0.65
_JUMP, _SHORTEST_JUMP = 4.0, 0.03  # times the usual step; share of the frame's shorter side
_USUAL_OF = 12  # past frames that tell the usual step of a keypoint
_BEYOND = 4.0  # picture sizes outside the picture at which a keypoint is as good as missing


class PoseDrawer:
    """Draws poses of one set of keypoints on frames of one size.

    Args:
        keypoint_names: K names.
        frame_size: (height, width) in frame px.
        style: Colours, sizes, what to show; of its skeleton, the pairs of these keypoints.

    Raises:
        RenderingError: There is no such colour map.
    """

    def __init__(
        self,
        keypoint_names: Sequence[str],
        frame_size: tuple[int, int],
        style: DrawingStyle = DEFAULT_STYLE,
    ) -> None:
        self.style = style
        self.colours = keypoint_colours(len(keypoint_names), self.style.colormap)
        numbers = {name: number for number, name in enumerate(keypoint_names)}
        edges = [edge for edge in self.style.skeleton if numbers.keys() >= set(edge)]
        self._edges = [(numbers[first], numbers[second]) for first, second in edges]
        self._scale = self.style.scale(frame_size)
        self._frame_size = frame_size
        self._size = (frame_size[0] * self._scale, frame_size[1] * self._scale)
        self._radius = self.style.keypoint_radius(self._size)
        self._text_size = self.style.text_size(self._size)
        self._panel = (
            legend_panel(keypoint_names, self.colours, self._size[0], self._text_size)
            if self.style.legend
            else np.zeros((self._size[0], 0, 3), np.uint8)
        )

    @property
    def picture_size(self) -> tuple[int, int]:
        """(height, width) in px of what `draw` returns, enlargement and legend included."""
        return self._size[0], self._size[1] + self._panel.shape[1]

    @property
    def memory(self) -> int:
        """How many past poses `draw` makes use of."""
        return max(self.style.trail, _USUAL_OF) if self.style.trail else 0

    def shown(self, keypoints: Pose, confidences: Confidences | None) -> Pose:
        """The keypoints with NaN for those that are not drawn for lack of confidence.

        Keypoints without any confidence (NaN), as some formats have them, are drawn.
        """
        if confidences is None:
            return keypoints
        unsure = confidences < self.style.confidence_threshold
        return np.where(unsure[:, None], np.nan, keypoints)

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
        """A picture of a frame with a pose on it; the frame itself is left alone.

        Args:
            frame: (H, W, 3) RGB.
            keypoints: (K, 2) frame px; NaN where missing.
            confidences: (K,) from 0 to 1: less confident keypoints are fainter and smaller, and not
                drawn at all below the style's threshold.
            past: Poses of earlier frames, oldest first, as `shown` gives them, for the trails; more
                than the trail is long tell what a usual step is.
            truth: (K, 2) frame px, drawn as rings, joined to the keypoints.
            stamp: Text in the lower left corner.

        Returns:
            (*`picture_size`, 3) RGB.

        Raises:
            RenderingError: The frame does not have the size that was given at first.
        """
        picture = self._enlarged(frame)
        pose = self.shown(keypoints, confidences)
        points = self._points(pose)
        self._draw_lines(picture, points, self._trails([*past, pose]))
        if truth is not None:
            self._draw_truth(picture, self._points(truth), points)
        self._draw_keypoints(picture, points, confidences)
        if stamp:
            stamp_text(picture, stamp, size=self._text_size)
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

    def _trails(self, poses: Sequence[Pose]) -> list[Line]:
        """The lines between successive poses, the last of which is that of the frame."""
        steps = list(itertools.pairwise(poses))
        together = jumps(np.array(poses), self._frame_size) if steps else ()
        lines: list[Line] = []
        recent = list(zip(steps, together, strict=True))[max(len(steps) - self.style.trail, 0) :]
        for age, ((before, after), jumped) in enumerate(recent, 1):
            width = self._radius * (0.25 + 0.75 * age / (len(recent) + 1))
            ends = zip(self._points(before), self._points(after), self.colours, strict=True)
            lines += [(*each, width) for each, jump in zip(ends, jumped, strict=True) if not jump]
        return lines

    def _draw_lines(
        self, picture: Picture, points: list[FixedPoint | None], trails: list[Line]
    ) -> None:
        """Trails and skeleton, half transparent and with a dark edge, in place."""
        lines = list(trails)
        for first, second in self._edges:
            colour = between(self.colours[first], self.colours[second])
            lines.append((points[first], points[second], colour, 0.5 * self._radius))
        if not lines:
            return
        overlay = picture.copy()
        edge = 0.35 * self._radius
        for start, end, _, width in lines:
            draw_line(overlay, start, end, PAPER, width + edge)
        for start, end, colour, width in lines:
            draw_line(overlay, start, end, colour, width)
        cv2.addWeighted(overlay, _LINE_OPACITY, picture, 1 - _LINE_OPACITY, 0, dst=picture)

    def _draw_truth(
        self, picture: Picture, truth: list[FixedPoint | None], points: list[FixedPoint | None]
    ) -> None:
        """A ring at each true position, joined to the keypoint, in place."""
        for true, point, colour in zip(truth, points, self.colours, strict=True):
            draw_line(picture, true, point, INK, 0.3 * self._radius)
            if true is not None:
                draw_ring(picture, true, 1.9 * self._radius, PAPER, 0.9 * self._radius)
                draw_ring(picture, true, 1.9 * self._radius, colour, 0.45 * self._radius)

    def _draw_keypoints(
        self, picture: Picture, points: list[FixedPoint | None], confidences: Confidences | None
    ) -> None:
        """A disc for each keypoint, fainter and smaller with less confidence, in place."""
        sure = np.ones(len(points)) if confidences is None else np.nan_to_num(confidences, nan=1.0)
        levels = sure.clip(0.0, 1.0).tolist()
        for point, colour, confidence in zip(points, self.colours, levels, strict=True):
            if point is not None:
                radius = self._radius * self.style.shrinking(confidence)
                draw_disc(picture, point, radius, colour, self.style.opacity(confidence))


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
