"""Better poses of cameras from what they saw of animals: labels, or predictions that are sure."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from lp_analysis.camera_calibration.adjustment import (
    AdjustmentOptions,
    adjust,
    reprojection_error,
)
from lp_analysis.errors import TriangulationError
from lp_core.geometry.cameras import Rig, triangulate

_MOST_POINTS = 4000
_FEWEST_POINTS = 20
_ROUNDS = 4


@dataclass(frozen=True, eq=False)
class CameraReport:
    """How well one camera agrees with the others.

    Attributes:
        name: Its name.
        detections: How many of its detections were used.
        before: Median reprojection error in frame px before.
        after: The same after.
        percentile_90: The 90th percentile after.
        moved: How far it was moved, in world units.
        turned: How far it was turned, in degrees.
        covered: Share of its image, in 8 × 8 parts, in which it saw anything.
    """

    name: str
    detections: int
    before: float
    after: float
    percentile_90: float
    moved: float
    turned: float
    covered: float


@dataclass(frozen=True, eq=False)
class Refined:
    """A better rig, and what tells whether it is one.

    Attributes:
        rig: The cameras.
        cameras: By camera.
        points: How many points in space were used.
    """

    rig: Rig
    cameras: tuple[CameraReport, ...]
    points: int

    def text(self) -> str:
        """The report, a line for each camera."""
        unit = self.rig.unit or "units"
        width = max(len(camera.name) for camera in self.cameras)
        lines = (
            f"{each.name:<{width}}  {each.detections} detections on {each.covered:.0%} of the "
            f"image, median error {each.before:.2f} → {each.after:.2f} px "
            f"(90 %: {each.percentile_90:.2f}), moved by {each.moved:.3g} {unit}, turned by "
            f"{each.turned:.2f}°"
            for each in self.cameras
        )
        return "\n".join([f"{self.points} points in space", *lines])


def refine_poses(
    rig: Rig,
    seen: Float[ndarray, "views points 2"],
    options: AdjustmentOptions | None = None,
    *,
    seed: int = 0,
) -> Refined:
    """Refine the poses of cameras from points that at least two of them saw.

    Of more than 4,000 points, so many are drawn at random.

    Args:
        rig: V cameras.
        seen: (V, N, 2) detections in frame px; NaN where there is none.
        options: How they are refined.
        seed: What the points are drawn from.

    Raises:
        TriangulationError: There are fewer than 20 points, or a camera saw none of them.
    """
    options = options or AdjustmentOptions()
    usable = np.isfinite(seen).all(axis=-1).sum(axis=0) >= 2
    chosen = np.flatnonzero(usable)
    if len(chosen) > _MOST_POINTS:
        chosen = np.random.default_rng(seed).choice(chosen, _MOST_POINTS, replace=False)
    seen = seen[:, np.sort(chosen)]
    counts = np.isfinite(seen).all(axis=-1).sum(axis=1)
    if seen.shape[1] < _FEWEST_POINTS:
        raise TriangulationError(
            f"{seen.shape[1]} points were seen by two cameras or more, fewer than {_FEWEST_POINTS}",
            remedy="label more frames, or give predictions",
        )
    for name, count in zip(rig.names, counts, strict=True):
        if not count:
            raise TriangulationError(f"the camera '{name}' saw none of the points")
    found, noise = rig, np.inf
    for _ in range(_ROUNDS):
        # as much error as there is now counts as noise: else all detections would be outliers
        first = triangulate(found, seen)
        noise = max(options.noise, min(noise, float(np.nanmedian(first.error))))
        points = triangulate(found, seen, noise=noise).points
        known = np.isfinite(points).all(axis=1)
        found = adjust(found, seen[:, known], points[known], replace(options, noise=noise)).rig
    return Refined(found, _reports(rig, found, seen), int(known.sum()))


def _reports(
    before: Rig, after: Rig, seen: Float[ndarray, "views points 2"]
) -> tuple[CameraReport, ...]:
    errors = [
        reprojection_error(rig, triangulate(rig, seen).points, seen) for rig in (before, after)
    ]
    reports = []
    for number, (old, new) in enumerate(zip(before, after, strict=True)):
        first, last = (own[number][np.isfinite(own[number])] for own in errors)
        turn = old.rotation @ new.rotation.T
        angle = np.degrees(np.arccos(np.clip((np.trace(turn) - 1) / 2, -1, 1)))
        reports.append(
            CameraReport(
                new.name,
                len(last),
                float(np.median(first)) if len(first) else np.nan,
                float(np.median(last)) if len(last) else np.nan,
                float(np.percentile(last, 90)) if len(last) else np.nan,
                float(np.linalg.norm(old.centre - new.centre)),
                float(angle),
                covered(seen[number], new.size),
            )
        )
    return tuple(reports)


def covered(seen: Float[ndarray, "points 2"], size: tuple[int, int], parts: int = 8) -> float:
    """The share of the parts of an image, so many along each side, with a point in them."""
    known = seen[np.isfinite(seen).all(axis=-1)]
    place = np.floor((known + 0.5) / np.array(size) * parts).astype(int).clip(0, parts - 1)
    return len(np.unique(place, axis=0)) / parts**2 if len(known) else 0.0
