"""How states move from frame to frame: the linear Gaussian model of the smoother."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from lp_analysis.smoothing.matrices import Matrices, Numbers, Vectors

Dynamics = Literal["position", "velocity"]
"""``position``: a random walk, xₜ₊₁ = xₜ + w with variance q per frame. ``velocity``: the velocity
is a random walk instead (white acceleration of density q, integrated over a frame)."""


@dataclass(frozen=True, eq=False)
class Motion:
    """The model of N series with p coordinates each.

    A state is the p coordinates, followed by their p velocities with the dynamics ``velocity``;
    d is its size, p or 2·p.

    Attributes:
        dynamics: See `Dynamics`.
        noise: (N,) q: squared units of the coordinates per frame, or per frame³ with
            ``velocity``.
        start: (p, N) mean of the coordinates before the first observation.
        start_variance: (p, N) their variances.
    """

    dynamics: Dynamics
    noise: Float[ndarray, " series"]
    start: Float[ndarray, "coords series"]
    start_variance: Float[ndarray, "coords series"]

    @property
    def size(self) -> int:
        """D."""
        return len(self.start) * (2 if self.dynamics == "velocity" else 1)

    def first(self) -> tuple[Vectors, Matrices]:
        """Mean (d, N) and covariance (d, d, N) of the state before the first observation.

        Velocities have the mean 0 and, as they are not known, the variance of the coordinates.
        """
        p, d = len(self.start), self.size
        mean, covariance = np.zeros((d, len(self.noise))), np.zeros((d, d, len(self.noise)))
        mean[:p] = self.start
        for coordinate in range(d):
            covariance[coordinate, coordinate] = self.start_variance[coordinate % p]
        return mean, covariance

    def tiled(self, times: int) -> Motion:
        """The model of all series, so many times."""
        return Motion(
            self.dynamics,
            np.tile(self.noise, times),
            np.tile(self.start, times),
            np.tile(self.start_variance, times),
        )

    def moved(self, x: Float[ndarray, dims * any]) -> Float[ndarray, dims * any]:
        """A·x, of vectors or of the columns of matrices."""
        if self.dynamics == "position":
            return x
        p = len(self.start)
        return np.concatenate([x[:p] + x[p:], x[p:]])

    def before(self, matrix: Matrices) -> Matrices:
        """M·A of matrices M."""
        if self.dynamics == "position":
            return matrix.copy()
        p = len(self.start)
        return np.concatenate([matrix[:, :p], matrix[:, :p] + matrix[:, p:]], axis=1)

    def spread(self, covariance: Matrices, noise: Numbers) -> Matrices:
        """A·P·Aᵀ + Q."""
        p = len(self.start)
        half = self.moved(covariance)
        moved = np.swapaxes(self.moved(np.swapaxes(half, 0, 1)), 0, 1).copy()
        for i in range(p):
            if self.dynamics == "position":
                moved[i, i] += noise
                continue
            moved[i, i] += noise / 3
            moved[i, p + i] += noise / 2
            moved[p + i, i] += noise / 2
            moved[p + i, p + i] += noise
        return moved
