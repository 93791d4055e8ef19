"""What is seen of a state: one view, views of which one is predicted by the others, or cameras.

The observed points of F frames are arrays (F, T, V, 2) in frame px, T tracks (the keypoints of all
animals) in V views, with variances of the same shape; NaN where there is no observation. A
projection turns them into observations of its series, and the states of these back into points.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple, Protocol, runtime_checkable

import numpy as np
import torch
from jaxtyping import Bool, Float
from numpy import ndarray

from lp_analysis.smoothing.matrices import applied, pseudo_observations, solved
from lp_analysis.smoothing.recursions import Observed, States
from lp_core.geometry.cameras import Rig, local_cameras, triangulate

Points = Float[ndarray, "_frames _tracks _views 2"]
Spread = Float[ndarray, "_frames _tracks _views 2 2"]


class Weighed(NamedTuple):
    """Observations of series.

    Attributes:
        observed: For the recursions.
        squares: (F, X) squares of the observed values divided by their variances, of all
            coordinates of all views, in the place in which `observed` is zero.
    """

    observed: Observed
    squares: Float[ndarray, "frames series"]


@runtime_checkable
class Projection(Protocol):
    """How states are seen."""

    @property
    def coords(self) -> int:
        """p, the coordinates of a series."""

    @property
    def series(self) -> int:
        """Series of each track."""

    @property
    def curved(self) -> bool:
        """Whether what is seen is no linear function of the state.

        It is then taken to first order around the states of a run before.
        """

    def weighed(
        self,
        points: Points,
        variance: Points,
        around: Float[ndarray, "coords frames series"] | None,
    ) -> Weighed:
        """The observations of F frames, around states of a run before where there are any."""

    def seen(self, states: States) -> tuple[Points, Spread]:
        """The points of states (d, F, X), and their covariances."""

    def places(self, points: Points, variance: Points) -> Float[ndarray, "coords frames series"]:
        """(p, F, X) where each frame by itself puts the coordinates; NaN where it does not."""

    def tiled(self, times: int) -> Projection:
        """The projection of all tracks, so many times."""


@dataclass(frozen=True)
class OneView:
    """x and y of each track, by themselves: two series with one coordinate."""

    coords: int = 1
    series: int = 2
    curved: bool = False

    def weighed(self, points: Points, variance: Points, around: ndarray | None = None) -> Weighed:
        """See `Projection`."""
        flat, spread = (part.reshape(1, len(part), -1) for part in (points, variance))
        known = np.isfinite(flat) & np.isfinite(spread)
        precisions = np.where(known, 1 / np.where(known, spread, 1.0), 0.0)
        values = precisions * np.where(known, flat, 0.0)
        squares = (values * np.where(known, flat, 0.0))[0]
        rows = np.broadcast_to(np.ones(()), (1, 1, *flat.shape[1:]))
        return Weighed(Observed(rows, precisions, values), squares)

    def seen(self, states: States) -> tuple[Points, Spread]:
        """See `Projection`."""
        F, X = states.mean.shape[1:]
        points = states.mean[0].reshape(F, X // 2, 1, 2)
        spread = np.zeros((F, X // 2, 1, 2, 2))
        variance = states.covariance[0, 0].reshape(F, X // 2, 1, 2)
        spread[..., 0, 0], spread[..., 1, 1] = variance[..., 0], variance[..., 1]
        return points, spread

    def places(self, points: Points, variance: Points) -> Float[ndarray, "coords frames series"]:
        """See `Projection`."""
        return points.reshape(1, len(points), -1)

    def tiled(self, times: int) -> OneView:
        """See `Projection`."""
        return self


def _combined(
    loadings: Float[ndarray, "views two coords frames series"],
    targets: Float[ndarray, "views two frames series"],
    variance: Float[ndarray, "views two frames series"],
) -> Weighed:
    """What all views together say of the coordinates; NaN where one says nothing."""
    known = np.isfinite(targets) & np.isfinite(variance) & np.isfinite(loadings).all(axis=2)
    known &= known.all(axis=1, keepdims=True)
    weights = np.where(known, 1 / np.where(known, variance, 1.0), 0.0)
    targets = np.where(known, targets, 0.0)
    loadings = np.where(known[:, :, None], loadings, 0.0)
    information = np.einsum("vaifx,vajfx,vafx->ijfx", loadings, loadings, weights, optimize=True)
    vector = np.einsum("vaifx,vafx->ifx", loadings, weights * targets, optimize=True)
    squares = (weights * targets * targets).sum(axis=(0, 1))
    return Weighed(Observed(*pseudo_observations(information, vector)), squares)


def _by_view(points: Points) -> Float[ndarray, "views two frames tracks"]:
    return np.ascontiguousarray(points.transpose(2, 3, 0, 1))


def _through(
    loadings: Float[ndarray, "views two coords *any"],
    covariance: Float[ndarray, "p p frames series"],
) -> Spread:
    """H·P·Hᵀ of each view, as (F, T, V, 2, 2)."""
    half = np.einsum("vai...,ij...->vaj...", loadings, covariance)
    return np.einsum("vaj...,vbj...->vab...", half, loadings).transpose(3, 4, 0, 1, 2)


@dataclass(frozen=True, eq=False)
class AffineViews:
    """Views that are affine functions of a few common coordinates, without a calibration.

    Attributes:
        loadings: (V, 2, p, T) px per unit of each coordinate.
        offsets: (V, 2, T) frame px.
    """

    loadings: Float[ndarray, "views two coords tracks"]
    offsets: Float[ndarray, "views two tracks"]
    series: int = 1
    curved: bool = False

    @property
    def coords(self) -> int:
        """P."""
        return self.loadings.shape[2]

    def weighed(self, points: Points, variance: Points, around: ndarray | None = None) -> Weighed:
        """See `Projection`."""
        targets = _by_view(points) - self.offsets[:, :, None]
        return _combined(self._loadings(len(points)), targets, _by_view(variance))

    def seen(self, states: States) -> tuple[Points, Spread]:
        """See `Projection`."""
        p, loadings = self.coords, self._loadings(states.mean.shape[1])
        means = np.einsum("vaift,ift->vaft", loadings, states.mean[:p])
        points = (means + self.offsets[:, :, None]).transpose(2, 3, 0, 1)
        return points, _through(loadings, states.covariance[:p, :p])

    def _loadings(self, frames: int) -> Float[ndarray, "views two coords frames tracks"]:
        shape = (*self.loadings.shape[:3], frames, self.loadings.shape[-1])
        return np.broadcast_to(self.loadings[:, :, :, None], shape)

    def places(self, points: Points, variance: Points) -> Float[ndarray, "coords frames series"]:
        """See `Projection`."""
        observed, _ = self.weighed(points, variance)
        unused = (self.loadings == 0).all(axis=(0, 1))
        return _solved_by_frame(observed, unused)

    def tiled(self, times: int) -> AffineViews:
        """See `Projection`."""
        return AffineViews(np.tile(self.loadings, times), np.tile(self.offsets, times))


def _solved_by_frame(
    observed: Observed, unused: Bool[ndarray, "coords series"]
) -> Float[ndarray, "coords frames series"]:
    """The coordinates that the observations of a frame determine; 0 of those that no view shows."""
    rows, precisions, values = observed
    information = np.einsum("kifx,kjfx,kfx->ijfx", rows, rows, precisions, optimize=True)
    vector = np.einsum("kifx,kfx->ifx", rows, values, optimize=True)
    known = ((precisions > 0) | unused[:, None]).all(axis=0)
    for i in range(len(unused)):
        information[i, i] = np.where(known & ~unused[i], information[i, i], 1.0)
    found = solved(information, vector[:, None])[:, 0]
    return np.where(known, found, np.nan)


@dataclass(frozen=True, eq=False)
class CameraViews:
    """Calibrated cameras, which see points in space.

    Attributes:
        rig: V cameras.
    """

    rig: Rig
    coords: int = 3
    series: int = 1
    curved: bool = True

    def weighed(self, points: Points, variance: Points, around: ndarray | None = None) -> Weighed:
        """See `Projection`; without states of a run before, from triangulated points."""
        if around is None:
            return self._triangulated(points, variance)
        images, loadings = self._local(around)
        targets = _by_view(points) - images + np.einsum("vaifx,ifx->vafx", loadings, around)
        return _combined(loadings, targets, _by_view(variance))

    def _local(self, around: ndarray) -> tuple[ndarray, ndarray]:
        """Images (V, 2, F, X) of points and their derivatives (V, 2, 3, F, X)."""
        flat = torch.from_numpy(np.ascontiguousarray(around.reshape(3, -1).T))
        found = local_cameras(self.rig, flat).numpy()
        parts = found.transpose(0, 2, 3, 1).reshape(len(self.rig), 2, 4, *around.shape[1:])
        return parts[:, :, 3], np.ascontiguousarray(parts[:, :, :3])

    def _triangulated(self, points: Points, variance: Points) -> Weighed:
        found, covariance = self._in_space(points, variance)
        known = np.isfinite(found).all(axis=0) & np.isfinite(covariance).all(axis=(0, 1))
        unit = np.eye(3)[:, :, None, None]
        information = solved(
            np.where(known, covariance, unit), np.broadcast_to(unit, covariance.shape)
        )
        information = np.where(known, information, 0.0)
        vector = applied(information, np.where(known, found, 0.0))
        observed = Observed(*pseudo_observations(information, vector))
        squares = np.einsum("ifx,ifx->fx", vector, np.where(known, found, 0.0))
        return Weighed(observed, squares)

    def _in_space(self, points: Points, variance: Points) -> tuple[ndarray, ndarray]:
        """Triangulated points (3, F, X) and covariances (3, 3, F, X)."""
        F, X, V, _ = points.shape
        usual = np.nanmedian(variance) if np.isfinite(variance).any() else 1.0
        flat = np.ascontiguousarray(points.transpose(2, 0, 1, 3)).reshape(V, F * X, 2)
        weights = usual / variance.mean(axis=-1).transpose(2, 0, 1).reshape(V, F * X)
        weights = np.clip(np.nan_to_num(weights, nan=0.0), 0.0, 1.0)
        found = triangulate(self.rig, flat, weights, noise=float(np.sqrt(usual)))
        space = found.points.T.reshape(3, F, X)
        return space, found.covariance.transpose(1, 2, 0).reshape(3, 3, F, X)

    def seen(self, states: States) -> tuple[Points, Spread]:
        """See `Projection`."""
        around = np.ascontiguousarray(states.mean[:3])
        images, loadings = self._local(around)
        return images.transpose(2, 3, 0, 1), _through(loadings, states.covariance[:3, :3])

    def places(self, points: Points, variance: Points) -> Float[ndarray, "coords frames series"]:
        """See `Projection`."""
        return self._in_space(points, variance)[0]

    def tiled(self, times: int) -> CameraViews:
        """See `Projection`."""
        return self
