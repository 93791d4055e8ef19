"""Cameras from videos of a board that is moved before them."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from itertools import combinations

import cv2
import numpy as np
from jaxtyping import Float
from numpy import ndarray

from lp_analysis.camera_calibration.adjustment import AdjustmentOptions, Bodies, adjust
from lp_analysis.camera_calibration.boards import Board
from lp_analysis.camera_calibration.refinement import covered
from lp_analysis.errors import TriangulationError
from lp_core.geometry.cameras import Camera, Rig, project, rotation_matrix, triangulate, undistort
from lp_core.geometry.cameras.camera import Model

_FEWEST_CORNERS = 8
_FEWEST_FRAMES = 5
_MOST_FRAMES = 40
_CANDIDATES = 15

Pose = tuple[Float[ndarray, "3 3"], Float[ndarray, " 3"]]
Corners = Float[ndarray, "views frames corners 2"]


@dataclass(frozen=True, eq=False)
class BoardReport:
    """How well one camera is calibrated.

    Attributes:
        name: Its name.
        frames: In how many frames it saw the board.
        alone: Root mean square reprojection error in frame px of this camera alone.
        together: Median reprojection error in frame px in the whole rig.
        percentile_90: The 90th percentile of it.
        covered: Share of its image, in 8 × 8 parts, in which it saw corners.
    """

    name: str
    frames: int
    alone: float
    together: float
    percentile_90: float
    covered: float


@dataclass(frozen=True, eq=False)
class Calibrated:
    """A rig, and what tells whether it is a good one.

    Attributes:
        rig: The cameras. The world has its origin at a corner of the board in the frame
            ``origin``, x along its rows, and z up from it.
        cameras: By camera.
        square: Mean length of the sides of the squares as the cameras measure them.
        square_spread: Their standard deviation.
        origin: The frame whose board lies in the plane z = 0.
        shared: For each pair of cameras, in how many frames both saw the board.
    """

    rig: Rig
    cameras: tuple[BoardReport, ...]
    square: float
    square_spread: float
    origin: int
    shared: dict[tuple[str, str], int]

    def text(self) -> str:
        """The report."""
        width = max(len(each.name) for each in self.cameras)
        lines = [
            f"{each.name:<{width}}  {each.frames} frames, corners on {each.covered:.0%} of the "
            f"image, error alone {each.alone:.2f} px, with the others {each.together:.2f} px "
            f"(90 %: {each.percentile_90:.2f})"
            for each in self.cameras
        ]
        lines += [
            f"{a} and {b} both saw the board in {n} frames" for (a, b), n in self.shared.items()
        ]
        unit = self.rig.unit
        measured = f"{self.square:.3f} ± {self.square_spread:.3f} {unit}".rstrip()
        lines.append(f"sides of squares as the cameras measure them: {measured}")
        return "\n".join(lines)


def calibrate(
    board: Board,
    corners: Mapping[str, Float[ndarray, "frames corners 2"]],
    sizes: Mapping[str, tuple[int, int]],
    *,
    fisheye: Collection[str] = (),
    unit: str = "mm",
) -> Calibrated:
    """Calibrate cameras from what they saw of a board.

    Each camera alone gives its matrix and distortion (OpenCV), pairs of cameras how they stand to
    each other, and a bundle adjustment over all cameras and boards the poses.

    Args:
        board: The board.
        corners: By camera, (F, N, 2) in frame px, NaN where one is not seen; of the same frames.
        sizes: By camera, (width, height) of its images.
        fisheye: Names of the cameras with fisheye lenses.
        unit: What the board is measured in.

    Raises:
        TriangulationError: There are fewer than two cameras, one saw the board too rarely, or some
            never saw it together with the others.
    """
    names = list(corners)
    if len(names) < 2:
        raise TriangulationError(f"a rig has at least 2 cameras, got {len(names)}")
    seen = np.stack([corners[name] for name in names])
    seen = np.where(
        np.isfinite(seen).all(axis=-1).sum(axis=-1)[..., None, None] >= _FEWEST_CORNERS,
        seen,
        np.nan,
    )
    lenses = [
        _lens(board, name, seen[view], sizes[name], fisheye=name in fisheye)
        for view, name in enumerate(names)
    ]
    start = Rig(tuple(camera for camera, _ in lenses), unit)
    poses = [_board_poses(board, camera, seen[view]) for view, camera in enumerate(start)]
    rig = _standing(board, start, seen, poses)
    bodies, used = _boards(board, rig, seen, poses)
    flat = seen[:, used].reshape(len(names), -1, 2)
    first = adjust(rig, flat, bodies, AdjustmentOptions(noise=2.0))
    noise = max(0.1, float(np.nanmedian(first.error)))
    best = adjust(
        first.rig, flat, _moved_bodies(board, first.points), AdjustmentOptions(noise=noise)
    )
    found = _moved_bodies(board, best.points)
    origin = int(np.argmax(np.isfinite(seen[:, used]).all(axis=-1).sum(axis=(0, 2))))
    placed = _on_the_board(best.rig, (found.rotation[origin], found.translation[origin]))
    return _reported(
        board, placed, seen, flat, best.error, [error for _, error in lenses], int(used[origin])
    )


def _lens(
    board: Board, name: str, seen: ndarray, size: tuple[int, int], *, fisheye: bool
) -> tuple[Camera, float]:
    """A camera at the origin with its matrix and distortion, and their error."""
    frames = np.flatnonzero(np.isfinite(seen).any(axis=(1, 2)))
    if len(frames) < _FEWEST_FRAMES:
        raise TriangulationError(
            f"the camera '{name}' saw the board in {len(frames)} frames, fewer than "
            f"{_FEWEST_FRAMES}",
            remedy="check the numbers of squares and the markers; the video must not be mirrored",
        )
    chosen = frames[np.unique(np.linspace(0, len(frames) - 1, _MOST_FRAMES).round().astype(int))]
    known = [np.isfinite(seen[frame]).all(axis=1) for frame in chosen]
    shapes = [board.corners[own].astype(np.float32) for own in known]
    images = [seen[frame, own].astype(np.float32) for frame, own in zip(chosen, known, strict=True)]
    try:
        if fisheye:
            flags = _fisheye_flag("RECOMPUTE_EXTRINSIC") | _fisheye_flag("FIX_SKEW")
            error, matrix, lens, _, _ = cv2.fisheye.calibrate(
                [each[None] for each in shapes], [each[None] for each in images], size,
                np.eye(3), np.zeros(4), flags=flags,
            )  # fmt: skip
        else:
            error, matrix, lens, _, _ = cv2.calibrateCamera(
                shapes, images, size, None, None, flags=cv2.CALIB_FIX_K3
            )
    except cv2.error as problem:
        raise TriangulationError(
            f"the camera '{name}' cannot be calibrated from these frames: {problem.err}",
            remedy="move the board all over the image, and tilt it",
        ) from problem
    matrix = np.array(
        [[matrix[0, 0], 0, matrix[0, 2]], [0, matrix[1, 1], matrix[1, 2]], [0, 0, 1.0]]
    )
    count = 4 if fisheye else 5
    camera = Camera(name, size, matrix, np.ravel(lens)[:count], model=_model(fisheye))
    return camera, float(error)


def _model(fisheye: bool) -> Model:
    return "fisheye" if fisheye else "pinhole"


def _fisheye_flag(name: str) -> int:
    """A flag of OpenCV's calibration of fisheye lenses, which OpenCV 5 keeps in another place."""
    place = cv2.fisheye if hasattr(cv2.fisheye, f"CALIB_{name}") else cv2
    return int(getattr(place, f"CALIB_{name}"))


def _board_poses(board: Board, camera: Camera, seen: ndarray) -> dict[int, Pose]:
    """By frame, where the board is before a camera that stands at the origin."""
    flat = undistort(Rig((camera,)), seen[None])[0]
    poses = {}
    for frame in np.flatnonzero(np.isfinite(flat).all(axis=-1).sum(axis=1) >= _FEWEST_CORNERS):
        known = np.isfinite(flat[frame]).all(axis=1)
        done, turn, shift = cv2.solvePnP(
            board.corners[known], flat[frame, known], np.eye(3), None, flags=cv2.SOLVEPNP_IPPE
        )
        if done:
            poses[int(frame)] = rotation_matrix(np.ravel(turn)), np.ravel(shift)
    return poses


def _after(one: Pose, other: Pose) -> Pose:
    """The pose that does ``other`` first, then ``one``."""
    return one[0] @ other[0], one[0] @ other[1] + one[1]


def _inverse(pose: Pose) -> Pose:
    return pose[0].T, -pose[0].T @ pose[1]


def _placed(camera: Camera, pose: Pose) -> Camera:
    return replace(camera, rotation=pose[0], translation=pose[1])


def _between(
    board: Board, camera: Camera, seen: ndarray, own: dict[int, Pose], other: dict[int, Pose]
) -> Pose:
    """The pose of a camera in the coordinates of another: that of the frame which fits all best."""
    frames = [frame for frame in own if frame in other]
    tried = [frames[n] for n in np.unique(np.linspace(0, len(frames) - 1, _CANDIDATES).astype(int))]
    candidates = [_after(own[frame], _inverse(other[frame])) for frame in tried]

    def error(pose: Pose) -> float:
        rig = Rig((_placed(camera, pose),))
        points = np.stack([board.corners @ other[f][0].T + other[f][1] for f in tried])
        off = np.linalg.norm(project(rig, points)[0] - seen[tried], axis=-1)
        return float(np.nanmedian(off)) if np.isfinite(off).any() else np.inf

    return min(candidates, key=error)


def _standing(board: Board, rig: Rig, seen: Corners, poses: list[dict[int, Pose]]) -> Rig:
    """The cameras in the coordinates of one of them, joined by the pairs that share most frames."""
    shared = np.array([[len(own.keys() & other.keys()) for other in poses] for own in poses])
    np.fill_diagonal(shared, 0)
    root = int(shared.sum(axis=1).argmax())
    world: dict[int, Pose] = {root: (np.eye(3), np.zeros(3))}
    while len(world) < len(rig):
        inside, outside = sorted(world), [n for n in range(len(rig)) if n not in world]
        links = shared[np.ix_(inside, outside)]
        if not links.max():
            lone = ", ".join(rig.names[number] for number in outside)
            raise TriangulationError(
                f"no frame shows the board to these cameras and to the others: {lone}",
                remedy="hold the board where two cameras see it; the videos must be in step",
            )
        at, to = np.unravel_index(links.argmax(), links.shape)
        old, new = inside[at], outside[to]
        between = _between(board, rig.cameras[new], seen[new], poses[new], poses[old])
        world[new] = _after(between, world[old])
    cameras = tuple(_placed(camera, world[n]) for n, camera in enumerate(rig))
    return replace(rig, cameras=cameras)


def _boards(
    board: Board, rig: Rig, seen: Corners, poses: list[dict[int, Pose]]
) -> tuple[Bodies, ndarray]:
    """Where the board is in each frame in which a camera saw it, by the one that saw most."""
    counts = np.isfinite(seen).all(axis=-1).sum(axis=-1)
    frames = sorted({frame for own in poses for frame in own})
    found = []
    for frame in frames:
        views = [view for view, own in enumerate(poses) if frame in own]
        view = max(views, key=lambda each: counts[each, frame])
        camera = rig.cameras[view]
        found.append(_after(_inverse((camera.rotation, camera.translation)), poses[view][frame]))
    rotation, translation = (np.stack(each) for each in zip(*found, strict=True))
    body = np.repeat(np.arange(len(frames)), len(board.corners))
    shape = np.tile(board.corners, (len(frames), 1))
    return Bodies(shape, body, rotation, translation), np.array(frames)


def _moved_bodies(board: Board, points: Float[ndarray, "points 3"]) -> Bodies:
    """The bodies whose points these are."""
    count = len(board.corners)
    grids = points.reshape(-1, count, 3)
    flat = board.corners - board.corners.mean(axis=0)
    rotations, shifts = [], []
    for grid in grids:
        left, _, right = np.linalg.svd((grid - grid.mean(axis=0)).T @ flat)
        rotation = left @ np.diag([1, 1, np.linalg.det(left @ right)]) @ right
        rotations.append(rotation)
        shifts.append(grid.mean(axis=0) - rotation @ board.corners.mean(axis=0))
    body = np.repeat(np.arange(len(grids)), count)
    shape = np.tile(board.corners, (len(grids), 1))
    return Bodies(shape, body, np.stack(rotations), np.stack(shifts))


def _on_the_board(rig: Rig, pose: Pose) -> Rig:
    """The rig in the coordinates of a board, turned so that z is up from it."""
    up = np.diag([1.0, -1.0, -1.0])  # a board's own z goes into it
    cameras = []
    for camera in rig:
        rotation, translation = _after((camera.rotation, camera.translation), pose)
        cameras.append(replace(camera, rotation=rotation @ up, translation=translation))
    return replace(rig, cameras=tuple(cameras))


def _reported(
    board: Board,
    rig: Rig,
    seen: Corners,
    flat: Float[ndarray, "views points 2"],
    error: Float[ndarray, "views points"],
    alone: list[float],
    origin: int,
) -> Calibrated:
    """The rig with what is known of its quality."""
    saw = np.isfinite(seen).any(axis=(2, 3))
    points = triangulate(rig, flat).points.reshape(-1, board.rows - 1, board.columns - 1, 3)
    sides = [np.linalg.norm(np.diff(points, axis=axis), axis=-1).ravel() for axis in (1, 2)]
    lengths = np.concatenate(sides)
    lengths = lengths[np.isfinite(lengths)]
    reports = []
    for view, camera in enumerate(rig):
        own = error[view][np.isfinite(error[view])]
        reports.append(
            BoardReport(
                camera.name,
                int(saw[view].sum()),
                alone[view],
                float(np.median(own)),
                float(np.percentile(own, 90)),
                covered(seen[view].reshape(-1, 2), camera.size),
            )
        )
    shared = {
        (rig.names[a], rig.names[b]): int((saw[a] & saw[b]).sum())
        for a, b in combinations(range(len(rig)), 2)
    }
    mean, spread = (
        (float(lengths.mean()), float(lengths.std())) if len(lengths) else (np.nan, np.nan)
    )
    return Calibrated(rig, tuple(reports), mean, spread, origin, shared)
