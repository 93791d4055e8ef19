"""Poses in space from a camera that slowly turns around them, above a floor with a grid."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from lp_analysis.rendering.draw import Animal, PoseDrawer
from lp_analysis.rendering.strokes import draw_line, fixed_points
from lp_analysis.rendering.style import DrawingStyle
from lp_analysis.rendering.text import PAPER, Picture
from lp_core.geometry.cameras import Camera, Rig, project
from lp_core.poses import PoseTable, confidence_of

_PERCENTILES = (2.0, 98.0)
_MARGIN = 0.1  # of the range of the points, on either side
_SNAP = math.cos(math.radians(25))
_ELEVATION, _START = math.radians(22), math.radians(-60)
_TURN = math.radians(12)  # per second
_DISTANCE = 3.0  # radii of what is shown
_GRID, _SHADOW = (52, 57, 64), (38, 42, 48)
_CELLS = 6  # of the floor, about


@dataclass(frozen=True, eq=False)
class Stage:
    """Which part of space is shown.

    Attributes:
        axes: (3, 3): two directions along the floor, and that upwards, in world coordinates.
        low: (3,) the least coordinates along the axes, world units.
        high: (3,) the greatest.
    """

    axes: Float[ndarray, "3 3"]
    low: Float[ndarray, " 3"]
    high: Float[ndarray, " 3"]

    @classmethod
    def around(cls, points: Float[ndarray, "points 3"], rig: Rig) -> Stage | None:
        """What most of the points lie in, however far outliers are; None without any point.

        Args:
            points: World units.
            rig: Its cameras tell which way is up.
        """
        known = points[np.isfinite(points).all(axis=-1)]
        if not len(known):
            return None
        axes = _axes(rig)
        low, high = np.percentile(known @ axes.T, _PERCENTILES, axis=0)
        margin = _MARGIN * max(float((high - low).max()), 1e-9)
        below = np.array([margin, margin, 0.0])  # animals stand on the floor
        return cls(axes, low - below, high + margin)

    @property
    def radius(self) -> float:
        """Of a ball around all of it, in world units."""
        return float(np.linalg.norm(self.high - self.low)) / 2

    @property
    def grid(self) -> float:
        """The side of a cell of the floor, a round number of world units."""
        rough = float((self.high - self.low)[:2].max()) / _CELLS
        power = 10.0 ** math.floor(math.log10(rough))
        return power * min((1, 2, 5, 10), key=lambda factor: abs(factor * power - rough))

    def camera(self, size: tuple[int, int], seconds: float) -> Camera:
        """The camera of a picture of (height, width) px at a moment."""
        turned = _START + _TURN * seconds
        towards = np.array(
            [
                math.cos(turned) * math.cos(_ELEVATION),
                math.sin(turned) * math.cos(_ELEVATION),
                math.sin(_ELEVATION),
            ]
        )
        ahead = -towards @ self.axes
        right = np.cross(ahead, self.axes[2])
        right /= np.linalg.norm(right)
        rotation = np.stack([right, np.cross(ahead, right), ahead])
        height, width = size
        focal = 0.46 * min(size) * math.sqrt(_DISTANCE**2 - 1)
        matrix = np.array([[focal, 0, (width - 1) / 2], [0, focal, (height - 1) / 2], [0, 0, 1.0]])
        middle = (self.low + self.high) / 2 @ self.axes
        place = middle - _DISTANCE * self.radius * ahead
        return Camera("scene", (width, height), matrix, np.zeros(0), rotation, -rotation @ place)


def _axes(rig: Rig) -> Float[ndarray, "3 3"]:
    """Two directions of the floor and that upwards, as the cameras together tell it.

    Cameras are mostly held upright. Where their mean is near an axis of the world, it is that one;
    where they contradict each other, it is the third axis.
    """
    up = -np.mean([camera.rotation[1] for camera in rig], axis=0)
    length = float(np.linalg.norm(up))
    up = up / length if length > 0.2 else np.array([0.0, 0.0, 1.0])
    nearest = int(np.abs(up).argmax())
    if abs(up[nearest]) > _SNAP:
        up = np.sign(up[nearest]) * np.eye(3)[nearest]
    first = np.cross(up, np.eye(3)[int(np.abs(up).argmin())])
    first /= np.linalg.norm(first)
    return np.stack([first, np.cross(up, first), up])


class SceneDrawer:
    """Draws poses in space; `PoseDrawer` draws their keypoints, skeleton and names.

    Args:
        keypoint_names: K names.
        stage: What is shown.
        size: (height, width) of the picture in px.
        style: How to draw; trails and enlargement do not count.
        individuals: As for `PoseDrawer`.
        fps: Frames per second.
    """

    def __init__(
        self,
        keypoint_names: Sequence[str],
        stage: Stage,
        size: tuple[int, int],
        style: DrawingStyle,
        individuals: Sequence[str | None] | None = None,
        *,
        fps: float,
    ) -> None:
        self.stage, self._size, self._fps = stage, size, fps
        plain = replace(
            style, trail=0, smallest_side=0, legend=False, stamp=False, confidence_threshold=0
        )
        self._ground = np.full((*size, 3), PAPER, np.uint8)
        self._drawer = PoseDrawer(keypoint_names, size, plain, individuals)
        names = list(keypoint_names)
        edges = [edge for edge in style.skeleton if set(names) >= set(edge)]
        self._edges = [(names.index(first), names.index(second)) for first, second in edges]

    def draw(self, number: int, poses: PoseTable | None) -> Picture:
        """A picture of a frame: its poses, (R, K, 3) in world units; None without any."""
        rig = Rig((self.stage.camera(self._size, number / self._fps),))
        picture = self._ground.copy()
        _draw_lines(picture, rig, self._floor(), _GRID, 1.0)
        if poses is None or not len(poses):
            return picture
        for pose in poses.points:
            self._draw_shadow(picture, rig, pose)
        shown = project(rig, poses.points)[0]
        names = poses.individual or (None,) * len(poses)
        each = zip(shown, confidence_of(poses), names, strict=True)
        return self._drawer.draw_animals(picture, [Animal(*animal) for animal in each])

    def _floor(self) -> Float[ndarray, "lines 2 3"]:
        """The lines of the grid, from end to end."""
        low, high, step = self.stage.low, self.stage.high, self.stage.grid
        marks = [
            np.arange(math.floor(low[axis] / step), math.ceil(high[axis] / step) + 1) * step
            for axis in range(2)
        ]
        lines = [[(x, marks[1][0], low[2]), (x, marks[1][-1], low[2])] for x in marks[0].tolist()]
        lines += [[(marks[0][0], y, low[2]), (marks[0][-1], y, low[2])] for y in marks[1].tolist()]
        return np.array(lines) @ self.stage.axes

    def _draw_shadow(self, picture: Picture, rig: Rig, pose: Float[ndarray, "keypoints 3"]) -> None:
        """The skeleton straight below itself on the floor, in place."""
        flat = pose @ self.stage.axes.T
        flat[:, 2] = self.stage.low[2]
        ground = flat @ self.stage.axes
        width = 0.006 * min(self._size)
        lines: Iterable[list[ndarray]] = ([ground[a], ground[b]] for a, b in self._edges)
        _draw_lines(picture, rig, np.array([*lines]).reshape(-1, 2, 3), _SHADOW, width)


def _draw_lines(
    picture: Picture,
    rig: Rig,
    lines: Float[ndarray, "lines 2 3"],
    colour: tuple[int, int, int],
    width: float,
) -> None:
    """Lines in space, as the camera sees them, in place."""
    ends = project(rig, lines)[0]
    for ends_of_line in ends:
        start, end = fixed_points(ends_of_line)
        draw_line(picture, start, end, colour, width)
