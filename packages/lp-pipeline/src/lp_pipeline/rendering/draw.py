"""Draw poses on frames: keypoints, skeleton, trails, and the truth beside the prediction."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import cv2
import numpy as np
from jaxtyping import Float
from numpy import ndarray

from lp_core.errors import nearest_name
from lp_pipeline.errors import RenderingError
from lp_pipeline.rendering.legend import legend_panel
from lp_pipeline.rendering.palette import between, keypoint_colours
from lp_pipeline.rendering.strokes import (
    FixedPoint,
    draw_disc,
    draw_line,
    draw_ring,
    fixed_points,
)
from lp_pipeline.rendering.style import DrawingStyle
from lp_pipeline.rendering.text import INK, PAPER, Picture, stamp_text

Pose = Float[ndarray, "keypoints 2"]
Confidences = Float[ndarray, " keypoints"]
Edge = tuple[str, str]

_LINE_OPACITY = 0.65
_BEYOND = 4.0  # picture sizes outside the picture at which a keypoint is as good as missing


class PoseDrawer:
    """Draws poses of one set of keypoints on frames of one size.

    Args:
        keypoint_names: K names.
        frame_size: (height, width) in frame px.
        skeleton: Pairs of keypoint names to join by a line; none takes those of the style.
        style: Colours, sizes, what to show.

    Raises:
        RenderingError: The skeleton names a keypoint that is not there, or there is no such colour
            map.
    """

    def __init__(
        self,
        keypoint_names: Sequence[str],
        frame_size: tuple[int, int],
        *,
        skeleton: Sequence[Edge] = (),
        style: DrawingStyle | None = None,
    ) -> None:
        self.style = style or DrawingStyle()
        self.colours = keypoint_colours(len(keypoint_names), self.style.colormap)
        known = set(keypoint_names)
        edges = skeleton or [edge for edge in self.style.skeleton if known.issuperset(edge)]
        self._edges = [tuple(_number(name, keypoint_names) for name in edge) for edge in edges]
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

    def shown(self, keypoints: Pose, confidences: Confidences | None) -> Pose:
        """The keypoints with NaN for those that are not drawn for lack of confidence."""
        if confidences is None:
            return keypoints
        sure = confidences >= self.style.confidence_threshold
        return np.where(sure[:, None], keypoints, np.nan)

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
            past: Poses of earlier frames, oldest first, as `shown` gives them, for the trails.
            truth: (K, 2) frame px, drawn as rings, joined to the keypoints.
            stamp: Text in the lower left corner.

        Returns:
            (*`picture_size`, 3) RGB.

        Raises:
            RenderingError: The frame does not have the size that was given at first.
        """
        picture = self._enlarged(frame)
        points = self._points(self.shown(keypoints, confidences))
        recent = past[max(len(past) - self.style.trail, 0) :]
        poses = [self._points(pose) for pose in recent]
        self._draw_lines(picture, points, poses)
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

    def _draw_lines(
        self,
        picture: Picture,
        points: list[FixedPoint | None],
        past: list[list[FixedPoint | None]],
    ) -> None:
        """Trails and skeleton, half transparent, in place."""
        if not self._edges and not past:
            return
        overlay = picture.copy()
        for age, (before, after) in enumerate(itertools.pairwise([*past, points]), 1):
            width = self._radius * (0.25 + 0.75 * age / (len(past) + 1))
            for start, end, colour in zip(before, after, self.colours, strict=True):
                draw_line(overlay, start, end, colour, width)
        for first, second in self._edges:
            colour = between(self.colours[first], self.colours[second])
            draw_line(overlay, points[first], points[second], colour, 0.5 * self._radius)
        cv2.addWeighted(overlay, _LINE_OPACITY, picture, 1 - _LINE_OPACITY, 0, dst=picture)

    def _draw_truth(
        self,
        picture: Picture,
        truth: list[FixedPoint | None],
        points: list[FixedPoint | None],
    ) -> None:
        """A ring at each true position, joined to the keypoint, in place."""
        for true, point, colour in zip(truth, points, self.colours, strict=True):
            draw_line(picture, true, point, INK, 0.3 * self._radius)
            if true is not None:
                draw_ring(picture, true, 1.9 * self._radius, PAPER, 0.9 * self._radius)
                draw_ring(picture, true, 1.9 * self._radius, colour, 0.45 * self._radius)

    def _draw_keypoints(
        self,
        picture: Picture,
        points: list[FixedPoint | None],
        confidences: Confidences | None,
    ) -> None:
        """A disc for each keypoint, fainter and smaller with less confidence, in place."""
        sure = np.ones(len(points)) if confidences is None else np.nan_to_num(confidences, nan=0.0)
        levels = sure.clip(0.0, 1.0).tolist()
        for point, colour, confidence in zip(points, self.colours, levels, strict=True):
            if point is not None:
                radius = self._radius * self.style.shrinking(confidence)
                draw_disc(picture, point, radius, colour, self.style.opacity(confidence))


def _number(name: str, keypoint_names: Sequence[str]) -> int:
    """The position of a keypoint of the skeleton."""
    if name in keypoint_names:
        return list(keypoint_names).index(name)
    guess = nearest_name(name, keypoint_names)
    raise RenderingError(
        f"the skeleton joins '{name}', which is no keypoint",
        remedy=(f"did you mean '{guess}'? " if guess else "")
        + f"known: {', '.join(keypoint_names)}",
    )
