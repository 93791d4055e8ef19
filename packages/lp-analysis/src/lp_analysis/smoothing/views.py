"""What views without a calibration have in common: an affine function of three coordinates.

A camera that is far away sees the coordinates of space through an affine map. So x and y of a
keypoint in V views, 2·V numbers, vary in three directions only, which are found by principal
components; what one view does not show follows from the others.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from lp_analysis.errors import SmoothingError
from lp_analysis.smoothing.projections import AffineViews, Points

COORDS = 3

_FEWEST = 30
"""Frames that all views must have in common."""

_KEPT = 0.9
"""Share of the frames that the components are made of: those that fit best."""

_TRIMS = 5
_OFF = 6.0


def fit_views(points: Points, names: Sequence[str]) -> AffineViews:
    """The affine views of each track.

    Args:
        points: (F, T, V, 2) in frame px, of frames from all over the video.
        names: T names of the tracks, for messages.

    Raises:
        SmoothingError: Two views of a track are hardly ever seen together.
    """
    _, T, V, _ = points.shape
    loadings, offsets = np.zeros((V, 2, COORDS, T)), np.zeros((V, 2, T))
    for track, name in enumerate(names):
        own = points[:, track]
        known = np.isfinite(own).all(axis=-1)
        views = np.flatnonzero(known.sum(axis=0) >= _FEWEST)
        if not len(views):
            continue
        flat = own[known[:, views].all(axis=1)][:, views].reshape(-1, 2 * len(views))
        if len(flat) < _FEWEST:
            raise SmoothingError(
                f"the views see '{name}' together in {len(flat)} of the {len(points)} frames that "
                f"were looked at, of which {_FEWEST} are needed",
                remedy="smooth the views by themselves, or give a calibration with --rig",
            )
        mean, directions = _components(flat)
        loadings[views, :, : directions.shape[1], track] = directions.reshape(len(views), 2, -1)
        offsets[views, :, track] = mean.reshape(len(views), 2)
    return AffineViews(loadings, offsets)


def _components(
    rows: Float[ndarray, "frames numbers"],
) -> tuple[Float[ndarray, " numbers"], Float[ndarray, "numbers coords"]]:
    """Mean and principal directions of most rows, without those that fit them least."""
    centre = np.median(rows, axis=0)
    off = np.abs(rows - centre)
    kept = (off <= _OFF * 1.4826 * np.maximum(np.median(off, axis=0), 1.0)).all(axis=1)
    kept = kept if kept.sum() >= _FEWEST else np.ones(len(rows), bool)
    coords = min(COORDS, rows.shape[1])
    for _ in range(_TRIMS):
        mean = rows[kept].mean(axis=0)
        _, _, axes = np.linalg.svd(rows[kept] - mean, full_matrices=False)
        directions = axes[:coords].T
        rest = rows - mean - (rows - mean) @ directions @ directions.T
        square = (rest * rest).sum(axis=1)
        kept = square <= np.quantile(square, _KEPT)
    return mean, directions
