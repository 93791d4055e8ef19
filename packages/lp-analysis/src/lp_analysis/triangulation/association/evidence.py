"""What two views say about whether a row of each shows the same animal.

Two detections of one point lie on epipolar lines of each other. How far they are off, in standard
deviations of good detections, is Sampson's distance: the epipolar constraint over the length of its
gradient in the pixels of both images, with the distortion of the lenses in the gradient. Of one
animal it is distributed as Student's t, since some keypoints are far off; of two animals as
Cauchy's distribution of the usual distance between animals. A row of K keypoints says as much as a
few independent ones, and a frame less than one look, since neighbours repeat its errors.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int
from numpy import ndarray

from lp_analysis.triangulation.association.rows import ViewRows
from lp_core.geometry.cameras import Rig, undistort
from lp_core.geometry.cameras.robust import NOISE

LOOK = 0.25
"""Independent looks that a frame counts for."""

_KEYPOINTS = 3.0  # independent ones that all of a row count for
_CERTAIN = 0.95  # that a detection of confidence 1 is of the keypoint
_SPOILT = 0.05  # share of the rows whose pose says nothing
_NU = 3.0
_T0 = 0.3676  # Student's density at 0
_STEP = 0.5  # px
_BLOCK = 2**18  # values at once
_SAMPLE = 500  # frames that scales are estimated from
_USUAL = 30.0  # standard deviations between animals, where it is not known
_LEAST_PAIRS = 20
_NOISE_WITHIN = 0.25, 2.5


class Rays(NamedTuple):
    """Where the detections of a view look, in world units, and how that changes by one σ.

    Attributes:
        along: (3, F, A, K).
        right: (3, F, A, K) the change by σ to the right in the image.
        down: (3, F, A, K) the change by σ downwards.
        confidence: (F, A, K), 0 where there is no detection.
    """

    along: Float[ndarray, "3 frames slots keypoints"]
    right: Float[ndarray, "3 frames slots keypoints"]
    down: Float[ndarray, "3 frames slots keypoints"]
    confidence: Float[ndarray, "frames slots keypoints"]


class Scales(NamedTuple):
    """What is usual, in standard deviations of good detections as the rig expects them.

    Attributes:
        noise: Of keypoints of one animal.
        apart: Of keypoints of two animals.
    """

    noise: float
    apart: float


Evidence = Mapping[tuple[int, int], Float[ndarray, "frames slots slots"]]
"""By two views, the first before the second, (F, A, A) nats by which the rows rather show one
animal than two; 0 where there is no row."""


def rays_of(
    rig: Rig,
    view: int,
    rows: ViewRows,
    frames: Int[ndarray, " some"],
    slots: int,
    noise: float | None,
) -> Rays:
    """The rays of the rows in some frames, which are in rising order."""
    place = np.searchsorted(frames, rows.frame)
    some = np.flatnonzero(np.append(frames, -1)[place] == rows.frame)
    camera = rig.cameras[view]
    sigma = noise or NOISE * float(np.hypot(*camera.size))
    steps = np.array([[0.0, 0.0], [_STEP, 0.0], [0.0, _STEP]])
    points = rows.points[some] + steps[:, None, None]
    flat = undistort(Rig((camera,)), points[None])[0]
    camera_rays = np.concatenate([flat, np.ones((*flat.shape[:-1], 1))], axis=-1)
    world = np.moveaxis(camera_rays @ camera.rotation, -1, 1)
    world[1:] = (world[1:] - world[0]) * (sigma / _STEP)
    at = place[some], rows.slot[some]
    shape = len(frames), slots, rows.points.shape[1]
    dense, confidence = np.full((3, 3, *shape), np.nan), np.zeros(shape)
    dense[:, :, *at] = world
    confidence[at] = rows.confidence[some]
    return Rays(dense[0], dense[1], dense[2], confidence)


def distances(
    first: Rays, second: Rays, base: Float[ndarray, " 3"]
) -> Float[ndarray, "frames slots slots keypoints"]:
    """(F, A, A, K) distances in σ; NaN without two detections, infinite behind a camera.

    Args:
        first: The rays of one view.
        second: The rays of the other.
        base: From the centre of the first camera to that of the second.
    """
    each, total = "cfik,cfjk->fijk", "cfjk,cfik->fijk"
    from_second = _crossed(second.along, base)
    from_first = -_crossed(first.along, base)
    off = np.einsum(each, first.along, from_second)
    gradient = np.einsum(each, first.right, from_second) ** 2
    gradient += np.einsum(each, first.down, from_second) ** 2
    gradient += np.einsum(total, second.right, from_first) ** 2
    gradient += np.einsum(total, second.down, from_first) ** 2
    found = np.abs(off) / np.sqrt(np.maximum(gradient, 1e-30))
    between = np.einsum(each, first.along, second.along)
    ahead = _dot(first.along, base)[:, :, None] * _dot2(second.along)[:, None]
    ahead -= _dot(second.along, base)[:, None] * between
    behind = _dot(first.along, base)[:, :, None] * between
    behind -= _dot(second.along, base)[:, None] * _dot2(first.along)[:, :, None]
    return np.where((ahead < 0) | (behind < 0), np.where(np.isnan(found), np.nan, np.inf), found)


def _crossed(vectors: Float[ndarray, xyz * any], base: Float[ndarray, " 3"]) -> ndarray:
    """Their cross products with the base."""
    x, y, z = vectors
    a, b, c = base
    return np.stack([y * c - z * b, z * a - x * c, x * b - y * a])


def _dot(vectors: Float[ndarray, xyz * any], base: Float[ndarray, " 3"]) -> ndarray:
    return np.tensordot(base, vectors, axes=1)


def _dot2(vectors: Float[ndarray, xyz * any]) -> ndarray:
    return np.einsum("c...,c...->...", vectors, vectors)


def likelihood_ratios(
    distance: Float[ndarray, "frames slots slots keypoints"],
    first: Float[ndarray, "frames slots keypoints"],
    second: Float[ndarray, "frames slots keypoints"],
    scales: Scales,
) -> Float[ndarray, "frames slots slots"]:
    """(F, A, A) nats by which rows rather show one animal than two, as one frame's look.

    Args:
        distance: In σ.
        first: The confidences of one view.
        second: The confidences of the other.
        scales: What is usual.
    """
    certain = _CERTAIN * np.minimum(first[:, :, None], second[:, None])
    certain = np.where(np.isnan(distance), 0.0, certain)
    squared = np.where(np.isfinite(distance), distance, 0.0) ** 2
    ratio = _T0 * np.pi * scales.apart / scales.noise * (1 + squared / scales.apart**2)
    ratio /= (1 + squared / (_NU * scales.noise**2)) ** 2
    ratio = np.where(np.isinf(distance), 0.0, ratio)
    nats = np.log1p(certain * (ratio - 1)).sum(axis=-1)
    looks = certain.sum(axis=-1)
    share = np.minimum(1.0, _KEYPOINTS / np.maximum(looks, 1e-9))
    row = np.logaddexp(np.log1p(-_SPOILT) + share * nats, np.log(_SPOILT))
    return np.where(looks > 0, LOOK * row, 0.0).astype(np.float32)


def find_evidence(
    rig: Rig, rows: list[ViewRows], frames: int, slots: int, noise: float | None
) -> Evidence:
    """What all pairs of views say of all pairs of rows.

    It takes 4 bytes for each pair of rows in a frame.

    Args:
        rig: V cameras.
        rows: By view.
        frames: F frames of the session.
        slots: A rows in a frame at most.
        noise: Standard deviation of good detections in frame px; None for that of `triangulate`,
            which is then corrected by what most detections say.
    """
    views = range(len(rig))
    pairs = [(v, w) for v in views for w in views if v < w]
    centre = [camera.centre for camera in rig]
    K = rows[0].points.shape[1]
    size = max(1, _BLOCK // (slots * slots * K))
    sample = np.unique(np.linspace(0, frames - 1, min(_SAMPLE, frames)).astype(int))

    def rays(view: int, chosen: Int[ndarray, " some"]) -> Rays:
        return rays_of(rig, view, rows[view], chosen, slots, noise)

    scales = _usual_scales(
        [distances(rays(v, sample), rays(w, sample), centre[w] - centre[v]) for v, w in pairs],
        fixed=noise is not None,
    )
    found = {pair: np.zeros((frames, slots, slots), np.float32) for pair in pairs}
    for start in range(0, frames, size):
        chosen = np.arange(start, min(start + size, frames))
        seen = [rays(view, chosen) for view in views]
        for v, w in pairs:
            off = distances(seen[v], seen[w], centre[w] - centre[v])
            certain = seen[v].confidence, seen[w].confidence
            found[v, w][chosen] = likelihood_ratios(off, *certain, scales)
    return found


def _usual_scales(sample: list[ndarray], *, fixed: bool) -> Scales:
    """What is usual, from rows that are nearest to each other and from the others.

    Where a view has but one row, the nearest one may be of another animal.

    Args:
        sample: By pair of views the distances in some frames, in σ.
        fixed: The noise is known.
    """
    near, far = [], []
    for off in sample:
        known = ~np.isnan(off).all(axis=-1)
        with np.errstate(invalid="ignore"):
            middle = np.where(known, _median(off), np.inf)
        best = (middle == middle.min(axis=2, keepdims=True)) & known
        best &= middle == middle.min(axis=1, keepdims=True)
        choice = (known.any(axis=2).sum(axis=1) > 1) & (known.any(axis=1).sum(axis=1) > 1)
        near.append(off[best & choice[:, None, None]].ravel())
        far.append(off[known & ~best].ravel())
    one, two = (
        values[np.isfinite(values)] for values in (np.concatenate(near), np.concatenate(far))
    )
    noise = (
        float(np.quantile(one, 0.25)) / 0.3186 if len(one) >= _LEAST_PAIRS and not fixed else 1.0
    )
    noise = float(np.clip(noise, *_NOISE_WITHIN))
    apart = float(np.median(two)) if len(two) >= _LEAST_PAIRS else _USUAL
    return Scales(noise, max(apart, 5.0 * noise))


def _median(off: ndarray) -> ndarray:
    """Medians over keypoints, NaN apart; infinite where there is none."""
    ordered = np.sort(off, axis=-1)  # NaN last
    count = (~np.isnan(off)).sum(axis=-1)
    place = np.maximum(count - 1, 0) // 2
    return np.take_along_axis(ordered, place[..., None], axis=-1)[..., 0]
