"""Bundle adjustment: cameras and points, or boards, that fit what the cameras saw best.

The matrix and the distortion of each camera stay as they are, but for the focal length if that is
asked for; poses, and the points in space or the poses of boards, are refined. Errors count by
Cauchy's loss, so that wrong detections do little harm.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from numpy import ndarray
from scipy.optimize import least_squares
from scipy.sparse import csr_matrix

from lp_core.geometry.cameras import Camera, Rig, project, rotation_matrix
from lp_core.geometry.cameras.local import local_cameras
from lp_core.geometry.cameras.robust import EFFICIENT

_LOST = 100.0
"""Error, in standard deviations, of a detection by a camera that cannot see the point."""


@dataclass(frozen=True)
class AdjustmentOptions:
    """How cameras are refined.

    Attributes:
        noise: Standard deviation of good detections in frame px.
        focal: Whether the focal lengths are refined too.
        most_steps: Evaluations at most.
    """

    noise: float = 1.0
    focal: bool = False
    most_steps: int = 100


@dataclass(frozen=True, eq=False)
class Bodies:
    """Rigid bodies, such as a board that is moved from frame to frame.

    Attributes:
        shape: (N, 3) where each point is on its body, in world units.
        body: (N,) which body each point is on.
        rotation: (B, 3, 3) of each body, body → world.
        translation: (B, 3).
    """

    shape: Float[ndarray, "points 3"]
    body: Int[ndarray, " points"]
    rotation: Float[ndarray, "bodies 3 3"]
    translation: Float[ndarray, "bodies 3"]

    @property
    def points(self) -> Float[ndarray, "points 3"]:
        """Where the points are, in world units."""
        turned = np.einsum("nij,nj->ni", self.rotation[self.body], self.shape)
        return turned + self.translation[self.body]


@dataclass(frozen=True, eq=False)
class Adjusted:
    """What fits best.

    Attributes:
        rig: The cameras. Of free points, their mean position, scale and attitude are those of the
            rig that was given, which the detections do not determine.
        points: (N, 3) in world units.
        error: (V, N) distance in frame px between detections and points that are projected; NaN
            where there is none.
    """

    rig: Rig
    points: Float[ndarray, "points 3"]
    error: Float[ndarray, "views points"]


def reprojection_error(
    rig: Rig, points: Float[ndarray, "points 3"], seen: Float[ndarray, "views points 2"]
) -> Float[ndarray, "views points"]:
    """Distances in frame px between detections and points that are projected; NaN without one."""
    return np.linalg.norm(project(rig, points) - seen, axis=-1)


def _cross(vectors: Float[ndarray, "*batch 3"]) -> Float[ndarray, "*batch 3 3"]:
    """Matrices that multiply by vectors, as a cross product."""
    x, y, z = np.moveaxis(vectors, -1, 0)
    zero = np.zeros_like(x)
    rows = [[zero, -z, y], [z, zero, -x], [-y, x, zero]]
    return np.moveaxis(np.array(rows), (0, 1), (-2, -1))


def _turning(vector: Float[ndarray, " 3"]) -> Float[ndarray, "3 3"]:
    """How exp of a rotation vector turns further where the vector changes (its left Jacobian)."""
    angle, cross = float(np.linalg.norm(vector)), _cross(vector)
    if angle < 1e-8:
        return np.eye(3) + 0.5 * cross
    first = (1 - np.cos(angle)) / angle**2
    second = (angle - np.sin(angle)) / angle**3
    return np.eye(3) + first * cross + second * (cross @ cross)


class _Problem:
    """Residuals and their sparse derivatives, of parameters that are changes of what was given.

    The parameters are: for each camera but the first a rotation vector and a translation; for each
    camera the logarithm of its focal length, if asked for; then the points, or for each body a
    rotation vector and a translation.
    """

    def __init__(
        self,
        rig: Rig,
        seen: Float[ndarray, "views points 2"],
        points: Float[ndarray, "points 3"],
        bodies: Bodies | None,
        options: AdjustmentOptions,
    ) -> None:
        self._rig, self._points, self._bodies, self._options = rig, points, bodies, options
        self.view, self.point = np.isfinite(seen).all(axis=-1).nonzero()
        self._seen = seen[self.view, self.point]
        poses = 6 * (len(rig) - 1)
        self._focal_at = poses
        self._rest_at = poses + len(rig) * options.focal
        self.size = self._rest_at + (
            3 * len(points) if bodies is None else 6 * len(bodies.rotation)
        )
        # the unit of the noise, so that scales of parameters do not matter to the loss
        self._scale = options.noise

    def rig(self, x: Float[ndarray, " parameters"]) -> Rig:
        """The cameras of parameters."""
        cameras = [self._with_focal(self._rig.cameras[0], x, 0)]
        for number, camera in enumerate(self._rig.cameras[1:], 1):
            turn, shift = x[6 * number - 6 : 6 * number - 3], x[6 * number - 3 : 6 * number]
            moved = replace(
                camera,
                rotation=rotation_matrix(turn) @ camera.rotation,
                translation=camera.translation + shift,
            )
            cameras.append(self._with_focal(moved, x, number))
        return replace(self._rig, cameras=tuple(cameras))

    def _with_focal(self, camera: Camera, x: ndarray, number: int) -> Camera:
        if not self._options.focal:
            return camera
        matrix = camera.matrix.copy()
        matrix[:2, :2] *= np.exp(x[self._focal_at + number])
        return replace(camera, matrix=matrix)

    def bodies(self, x: Float[ndarray, " parameters"]) -> Bodies | None:
        """The bodies of parameters."""
        if self._bodies is None:
            return None
        change = x[self._rest_at :].reshape(-1, 6)
        turns = np.stack([rotation_matrix(turn) for turn in change[:, :3]])
        return replace(
            self._bodies,
            rotation=turns @ self._bodies.rotation,
            translation=self._bodies.translation + change[:, 3:],
        )

    def points(self, x: Float[ndarray, " parameters"]) -> Float[ndarray, "points 3"]:
        """The points of parameters."""
        bodies = self.bodies(x)
        if bodies is None:
            return self._points + x[self._rest_at :].reshape(-1, 3)
        return bodies.points

    def residuals(self, x: Float[ndarray, " parameters"]) -> Float[ndarray, " residuals"]:
        """Errors in units of the noise."""
        expected = project(self.rig(x), self.points(x))[self.view, self.point]
        off = (expected - self._seen) / self._scale
        return np.where(np.isfinite(off), off, _LOST).ravel()

    def jacobian(self, x: Float[ndarray, " parameters"]) -> csr_matrix:
        """Derivatives of the residuals."""
        rig, points = self.rig(x), self.points(x)
        local = local_cameras(rig, torch.from_numpy(points)).numpy()[self.view, self.point]
        local = np.where(np.isfinite(local).all(axis=(1, 2), keepdims=True), local, 0.0)
        slopes = local[..., :3] / self._scale
        blocks = [self._of_cameras(x, rig, points, slopes)]
        if self._options.focal:
            middle = np.stack([camera.matrix[:2, 2] for camera in rig])[self.view]
            valid = np.abs(slopes).sum(axis=(1, 2)) > 0
            along = (local[..., 3] - middle) * valid[:, None] / self._scale
            blocks.append((along[..., None], (self._focal_at + self.view)[:, None]))
        blocks.append(self._of_rest(x, slopes))
        return self._assembled(blocks)

    def _of_cameras(
        self, x: ndarray, rig: Rig, points: ndarray, slopes: ndarray
    ) -> tuple[ndarray, ndarray]:
        """By the poses of cameras: (N, 2, 6) and the columns (N, 6), below 0 for the first."""
        rotation = np.stack([camera.rotation for camera in rig])[self.view]
        turning = np.stack(
            [np.eye(3)] + [_turning(x[6 * n : 6 * n + 3]) for n in range(len(rig) - 1)]
        )
        in_camera = np.einsum("nij,nkj->nik", slopes, rotation)
        turned = np.einsum("nij,nj->ni", rotation, points[self.point])
        by_turn = -in_camera @ _cross(turned) @ turning[self.view]
        columns = 6 * (self.view[:, None] - 1) + np.arange(6)
        return np.concatenate([by_turn, in_camera], axis=-1), columns

    def _of_rest(self, x: ndarray, slopes: ndarray) -> tuple[ndarray, ndarray]:
        """By the points, or by the poses of bodies."""
        bodies = self.bodies(x)
        if bodies is None:
            return slopes, self._rest_at + 3 * self.point[:, None] + np.arange(3)
        change = x[self._rest_at :].reshape(-1, 6)
        turning = np.stack([_turning(turn) for turn in change[:, :3]])
        body = bodies.body[self.point]
        turned = np.einsum("nij,nj->ni", bodies.rotation[body], bodies.shape[self.point])
        by_turn = -slopes @ _cross(turned) @ turning[body]
        columns = self._rest_at + 6 * body[:, None] + np.arange(6)
        return np.concatenate([by_turn, slopes], axis=-1), columns

    def _assembled(self, blocks: list[tuple[ndarray, ndarray]]) -> csr_matrix:
        rows, columns, values = [], [], []
        first = 2 * np.arange(len(self.view))[:, None, None] + np.arange(2)[:, None]
        for block, column in blocks:
            kept: Bool[ndarray, " n"] = column[:, 0] >= 0
            shape = block[kept].shape
            rows.append(np.broadcast_to(first[kept], shape).ravel())
            columns.append(np.broadcast_to(column[kept][:, None], shape).ravel())
            values.append(block[kept].ravel())
        index = np.concatenate(rows), np.concatenate(columns)
        return csr_matrix((np.concatenate(values), index), (2 * len(self.view), self.size))


def adjust(
    rig: Rig,
    seen: Float[ndarray, "views points 2"],
    points: Float[ndarray, "points 3"] | Bodies,
    options: AdjustmentOptions | None = None,
) -> Adjusted:
    """Refine cameras, and the points or bodies that they saw.

    Args:
        rig: The V cameras to begin with.
        seen: (V, N, 2) detections in frame px; NaN where there is none.
        points: (N, 3) in world units to begin with, or the bodies that they are on.
        options: How they are refined.
    """
    options = options or AdjustmentOptions()
    bodies = points if isinstance(points, Bodies) else None
    start = bodies.points if bodies is not None else np.asarray(points)
    problem = _Problem(rig, seen, start, bodies, options)
    found = least_squares(
        problem.residuals,
        np.zeros(problem.size),
        problem.jacobian,
        loss="cauchy",
        f_scale=EFFICIENT,
        x_scale="jac",
        tr_solver="lsmr",
        max_nfev=options.most_steps,
    )
    refined, space = problem.rig(found.x), problem.points(found.x)
    if bodies is None:
        refined, space = _aligned(refined, space, rig)
    return Adjusted(refined, space, reprojection_error(refined, space, seen))


def _aligned(
    rig: Rig, points: Float[ndarray, "points 3"], other: Rig
) -> tuple[Rig, Float[ndarray, "points 3"]]:
    """Move, turn and scale the world so that the cameras are, in the mean, those of another rig."""
    pairs = list(zip(rig, other, strict=True))
    left, _, right = np.linalg.svd(sum(new.rotation.T @ old.rotation for new, old in pairs))
    turn = left @ np.diag([1, 1, np.linalg.det(left @ right)]) @ right  # old world → new world
    new, old = (np.stack([camera.centre for camera in each]) for each in (rig, other))
    spread = [np.linalg.norm(each - each.mean(axis=0)) for each in (new, old)]
    scale = spread[1] / spread[0]
    cameras = []
    for camera in rig:
        centre = old.mean(axis=0) + scale * (camera.centre - new.mean(axis=0)) @ turn
        rotation = camera.rotation @ turn
        cameras.append(replace(camera, rotation=rotation, translation=-rotation @ centre))
    moved = old.mean(axis=0) + scale * (points - new.mean(axis=0)) @ turn
    return replace(rig, cameras=tuple(cameras)), moved
